"""Seats at the engine: which job gets one; pure."""

from collections import Counter
from collections.abc import Sequence

from bot.domain.job import Job
from bot.domain.limits import Limits, guild_share


def next_to_start(queue: Sequence[Job], running: Sequence[Job], limits: Limits) -> Job | None:
    """Which job of the line goes to the engine now; None if there is no place for any.

    The first whose person and server have places of their own left; if there is none, the first
    whose person has; if there is none, the first: places that nobody else wants are lent. When all
    are taken, there is still one for people who have none, until there are as many people at the
    engine as it has places. It shares its time between people, and not between jobs.

    A job that was at an engine that died is painted alone: if it was the cause, it takes no other
    with it again.
    """
    job = _first(queue, running, limits)
    if job is None or not running:
        return job
    suspected = any(each.crashes for each in [job, *running])
    if suspected or len(running) < limits.max_running_total:
        return None if suspected else job
    people = {each.user_id for each in running}
    if len(people) >= limits.max_running_total or len(running) >= 2 * limits.max_running_total:
        return None
    newcomers = [job for job in queue if job.user_id not in people and not job.crashes]
    return _first(newcomers, running, limits)


def _first(line: Sequence[Job], at_engine: Sequence[Job], limits: Limits) -> Job | None:
    by_person = Counter(job.user_id for job in at_engine)
    by_guild = Counter(job.target.guild_id for job in at_engine)
    most = guild_share(limits.max_running_total, limits)
    within = [
        job for job in line if by_person[job.user_id] < (job.max_concurrent or limits.max_running)
    ]
    best = [
        job for job in within if not job.target.guild_id or by_guild[job.target.guild_id] < most
    ]
    return next(iter(best or within or line), None)
