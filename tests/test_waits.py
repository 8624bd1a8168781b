"""What the messages of unfinished jobs show: positions that only fall, and expected ends."""

from hypothesis import given
from hypothesis import strategies as st

from bot.domain import cost_model
from bot.domain.job import Progress
from bot.domain.limits import Limits
from bot.domain.waits import MIN_SECONDS, Waits
from bot.services.scheduler import Schedule
from tests.samples import job


@given(st.lists(st.integers(0, 50), min_size=1))
def test_a_position_only_falls(positions: list[int]) -> None:
    """It is the lowest so far."""
    waits = Waits()
    new_positions = [
        waits.update("j1", Progress(jobs_ahead=ahead), float(now)).jobs_ahead
        for now, ahead in enumerate(positions)
    ]
    assert new_positions == [min(positions[: n + 1]) for n in range(len(positions))]


def test_a_job_that_waits_again_has_a_new_position() -> None:
    """After it was painted, because it was handed back."""
    waits = Waits()
    waits.update("j1", Progress(jobs_ahead=0), 0.0)
    waits.update("j1", Progress(percent=10), 1.0)
    assert waits.update("j1", Progress(jobs_ahead=3), 2.0).jobs_ahead == 3


def test_each_job_has_its_own_position() -> None:
    """And none after its end."""
    waits = Waits()
    waits.update("j1", Progress(jobs_ahead=1), 0.0)
    assert waits.update("j2", Progress(jobs_ahead=2), 0.0).jobs_ahead == 2
    waits.remove("j1")
    assert waits.progress("j1") is None
    assert waits.progress("j2") == Progress(jobs_ahead=2)


def test_an_expected_end_changes_only_if_it_differs_clearly() -> None:
    """So that messages are seldom edited: by a fifth of the rest, and at least five seconds."""
    waits = Waits()
    ends = [100.0, 119.0, 81.0, 130.0, 130.4]
    steady_ends = [
        waits.update("j1", Progress(jobs_ahead=1, ends_at=end), 0.0).ends_at for end in ends
    ]
    assert steady_ends == [100.0, 100.0, 81.0, 130.0, 130.0]


def test_an_end_that_is_near_is_not_shown() -> None:
    """Nor one that has passed."""
    for seconds in (MIN_SECONDS - 0.1, 0.0, -60.0):
        assert Waits().update("j1", Progress(ends_at=50.0 + seconds), 50.0).ends_at is None


def test_an_overdue_end_disappears_until_there_is_a_new_estimate() -> None:
    """The position stays."""
    waits = Waits()
    waits.update("j1", Progress(jobs_ahead=2, ends_at=30.0), 0.0)
    assert waits.end_overdue(29.0) == {}
    assert waits.end_overdue(30.0) == {"j1": Progress(jobs_ahead=2)}
    assert waits.end_overdue(31.0) == {}
    assert waits.update("j1", Progress(jobs_ahead=2, ends_at=60.0), 40.0).ends_at == 60.0


def test_the_end_of_painting_is_measured() -> None:
    """From the first percentage of the attempt on: 25 % in 10 seconds, 50 % are left."""
    waits = Waits()
    assert waits.update("j1", Progress(percent=25), 100.0).ends_at is None
    assert waits.update("j1", Progress(percent=50), 110.0).ends_at == 130.0


def test_another_attempt_is_measured_anew() -> None:
    """The time in which the engine was down does not count."""
    waits = Waits()
    waits.update("j1", Progress(percent=0), 0.0)
    waits.update("j1", Progress(engine_down=True), 10.0)
    assert waits.update("j1", Progress(percent=20), 500.0).ends_at is None
    assert waits.update("j1", Progress(percent=60), 540.0).ends_at == 580.0


def test_the_ends_of_a_queue_follow_each_other() -> None:
    """What the running job has painted no longer counts; several batches at once are faster."""
    schedule, jobs = Schedule(Limits()), [job(f"j{n}") for n in range(3)]
    assert schedule.seconds_to_ends(jobs[1:], 1) == [None, None]  # nothing was measured
    schedule.samples = [cost_model.Sample(pixels=64 * 64, work=1.0, seconds=1e-6)]
    cost = schedule.cost(jobs[0])
    schedule.start(jobs[0])
    assert schedule.seconds_to_ends(jobs[1:], 1) == [2 * cost, 3 * cost]
    schedule.set_painted("j0", 0.5)
    assert schedule.seconds_to_ends(jobs[1:], 1) == [1.5 * cost, 2.5 * cost]
    assert schedule.seconds_to_ends(jobs[1:], 2) == [0.75 * cost, 1.25 * cost]
