"""When the watchdog restarts an engine: without heartbeats, or without steps despite work."""

import msgspec
import pytest

from engine.contract import Heartbeat, Stepped
from engine.contract.watchdog import SHORTEST_SECONDS, SILENCE_SECONDS, UNKNOWN_SECONDS, Watchdog


def heartbeat(ticks: int) -> Heartbeat:
    """A heartbeat of an engine after this many steps."""
    return Heartbeat(ticks=ticks, seconds=1.0, rows_total=8, rows_used=8, painting=4, waiting=0)


def stepping(every: float, steps: int) -> tuple[Watchdog, float]:
    """A watchdog after so many steps, and the time of the last one."""
    watchdog = Watchdog(0.0)
    for nth in range(1, steps + 1):
        watchdog.on_event(heartbeat(nth), nth * every)
    return watchdog, steps * every


def reason_without_steps(
    watchdog: Watchdog, since: float, seconds: float, ticks: int
) -> str | None:
    """The failure reason after so many seconds of heartbeats without a step."""
    now = since
    while now < since + seconds:
        now += 2.0
        watchdog.on_event(heartbeat(ticks), now)
    return watchdog.failure_reason(now)


def test_a_working_engine_is_healthy() -> None:
    """Its steps may be fast or slow."""
    for every in (0.1, 20.0):
        watchdog, now = stepping(every, 10)
        assert watchdog.failure_reason(now + every) is None


def test_an_engine_without_heartbeats_fails() -> None:
    """They are sent every two seconds, whatever the engine is doing."""
    watchdog, now = stepping(0.1, 10)
    assert SILENCE_SECONDS <= 60.0
    assert watchdog.failure_reason(now + SILENCE_SECONDS - 1) is None
    assert "sent nothing for 31 s" in (watchdog.failure_reason(now + SILENCE_SECONDS + 1) or "")


def test_an_engine_fails_after_ten_times_its_longest_step() -> None:
    """It still sends heartbeats."""
    watchdog, now = stepping(20.0, 5)
    assert reason_without_steps(watchdog, now, 190.0, 5) is None
    assert "no step for" in (reason_without_steps(watchdog, now + 190.0, 20.0, 5) or "")


def test_fast_steps_do_not_lower_the_limit_below_the_minimum() -> None:
    """A new picture size takes longer to prepare than any step."""
    watchdog, now = stepping(0.01, 5)
    assert reason_without_steps(watchdog, now, SHORTEST_SECONDS - 5, 5) is None
    assert reason_without_steps(watchdog, now + SHORTEST_SECONDS - 5, 10, 5) is not None


def test_the_first_step_has_a_limit_of_its_own() -> None:
    """A large model on a slow machine needs minutes; an engine that never makes a step fails."""
    assert reason_without_steps(Watchdog(0.0), 0.0, UNKNOWN_SECONDS - 10, 0) is None
    assert UNKNOWN_SECONDS <= 3600.0
    reason = reason_without_steps(Watchdog(0.0), 0.0, UNKNOWN_SECONDS + 10, 0)
    assert "no step for" in (reason or "")


def test_progress_of_a_job_counts_as_a_step() -> None:
    """So does its ending."""
    watchdog, now = stepping(0.01, 5)
    reason_without_steps(watchdog, now, SHORTEST_SECONDS - 5, 5)
    watchdog.on_event(Stepped(job="j", attempt=1, step=1, steps=9), now + SHORTEST_SECONDS)
    assert reason_without_steps(watchdog, now + SHORTEST_SECONDS, SHORTEST_SECONDS - 5, 5) is None


@pytest.mark.parametrize("seconds", [100.0, 10_000.0])
def test_an_idle_engine_is_healthy(seconds: float) -> None:
    """This holds for any length of time."""
    watchdog, now = stepping(0.1, 10)
    watchdog.on_event(heartbeat(10), now + seconds)
    watchdog.on_idle(now + seconds)
    assert watchdog.failure_reason(now + seconds) is None


def test_a_suspended_bot_does_not_fail_its_engine() -> None:
    """The events of the time of suspension are still in the socket."""
    watchdog, now = stepping(0.1, 10)
    watchdog.reset(now + 500)
    assert watchdog.failure_reason(now + 501) is None


def test_only_silence_fails_a_cluster() -> None:
    """It watches the steps of its replicas itself; one that hangs is no reason to leave it."""
    watchdog, now = stepping(0.1, 10)
    for _ in range(1000):
        now += 2.0
        watchdog.on_event(msgspec.structs.replace(heartbeat(10), replicas=()), now)
    assert watchdog.failure_reason(now) is None
    assert "sent nothing" in (watchdog.failure_reason(now + SILENCE_SECONDS + 1) or "")


@pytest.mark.parametrize(("painting", "waiting"), [(0, 0), (4, 0), (0, 1)])
def test_own_heartbeats_say_whether_steps_are_expected(painting: int, waiting: int) -> None:
    """An engine core without jobs is healthy for any length of time; one with jobs must step."""
    watchdog, now = stepping(0.1, 10)
    own = msgspec.structs.replace(heartbeat(10), painting=painting, waiting=waiting)
    for _ in range(100):
        now += 2.0
        watchdog.on_own_heartbeat(own, now)
    is_idle = painting == waiting == 0
    assert ("no step for" in (watchdog.failure_reason(now) or "")) is not is_idle
