"""Decide which models are in the device's memory while others wait in that of the host. Pure."""

from collections.abc import Sequence
from typing import Final, NamedTuple

MIN_SLICE_SECONDS: Final = 4.0
"""A model that was moved to the device stays at least so long while it has work."""
SWITCH_SHARE: Final = 0.1
"""The largest share of the time that is spent on moving models, if they all have work."""


class ModelPlace(NamedTuple):
    """Where a model is, and what waits for it."""

    bytes: int
    """Memory that its weights and its batches need on the device."""
    is_resident: bool
    """Whether its weights are on the device."""
    is_busy: bool = False
    """Whether its weights are in use: in a forward pass, or for decoding."""
    waiting_since: float | None = None
    """The time since which pictures wait that it has not worked on since; None if it has no
    work."""
    slice_end: float = 0.0
    """Before this time it is not moved while it has work."""
    used_at: float = 0.0
    """The time of its last use."""


class Move(NamedTuple):
    """The models to move now, by index, and those that must not start more work before a move."""

    load: int | None = None
    """To the device, after `evict`; None if nothing is to be moved."""
    evict: tuple[int, ...] = ()
    paused: tuple[int, ...] = ()
    """Models that are to be moved to the host as soon as they are no longer busy."""


def slice_seconds(switch_seconds: float) -> float:
    """How long a model with work stays on the device, if it took so long to move it there."""
    return max(MIN_SLICE_SECONDS, switch_seconds / SWITCH_SHARE)


def next_move(models: Sequence[ModelPlace], free: int, now: float) -> Move:
    """The next move; `free` is the number of free bytes of the device.

    The model with the oldest waiting work is loaded next. Models without work make room for it, the
    least recently used first, then those whose time slice has ended. If all others together do not
    make enough room, it is tried anyway.
    """
    waiting = [
        (model.waiting_since, index)
        for index, model in enumerate(models)
        if not model.is_resident and model.waiting_since is not None
    ]
    if not waiting:
        return Move()
    _, load = min(waiting)
    evict: list[int] = []
    for index in _candidates(models, now):
        if free >= models[load].bytes:
            break
        evict.append(index)
        free += models[index].bytes
    others = [index for index, model in enumerate(models) if model.is_resident]
    if free < models[load].bytes and len(evict) < len(others):
        return Move()  # the slices of the others have not ended
    paused = tuple(index for index in evict if models[index].is_busy)
    return Move(paused=paused) if paused else Move(load, tuple(evict))


def _candidates(models: Sequence[ModelPlace], now: float) -> list[int]:
    """The models that may be moved to the host, in this order."""
    may_move = [
        index
        for index, model in enumerate(models)
        if model.is_resident and (model.waiting_since is None or now >= model.slice_end)
    ]

    def priority(index: int) -> tuple[bool, float]:
        return models[index].waiting_since is not None, models[index].used_at

    return sorted(may_move, key=priority)
