"""Which models are on the device: by memory, use and time slices."""

from dataclasses import dataclass, field

import pytest

from engine.core.placement import (
    MIN_SLICE_SECONDS,
    SWITCH_SHARE,
    ModelPlace,
    Move,
    next_move,
    slice_seconds,
)

RESIDENT = ModelPlace(bytes=10, is_resident=True)
WANTED = ModelPlace(bytes=10, is_resident=False, waiting_since=5.0)


def test_nothing_moves_without_work() -> None:
    """A model on the host waits there until it has work."""
    assert next_move([RESIDENT, WANTED._replace(waiting_since=None)], 0, 9.0) == Move()


def test_a_model_that_fits_needs_no_room() -> None:
    """The others stay."""
    assert next_move([RESIDENT, WANTED], 10, 9.0) == Move(load=1)


def test_the_least_recently_used_model_makes_room() -> None:
    """Only as many as are needed."""
    models = [RESIDENT._replace(used_at=2.0), RESIDENT._replace(used_at=1.0), WANTED]
    assert next_move(models, 0, 9.0) == Move(load=2, evict=(1,))
    assert next_move([*models[:2], WANTED._replace(bytes=20)], 0, 9.0) == Move(2, (1, 0))


def test_a_model_with_work_stays_until_its_slice_ends() -> None:
    """Models without work go first, even if they were used later."""
    working = RESIDENT._replace(waiting_since=8.0, slice_end=10.0, used_at=1.0)
    assert next_move([working, WANTED], 0, 9.0) == Move()
    assert next_move([working, WANTED], 0, 10.0) == Move(load=1, evict=(0,))
    idle = RESIDENT._replace(used_at=7.0)
    assert next_move([working, idle, WANTED], 0, 10.0) == Move(load=2, evict=(1,))


def test_a_busy_model_starts_nothing_more() -> None:
    """It is moved when its pictures are decoded; until then nothing else takes the room."""
    busy = RESIDENT._replace(is_busy=True)
    assert next_move([busy, WANTED], 0, 9.0) == Move(paused=(0,))


def test_the_oldest_work_is_next() -> None:
    """Also if a smaller model would fit at once."""
    old = WANTED._replace(bytes=20, waiting_since=1.0)
    assert next_move([RESIDENT, WANTED, old], 10, 9.0) == Move(load=2, evict=(0,))


def test_a_model_that_seems_too_large_is_tried_alone() -> None:
    """The estimate may be too high."""
    assert next_move([RESIDENT, WANTED._replace(bytes=99)], 5, 9.0) == Move(load=1, evict=(0,))


@dataclass
class Device:
    """A device with room for one of several models, which all have endless work; simulated."""

    switch_seconds: float
    models: list[ModelPlace] = field(default_factory=list)
    worked: dict[int, float] = field(default_factory=dict)
    switched: float = 0.0
    longest_wait: float = 0.0

    def run(self, count: int, seconds: float, pass_seconds: float = 0.1) -> None:
        """Alternate between `count` models for so many seconds."""
        self.models = [WANTED._replace(waiting_since=0.0) for _ in range(count)]
        self.worked = dict.fromkeys(range(count), 0.0)
        now = 0.0
        while now < seconds:
            move = next_move(self.models, 10 - sum(m.is_resident for m in self.models) * 10, now)
            for index in move.evict:
                self.models[index] = self.models[index]._replace(is_resident=False)
            if move.load is not None:
                now += self.switch_seconds
                self.switched += self.switch_seconds
                since = self.models[move.load].waiting_since
                assert since is not None
                self.longest_wait = max(self.longest_wait, now - since)
                end = now + slice_seconds(self.switch_seconds)
                loaded = self.models[move.load]._replace(is_resident=True, slice_end=end)
                self.models[move.load] = loaded
            now += pass_seconds
            for index, model in enumerate(self.models):
                if model.is_resident:
                    self.worked[index] += pass_seconds
                    self.models[index] = model._replace(waiting_since=now, used_at=now)


@pytest.mark.parametrize("switch_seconds", [0.2, 3.0])
def test_moving_takes_a_small_share_and_nobody_starves(switch_seconds: float) -> None:
    """All models get equal time, and wait for one slice of each other at most."""
    device = Device(switch_seconds)
    device.run(count=3, seconds=600.0)
    total = sum(device.worked.values())
    assert device.switched <= total * SWITCH_SHARE * 1.05
    assert max(device.worked.values()) - min(device.worked.values()) <= total * 0.1
    turn = slice_seconds(switch_seconds) + switch_seconds + 0.2
    assert device.longest_wait <= 3 * turn
    assert slice_seconds(switch_seconds) >= MIN_SLICE_SECONDS
