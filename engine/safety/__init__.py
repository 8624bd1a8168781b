"""The verdict on each picture: may it be shown? When in doubt, no."""

import logging
from collections.abc import Sequence
from typing import Final, Protocol

from PIL import Image

from engine.contract import Verdict
from engine.device.errors import is_device_lost
from engine.errors import UsageError

OWN: Final = "model"
"""Names the painting model's own checker."""
log = logging.getLogger(__name__)


class Checker(Protocol):
    """Looks at pictures."""

    @property
    def name(self) -> str:
        """What its verdicts are signed with."""

    def look(self, picture: Image.Image) -> Verdict:
        """Its verdict; raises whatever it likes if it comes to none."""


class Panel:
    """Several checkers: what any of them flags is withheld, and so is what any fails to check."""

    def __init__(self, checkers: Sequence[Checker]) -> None:
        """Raises ValueError if there are none."""
        if not checkers:
            raise ValueError("A panel without checkers would pass everything.")
        self._checkers = tuple(checkers)

    def verdicts(self, picture: Image.Image) -> tuple[Verdict, ...]:
        """One of each checker, whatever happens; but a device that is lost raises what it raised:
        the picture is not to blame, and is painted again elsewhere."""
        return tuple(_verdict(checker, picture) for checker in self._checkers)


def _verdict(checker: Checker, picture: Image.Image) -> Verdict:
    try:
        return checker.look(picture)
    except Exception as error:
        if is_device_lost(error):
            raise
        withheld = "the safety check failed, so the picture is withheld"
        log.exception(withheld, extra={"checker": checker.name})
        return Verdict(checker=checker.name, score=None, flagged=True)


def flagged(verdicts: Sequence[Verdict]) -> bool:
    """Does any of them say so, or is there none?"""
    return not verdicts or any(verdict.flagged for verdict in verdicts)


def for_log(verdicts: Sequence[Verdict]) -> dict[str, str]:
    """What they come to, and what each checker said: fields for a line of the log."""
    scores = ",".join(f"{each.checker}:{_score(each)}" for each in verdicts)
    return {"verdict": "flagged" if flagged(verdicts) else "passed", "scores": scores}


def _score(verdict: Verdict) -> str:
    return "failed" if verdict.score is None else f"{verdict.score:.3f}"


def names(text: str) -> tuple[str, ...]:
    """The checkers of a list with commas, each once. Raises UsageError if it names none."""
    found = tuple(dict.fromkeys(name for each in text.split(",") if (name := each.strip())))
    if not found:
        raise UsageError(
            f"IMAGINE_CHECKERS names no checker: give `{OWN}`, folders or hub ids of classifiers, "
            "with commas between them."
        )
    return found
