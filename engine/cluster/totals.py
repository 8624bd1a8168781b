"""Add up the heartbeats of replicas. Pure."""

from collections.abc import Sequence
from typing import Final

from engine.contract import Heartbeat, ReplicaStatus

NOTHING: Final = Heartbeat(ticks=0, seconds=0.0, rows_total=0, rows_used=0, painting=0, waiting=0)


def total(
    heartbeats: Sequence[Heartbeat],
    before: Heartbeat,
    *,
    waiting: int,
    replicas: tuple[ReplicaStatus, ...],
) -> Heartbeat:
    """The heartbeat of a cluster.

    `before` has the counters of the replicas that have ended, `waiting` is the number of jobs that
    no replica has yet.
    """
    memories = [heartbeat.memory for heartbeat in heartbeats]
    peaks = [heartbeat.peak_memory for heartbeat in heartbeats]
    resident = dict.fromkeys(name for heartbeat in heartbeats for name in heartbeat.resident)
    counters = before
    for heartbeat in heartbeats:
        counters = heartbeat.plus(counters)
    return Heartbeat(
        ticks=counters.ticks,
        seconds=counters.seconds,
        rows_total=counters.rows_total,
        rows_used=counters.rows_used,
        painting=sum(heartbeat.painting for heartbeat in heartbeats),
        waiting=waiting + sum(heartbeat.waiting for heartbeat in heartbeats),
        memory=_sum(memories),
        peak_memory=_sum(peaks),
        resident=tuple(resident),
        replicas=replicas,
    )


def _sum(sizes: Sequence[int | None]) -> int | None:
    numbers = [size for size in sizes if size is not None]
    return sum(numbers) if numbers else None
