"""Run the parts of a suite one after another, within its time."""

import logging
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from engine.bench.suite.report import Check, Outcome, PartReport, SuiteReport, outcome_of
from engine.device.errors import is_device_lost
from engine.errors import DeviceLost

_MAX_ERROR_CHARS: Final = 3000
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Part:
    """A part of a suite."""

    name: str
    bound: str
    """What a check must fulfil to pass, as a phrase for the report."""
    seconds: float
    """The part is skipped if less time than this is left."""
    run: Callable[[], Iterator[Check]]
    """Its checks; each is run when the iterator is advanced."""


def new_report(suite: str, device: str, minutes: float, parts: Sequence[Part]) -> SuiteReport:
    """The report before the first part."""
    entries = [PartReport(name=part.name, bound=part.bound, checks=[]) for part in parts]
    return SuiteReport(suite=suite, device=device, minutes=minutes, parts=entries)


class SuiteRunner:
    """Runs parts and keeps the report up to date."""

    def __init__(
        self,
        report: SuiteReport,
        write: Callable[[SuiteReport], None],
        show: Callable[[str], None],
        release_memory: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`write` is called after each change of the report, `show` with each line for the
        terminal, and `release_memory` after each part."""
        self.report = report
        self._write = write
        self._show = show
        self._release_memory = release_memory
        self._clock = clock
        self._start = clock()

    def run(self, parts: Sequence[Part]) -> None:
        """Run the parts of the report in order. Parts for which there is no time left are skipped.

        An exception ends its part only, unless the device is lost: then the others cannot run.
        """
        self._write(self.report)
        for part, entry in zip(parts, self.report.parts, strict=True):
            if self._seconds_left() < part.seconds:
                entry.outcome = Outcome.SKIPPED
            else:
                entry.outcome = Outcome.RUNNING
                start = self._clock()
                can_continue = self._run_part(part, entry)
                entry.seconds = round(self._clock() - start, 2)
                if not can_continue:
                    self._save(entry)
                    return
                self._release_memory()
            self._save(entry)

    def _seconds_left(self) -> float:
        return self._start + 60 * self.report.minutes - self._clock()

    def _save(self, entry: PartReport) -> None:
        self.report.seconds = round(self._clock() - self._start, 2)
        self._write(self.report)
        self._show(f"{entry.outcome}: {entry.name} ({entry.seconds:.1f} s)")

    def _run_part(self, part: Part, entry: PartReport) -> bool:
        """Fill the part's report; whether the next part can run."""
        try:
            entry.outcome = self._run_checks(part, entry)
        except Exception as error:  # a broken part must not stop the others
            log.warning("the part %s ended with an error", part.name, exc_info=error)
            entry.outcome = Outcome.ERROR
            entry.error = traceback.format_exc()[-_MAX_ERROR_CHARS:]
            return not (isinstance(error, DeviceLost) or is_device_lost(error))
        return True

    def _run_checks(self, part: Part, entry: PartReport) -> Outcome:
        for check in part.run():
            entry.checks.append(check)
            self._write(self.report)
            self._show(f"  {_line(check)}")
            if self._seconds_left() <= 0:
                outcome = outcome_of(entry.checks)
                return Outcome.FAILED if outcome is Outcome.FAILED else Outcome.STOPPED
        return outcome_of(entry.checks)


def _line(check: Check) -> str:
    """One line for the terminal."""
    verdict = {None: "", True: "passed", False: "FAILED"}[check.passed]
    values = ", ".join(f"{name} {value}" for name, value in check.values.items())
    return f"{verdict:8}{check.subject}: {values}"
