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

MEMORY: Final = 120.0
"""Seconds of the engine by which somebody may be ahead of a newcomer; more is forgotten."""
_SLOWNESS: Final = 3
"""The floor rises by a third of what each of those present would have if all had the same. The
slower it rises, the longer somebody who wants much goes after those who want a little at times."""
Cost = Callable[[Job], float]


class Shares(msgspec.Struct, frozen=True):
    """What people had of the engine, in its seconds above an arbitrary point."""

    floor: float = 0.0
    had: Mapping[int, float] = msgspec.field(default_factory=dict)


def present(shares: Shares, people: Collection[int]) -> Shares:
    """The shares when just these people have jobs that are not finished."""
    known = {
        person: had for person, had in shares.had.items() if person in people or had > shares.floor
    }
    newcomers = {person: shares.floor for person in people if person not in known}
    return Shares(shares.floor, known | newcomers)


def charged(shares: Shares, person: int, seconds: float, people: Collection[int]) -> Shares:
    """The shares after a job of this person, who is one of these people, took so long."""
    before = min(shares.had.get(person, shares.floor), shares.floor + MEMORY)
    had = {**shares.had, person: before + seconds}
    least = min(had.get(each, shares.floor) for each in people)
    risen = shares.floor + seconds / (_SLOWNESS * (len(people) + 1))
    return Shares(max(risen, least - MEMORY), had)


def order(
    waiting: Sequence[Job],
    at_engine: Iterable[Job],
    shares: Shares,
    served: Mapping[int, float],
    cost: Cost,
) -> list[Job]:
    """All waiting jobs in the order in which they will be served if nobody else comes.

    Jobs at the engine count as had. `served` says when each person's last job was started; of
    people who had the same, who was served longest ago goes first, and then the older job. Within
    one person's jobs, the older one goes first.
    """
    lines: dict[int, deque[Job]] = {}
    for job in sorted(waiting, key=lambda job: (job.created_at, job.id)):
        lines.setdefault(job.person, deque()).append(job)
    had = {person: shares.had.get(person, shares.floor) for person in lines}
    for job in at_engine:
        if job.person in had:
            had[job.person] += cost(job)

    def entry(person: int, started: float) -> tuple[float, float, float, str, int]:
        head = lines[person][0]
        return had[person], started, head.created_at, head.id, person

    turns = [entry(person, served.get(person, 0.0)) for person in lines]
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


def until_first(person: int, line: Sequence[Job], at_engine: Iterable[Job], cost: Cost) -> float:
    """Seconds of the engine until one of this person's jobs has ended, at most about."""
    painting = list(at_engine)
    seconds = sum(cost(job) for job in painting)
    if any(job.person == person for job in painting):
        return seconds
    for job in line:
        seconds += cost(job)
        if job.person == person:
            break
    return seconds
