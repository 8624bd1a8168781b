"""The report of a suite: the file, its parts and their checks."""

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec

from engine.errors import EngineError, StorageFailed


class Outcome(StrEnum):
    """What became of a part."""

    NOT_RUN = "not run"
    """The suite ended before it."""
    RUNNING = "running"
    """In a file that is not written any more: the process died in this part."""
    PASSED = "passed"
    """All checks with a bound passed."""
    MEASURED = "measured"
    """It has measurements only, without a bound."""
    FAILED = "failed"
    """A check did not pass."""
    ERROR = "error"
    """It ended with an exception."""
    SKIPPED = "skipped: no time"
    """Too little time was left to start it."""
    STOPPED = "stopped: no time"
    """The time was over before all of its checks were run; those that were have passed."""


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One comparison or measurement."""

    subject: str
    passed: bool | None = None
    """None for a measurement without a bound."""
    values: dict[str, Any] = {}
    """What was measured; JSON values."""


class PartReport(msgspec.Struct, kw_only=True):
    """What is known about one part."""

    name: str
    bound: str
    """What a check must fulfil to pass."""
    outcome: Outcome = Outcome.NOT_RUN
    seconds: float = 0.0
    checks: list[Check] = []
    error: str | None = None
    """The exception and where it was raised."""


class SuiteReport(msgspec.Struct, kw_only=True):
    """The file."""

    suite: str
    device: str
    """Software and hardware in one line, as in the fingerprints of pictures."""
    minutes: float
    """The time that the suite was given."""
    seconds: float = 0.0
    parts: list[PartReport]

    def write(self, file: Path) -> None:
        """Replace the file as a whole. Raises StorageFailed."""
        data = msgspec.json.format(msgspec.json.encode(self))
        temporary = file.with_name(f"{file.name}.part")
        try:
            temporary.write_bytes(data)
            temporary.replace(file)
        except OSError as error:
            raise StorageFailed(f"{file} cannot be written: {error.strerror}.") from error

    def check(self) -> None:
        """Raise EngineError, with the names of these parts, if any has failed."""
        broken = (Outcome.FAILED, Outcome.ERROR)
        names = [part.name for part in self.parts if part.outcome in broken]
        if names:
            raise EngineError(f"These parts of the suite have failed: {', '.join(names)}.")


def outcome_of(checks: Sequence[Check]) -> Outcome:
    """The outcome of a part with these checks, all of which were run."""
    verdicts = [check.passed for check in checks]
    if False in verdicts:
        return Outcome.FAILED
    return Outcome.PASSED if True in verdicts else Outcome.MEASURED
