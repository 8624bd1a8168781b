"""Which queued job gets a seat at the engine; pure.

As in Kubernetes API Priority and Fairness, each flow has seats of its own and idle seats are lent:
https://kubernetes.io/docs/concepts/cluster-administration/flow-control/.
"""

from collections import Counter
from collections.abc import Sequence

from bot.domain.job import Job
from bot.domain.limits import Limits, guild_share


def next_to_start(
    queue: Sequence[Job], running: Sequence[Job], limits: Limits, replicas: int = 1
) -> Job | None:
    """The job of the queue to start now; None if no seat is free for any.

    There are `limits.max_running_total` seats for each replica of the engine.

    It is the first job whose user and guild both have a seat of their own left; failing that, the
    first whose user has one; failing that, the first job, which borrows an idle seat.

    If all seats are taken, a user without a running job still gets one, until as many users as
    there are seats have running jobs: the engine shares its time between users, not between jobs.

    A job that was running when an engine died is a suspect: it runs alone on a replica, so that it
    cannot bring down others. The only replica does nothing else meanwhile; of several, half are
    left to the other jobs, which do not wait for a suspect.
    """
    if replicas != 1:
        return _next_of_several(queue, running, limits, replicas)
    seats = limits.max_running_total
    job = _preferred(queue, running, seats, limits)
    if job is None or not running:
        return job
    if any(candidate.crashes for candidate in [job, *running]):
        return None
    return job if len(running) < seats else _newcomer(queue, running, seats, limits)


def _next_of_several(
    queue: Sequence[Job], running: Sequence[Job], limits: Limits, replicas: int
) -> Job | None:
    """Replicas with a suspect have no seats for other jobs."""
    others = [job for job in running if not job.crashes]
    suspects = len(running) - len(others)
    seats = limits.max_running_total * max(0, replicas - suspects)
    if suspects >= replicas // 2:
        queue = [job for job in queue if not job.crashes]
    if len(others) < seats:
        return _preferred(queue, running, seats, limits)
    return _newcomer(queue, others, seats, limits)


def _newcomer(
    queue: Sequence[Job], running: Sequence[Job], seats: int, limits: Limits
) -> Job | None:
    """The first job of a user without a running one, while more of those fit in."""
    users = {job.user_id for job in running}
    if len(users) >= seats or len(running) >= 2 * seats:
        return None
    newcomers = [job for job in queue if job.user_id not in users and not job.crashes]
    return _preferred(newcomers, running, seats, limits)


def _preferred(
    queue: Sequence[Job], running: Sequence[Job], seats: int, limits: Limits
) -> Job | None:
    by_user = Counter(job.user_id for job in running)
    by_guild = Counter(job.target.guild_id for job in running)
    guild_seats = guild_share(seats, limits)
    of_user = [job for job in queue if by_user[job.user_id] < _user_seats(job, limits)]
    of_guild = [
        job
        for job in of_user
        if not job.target.guild_id or by_guild[job.target.guild_id] < guild_seats
    ]
    return next(iter(of_guild or of_user or queue), None)


def _user_seats(job: Job, limits: Limits) -> int:
    return job.max_concurrent or limits.max_running
