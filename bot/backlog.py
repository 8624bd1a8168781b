"""Whose job is next: fair between people, the least recently served first; pure."""

from collections import deque
from collections.abc import Mapping, Sequence

from bot.jobs import Job


def order(waiting: Sequence[Job], served: Mapping[int, float]) -> list[Job]:
    """All waiting jobs in the order in which they will be served if nobody else comes.

    `served` says when each person's last job was started; who is not in it goes first. Among
    those who wait equally long, and within one person's jobs, the older job goes first.
    """
    lines: dict[int, deque[Job]] = {}
    for job in sorted(waiting, key=lambda job: (job.created_at, job.id)):
        lines.setdefault(job.person, deque()).append(job)
    turn = deque(sorted(lines, key=lambda person: (served.get(person, 0.0), _head(lines[person]))))
    ordered = []
    while turn:
        person = turn.popleft()
        ordered.append(lines[person].popleft())
        if lines[person]:
            turn.append(person)
    return ordered


def _head(line: deque[Job]) -> tuple[float, str]:
    return line[0].created_at, line[0].id
