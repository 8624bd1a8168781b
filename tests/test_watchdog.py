"""When the engine is given up: it says nothing, or makes no step though it has work."""

import pytest

from bot.engine_client.watchdog import SHORTEST_SECONDS, SILENCE_SECONDS, UNKNOWN_SECONDS, Watchdog
from engine.contract import Heartbeat, Stepped


def pulse(ticks: int) -> Heartbeat:
    """A Heartbeat of an engine that has made so many steps."""
    return Heartbeat(ticks=ticks, seconds=1.0, rows_total=8, rows_used=8, painting=4, waiting=0)


def stepping(every: float, steps: int) -> tuple[Watchdog, float]:
    """One that has seen so many steps, and when it saw the last one."""
    watchdog = Watchdog(0.0)
    for nth in range(1, steps + 1):
        watchdog.on_event(pulse(nth), nth * every)
    return watchdog, steps * every


def last_sign(watchdog: Watchdog, since: float, seconds: float, ticks: int) -> str | None:
    """The verdict after so many seconds of Pulses that tell of no new step."""
    now = since
    while now < since + seconds:
        now += 2.0
        watchdog.on_event(pulse(ticks), now)
    return watchdog.failure_reason(now)


def test_who_gets_on_is_left_alone() -> None:
    """Whether quickly or slowly."""
    for every in (0.1, 20.0):
        watchdog, now = stepping(every, 10)
        assert watchdog.failure_reason(now + every) is None


def test_silence_is_the_end() -> None:
    """A Heartbeat comes every two seconds, whatever the engine is doing."""
    watchdog, now = stepping(0.1, 10)
    assert watchdog.failure_reason(now + SILENCE_SECONDS - 1) is None
    assert "sent nothing for 31 s" in (watchdog.failure_reason(now + SILENCE_SECONDS + 1) or "")


def test_no_step_in_ten_times_the_longest_is_the_end() -> None:
    """Though the engine still says that it is there."""
    watchdog, now = stepping(20.0, 5)
    assert last_sign(watchdog, now, 190.0, 5) is None
    assert "no step for" in (last_sign(watchdog, now + 190.0, 20.0, 5) or "")


def test_quick_steps_are_no_reason_for_haste() -> None:
    """A new size takes longer to be made ready than any step."""
    watchdog, now = stepping(0.01, 5)
    assert last_sign(watchdog, now, SHORTEST_SECONDS - 5, 5) is None
    assert last_sign(watchdog, now + SHORTEST_SECONDS - 5, 10, 5) is not None


def test_of_the_first_step_nothing_is_known() -> None:
    """A large model on a small machine takes its time."""
    assert last_sign(Watchdog(0.0), 0.0, UNKNOWN_SECONDS - 10, 0) is None


def test_progress_of_a_job_is_a_step_as_well() -> None:
    """And so is its end."""
    watchdog, now = stepping(0.01, 5)
    last_sign(watchdog, now, SHORTEST_SECONDS - 5, 5)
    watchdog.on_event(Stepped(job="j", attempt=1, step=1, steps=9), now + SHORTEST_SECONDS)
    assert last_sign(watchdog, now + SHORTEST_SECONDS, SHORTEST_SECONDS - 5, 5) is None


@pytest.mark.parametrize("seconds", [100.0, 10_000.0])
def test_without_work_no_step_is_expected(seconds: float) -> None:
    """An idle engine may be idle for ever."""
    watchdog, now = stepping(0.1, 10)
    watchdog.on_event(pulse(10), now + seconds)
    watchdog.on_idle(now + seconds)
    assert watchdog.failure_reason(now + seconds) is None


def test_who_stood_still_itself_blames_nobody() -> None:
    """After a bot was frozen, the engine's words are still on their way."""
    watchdog, now = stepping(0.1, 10)
    watchdog.reset(now + 500)
    assert watchdog.failure_reason(now + 501) is None
