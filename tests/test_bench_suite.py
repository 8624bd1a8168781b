"""Suites of the benchmark: the runner and its report."""

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from engine.bench.suite.report import Check, Outcome, SuiteReport
from engine.bench.suite.runner import Part, SuiteRunner, new_report
from engine.errors import DeviceLost, EngineError, StorageFailed


class ManualClock:
    """Seconds that only the test moves on."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        """The time."""
        return self.seconds


def passing() -> Iterator[Check]:
    """One check that passes."""
    yield Check(subject="a", passed=True, values={"levels": 1})


def failing() -> Iterator[Check]:
    """A check that fails, and one that passes."""
    yield Check(subject="a", passed=False)
    yield Check(subject="b", passed=True)


def measuring() -> Iterator[Check]:
    """A measurement."""
    yield Check(subject="a", values={"seconds": 0.5})


def raising() -> Iterator[Check]:
    """A check that passes, and then an exception."""
    yield Check(subject="a", passed=True)
    raise RuntimeError("a kernel failed")


def losing() -> Iterator[Check]:
    """The device is lost."""
    yield Check(subject="a", passed=True)
    raise DeviceLost("The accelerator is lost.")


def part(run: Callable[[], Iterator[Check]], seconds: float = 1.0) -> Part:
    """A part of these checks."""
    return Part("a part", "holds", seconds, run)


def run_parts(parts: list[Part], file: Path, clock: ManualClock) -> list[SuiteReport]:
    """Run the parts within a minute; returns what was read from the file after each write."""
    written: list[SuiteReport] = []

    def write(report: SuiteReport) -> None:
        report.write(file)
        written.append(msgspec.json.decode(file.read_bytes(), type=SuiteReport))

    report = new_report("gpu", "a device", 1.0, parts)
    SuiteRunner(report, write, lambda _: None, lambda: None, clock).run(parts)
    return written


def test_each_part_has_an_outcome_of_its_own(tmp_path: Path) -> None:
    """A part that fails or raises does not stop the others; its checks until then are kept."""
    parts = [part(run) for run in (passing, failing, raising, measuring)]
    report = run_parts(parts, tmp_path / "out.json", ManualClock())[-1]
    assert [entry.outcome for entry in report.parts] == [
        *(Outcome.PASSED, Outcome.FAILED, Outcome.ERROR, Outcome.MEASURED)
    ]
    assert [len(entry.checks) for entry in report.parts] == [1, 2, 1, 1]
    assert "a kernel failed" in str(report.parts[2].error)
    assert [entry.error for entry in report.parts if entry is not report.parts[2]] == [None] * 3


def test_the_file_is_valid_after_each_check(tmp_path: Path) -> None:
    """It always has all parts; the one that runs is marked, so that a crash in it can be seen."""
    parts = [part(passing), part(failing)]
    written = run_parts(parts, tmp_path / "out.json", ManualClock())
    outcomes = [[entry.outcome for entry in report.parts] for report in written]
    not_run, running = Outcome.NOT_RUN, Outcome.RUNNING
    assert outcomes == [
        [not_run, not_run],
        [running, not_run],
        [Outcome.PASSED, not_run],
        [Outcome.PASSED, running],
        [Outcome.PASSED, running],
        [Outcome.PASSED, Outcome.FAILED],
    ]
    assert [file.name for file in tmp_path.iterdir()] == ["out.json"]


def test_parts_without_time_are_skipped(tmp_path: Path) -> None:
    """A part that needs more time than is left is skipped, one that needs less is run."""
    clock = ManualClock()

    def slow() -> Iterator[Check]:
        clock.seconds += 50
        yield Check(subject="a", passed=True)

    parts = [part(slow), part(passing, seconds=20), part(measuring, seconds=5)]
    report = run_parts(parts, tmp_path / "out.json", clock)[-1]
    assert [entry.outcome for entry in report.parts] == [
        *(Outcome.PASSED, Outcome.SKIPPED, Outcome.MEASURED)
    ]
    assert report.parts[1].checks == []
    assert report.parts[0].seconds == report.seconds == 50


@pytest.mark.parametrize(("passed", "outcome"), [(True, Outcome.STOPPED), (False, Outcome.FAILED)])
def test_a_part_is_stopped_when_the_time_is_over(
    tmp_path: Path, passed: bool, outcome: Outcome
) -> None:
    """It never counts as passed."""
    clock = ManualClock()

    def endless() -> Iterator[Check]:
        while True:
            clock.seconds += 25
            yield Check(subject="a", passed=passed)

    report = run_parts([part(endless)], tmp_path / "out.json", clock)[-1]
    assert report.parts[0].outcome is outcome
    assert len(report.parts[0].checks) == 3


def test_nothing_runs_after_the_device_is_lost(tmp_path: Path) -> None:
    """The other parts are neither passed nor failed."""
    parts = [part(losing), part(passing)]
    report = run_parts(parts, tmp_path / "out.json", ManualClock())[-1]
    assert [entry.outcome for entry in report.parts] == [Outcome.ERROR, Outcome.NOT_RUN]
    with pytest.raises(EngineError, match="failed: a part"):
        report.check()


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    """The operator gets a sentence."""
    report = new_report("gpu", "a device", 1.0, [])
    with pytest.raises(StorageFailed, match="cannot be written: No such file"):
        report.write(tmp_path / "missing" / "out.json")
