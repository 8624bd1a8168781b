"""Whose job is next: the person's who had least of the engine of late; pure.

What somebody had is counted in seconds of the engine. A floor rises below all who are present:
whoever comes starts from it, or from what they had if that is more. So those who have not been
here for a while go first, and what was had long ago is forgotten. Nobody starves: each job that
ends lifts the floor, until even the newest newcomers start above those who wait. (Virtual time, as
in start-time fair queueing, Goyal, Vin and Cheng 1997, https://doi.org/10.1109/90.649569, with the
credit for sleepers of borrowed virtual time, Duda and Cheriton 1999.)
"""

import heapq
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Final

import msgspec

from bot.domain.job import Job

MAX_LEAD: Final = 120.0
"""Seconds of the engine by which somebody may be ahead of a newcomer; more is forgotten."""
_FLOOR_DIVISOR: Final = 3
"""The floor rises by a third of what each of those present would have if all had the same. The
slower it rises, the longer somebody who wants much goes after those who want a little at times."""
Cost = Callable[[Job], float]


class VirtualTimes(msgspec.Struct, frozen=True):
    """What people had of the engine, in its seconds above an arbitrary point."""

    system: float = 0.0
    by_user: Mapping[int, float] = msgspec.field(default_factory=dict)


def sync_active(times: VirtualTimes, user_ids: Collection[int]) -> VirtualTimes:
    """The shares when just these people have jobs that are not finished."""
    known = {
        person: had
        for person, had in times.by_user.items()
        if person in user_ids or had > times.system
    }
    newcomers = {person: times.system for person in user_ids if person not in known}
    return VirtualTimes(times.system, known | newcomers)


def charge(
    times: VirtualTimes, user_id: int, seconds: float, user_ids: Collection[int]
) -> VirtualTimes:
    """The shares after a job of this person, who is one of these people, took so long."""
    before = min(times.by_user.get(user_id, times.system), times.system + MAX_LEAD)
    had = {**times.by_user, user_id: before + seconds}
    least = min(had.get(each, times.system) for each in user_ids)
    risen = times.system + seconds / (_FLOOR_DIVISOR * (len(user_ids) + 1))
    return VirtualTimes(max(risen, least - MAX_LEAD), had)


def order(
    queued: Sequence[Job],
    running: Iterable[Job],
    times: VirtualTimes,
    last_started: Mapping[int, float],
    cost: Cost,
) -> list[Job]:
    """All waiting jobs in the order in which they will be served if nobody else comes.

    Jobs at the engine count as had. `served` says when each person's last job was started; of
    people who had the same, who was served longest ago goes first, and then the older job. Within
    one person's jobs, the older one goes first.
    """
    lines: dict[int, deque[Job]] = {}
    for job in sorted(queued, key=lambda job: (job.created_at, job.id)):
        lines.setdefault(job.user_id, deque()).append(job)
    had = {person: times.by_user.get(person, times.system) for person in lines}
    for job in running:
        if job.user_id in had:
            had[job.user_id] += cost(job)

    def entry(person: int, started: float) -> tuple[float, float, float, str, int]:
        head = lines[person][0]
        return had[person], started, head.created_at, head.id, person

    turns = [entry(person, last_started.get(person, 0.0)) for person in lines]
    heapq.heapify(turns)
    ordered: list[Job] = []
    while turns:
        person = heapq.heappop(turns)[-1]
        job = lines[person].popleft()
        ordered.append(job)
        had[person] += cost(job)
        if lines[person]:
            heapq.heappush(turns, entry(person, float("inf")))
    return ordered


def until_first(user_id: int, queue: Sequence[Job], running: Iterable[Job], cost: Cost) -> float:
    """Seconds of the engine until one of this person's jobs has ended, at most about."""
    painting = list(running)
    seconds = sum(cost(job) for job in painting)
    if any(job.user_id == user_id for job in painting):
        return seconds
    for job in queue:
        seconds += cost(job)
        if job.user_id == user_id:
            break
    return seconds
