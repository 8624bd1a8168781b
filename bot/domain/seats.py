"""Seats at the engine: which job gets one; pure."""

from collections import Counter
from collections.abc import Sequence

from bot.domain.job import Job
from bot.domain.limits import Limits, share


def next_start(line: Sequence[Job], at_engine: Sequence[Job], limits: Limits) -> Job | None:
    """Which job of the line goes to the engine now; None if there is no place for any.

    The first whose person and server have places of their own left; if there is none, the first
    whose person has; if there is none, the first: places that nobody else wants are lent. When all
    are taken, there is still one for people who have none, until there are as many people at the
    engine as it has places. It shares its time between people, and not between jobs.

    A job that was at an engine that died is painted alone: if it was the cause, it takes no other
    with it again.
    """
    job = _first(line, at_engine, limits)
    if job is None or not at_engine:
        return job
    suspected = any(each.crashes for each in [job, *at_engine])
    if suspected or len(at_engine) < limits.at_once:
        return None if suspected else job
    people = {each.person for each in at_engine}
    if len(people) >= limits.at_once or len(at_engine) >= 2 * limits.at_once:
        return None
    newcomers = [job for job in line if job.person not in people and not job.crashes]
    return _first(newcomers, at_engine, limits)


def _first(line: Sequence[Job], at_engine: Sequence[Job], limits: Limits) -> Job | None:
    by_person = Counter(job.person for job in at_engine)
    by_guild = Counter(job.address.guild for job in at_engine)
    most = share(limits.at_once, limits)
    within = [job for job in line if by_person[job.person] < (job.seats or limits.running)]
    best = [job for job in within if not job.address.guild or by_guild[job.address.guild] < most]
    return next(iter(best or within or line), None)
