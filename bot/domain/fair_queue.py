"""The order of queued jobs by fair queueing: the user with the least recent engine time goes first.

Each user has a virtual time, the engine seconds that their jobs took. The system's virtual time is
a floor that rises with each job: a newcomer starts at the floor, or at their own virtual time if
that is greater. So users who were away for a while go first, and old usage is forgotten. No user
starves: each job that ends lifts the floor, until newcomers start above those who wait.

This is start-time fair queueing (Goyal, Vin and Cheng 1997, https://doi.org/10.1109/90.649569) with
the credit for sleepers of borrowed virtual time (Duda and Cheriton 1999). Pure.
"""

import heapq
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Final

import msgspec

from bot.domain.job import Job

MAX_LEAD: Final = 120.0
"""By how many engine seconds a virtual time may exceed the floor; more is forgotten."""
_FLOOR_DIVISOR: Final = 3
"""The floor rises by a third of an equal share. The slower it rises, the longer a user of many jobs
goes after users of few."""
Cost = Callable[[Job], float]


class VirtualTimes(msgspec.Struct, frozen=True):
    """Virtual times in engine seconds above an arbitrary point."""

    system: float = 0.0
    """The floor."""
    by_user: Mapping[int, float] = msgspec.field(default_factory=dict)


def sync_active(times: VirtualTimes, user_ids: Collection[int]) -> VirtualTimes:
    """The virtual times when exactly these users have unfinished jobs."""
    remaining = {
        user_id: time
        for user_id, time in times.by_user.items()
        if user_id in user_ids or time > times.system
    }
    newcomers = {user_id: times.system for user_id in user_ids if user_id not in remaining}
    return VirtualTimes(times.system, remaining | newcomers)


def charge(
    times: VirtualTimes, user_id: int, seconds: float, user_ids: Collection[int]
) -> VirtualTimes:
    """The virtual times after a job of this user took so long; `user_ids` have unfinished jobs."""
    before = min(times.by_user.get(user_id, times.system), times.system + MAX_LEAD)
    by_user = {**times.by_user, user_id: before + seconds}
    least = min(by_user.get(active, times.system) for active in user_ids)
    raised = times.system + seconds / (_FLOOR_DIVISOR * (len(user_ids) + 1))
    return VirtualTimes(max(raised, least - MAX_LEAD), by_user)


def order(
    queued: Sequence[Job],
    running: Iterable[Job],
    times: VirtualTimes,
    last_started: Mapping[int, float],
    cost: Cost,
) -> list[Job]:
    """All queued jobs in the order in which they start if no other jobs arrive.

    Running jobs count as used. Of users with equal virtual times, the one whose last job started
    earliest goes first, and then the older job. The jobs of one user start in order of age.
    """
    queues: dict[int, deque[Job]] = {}
    for job in sorted(queued, key=lambda job: (job.created_at, job.id)):
        queues.setdefault(job.user_id, deque()).append(job)
    by_user = {user_id: times.by_user.get(user_id, times.system) for user_id in queues}
    for job in running:
        if job.user_id in by_user:
            by_user[job.user_id] += cost(job)

    def entry(user_id: int, started: float) -> tuple[float, float, float, str, int]:
        head = queues[user_id][0]
        return by_user[user_id], started, head.created_at, head.id, user_id

    heap = [entry(user_id, last_started.get(user_id, 0.0)) for user_id in queues]
    heapq.heapify(heap)
    ordered: list[Job] = []
    while heap:
        user_id = heapq.heappop(heap)[-1]
        job = queues[user_id].popleft()
        ordered.append(job)
        by_user[user_id] += cost(job)
        if queues[user_id]:
            heapq.heappush(heap, entry(user_id, float("inf")))
    return ordered


def until_first(
    user_id: int, queue: Sequence[Job], running: Iterable[Job], cost: Cost, replicas: int = 1
) -> float:
    """An upper estimate of the engine seconds until the first of this user's jobs has ended."""
    jobs = list(running)
    own = [cost(job) for job in jobs if job.user_id == user_id]
    if not own:
        for job in queue:
            jobs.append(job)
            if job.user_id == user_id:
                own.append(cost(job))
                break
    return until_end(min(own, default=0.0), sum(map(cost, jobs)), replicas)


def until_end(seconds: float, total: float, replicas: int) -> float:
    """An upper estimate of the engine seconds until a job has ended that takes `seconds` of them,
    and with those that go before `total`, if so many replicas share the jobs.

    A job runs on one replica.
    """
    return total / replicas + seconds * (1 - 1 / replicas)
