"""Check images with several safety checkers; a checker that fails flags the image."""

import logging
from collections.abc import Sequence
from typing import Final, Protocol, runtime_checkable

import torch
from PIL import Image

from engine.contract import Verdict
from engine.device.errors import is_device_lost
from engine.errors import UsageError

BUILTIN: Final = "model"
"""The name of the safety checker that comes with the painting model."""
log = logging.getLogger(__name__)


class Checker(Protocol):
    """A safety checker of images."""

    @property
    def name(self) -> str:
        """The value of `checker` in its verdicts."""

    def check(self, image: Image.Image) -> Verdict:
        """The verdict on an image. May raise any exception, which flags the image."""


@runtime_checkable
class ModelChecker(Protocol):
    """A checker that belongs to one model, and is moved with its weights."""

    network: torch.nn.Module


class CheckerSet:
    """Several checkers, each of which can flag an image."""

    def __init__(self, checkers: Sequence[Checker]) -> None:
        """Raises ValueError if `checkers` is empty."""
        if not checkers:
            raise ValueError("At least one checker is required; without one, every image passes.")
        self._checkers = tuple(checkers)

    @property
    def networks(self) -> tuple[torch.nn.Module, ...]:
        """The networks of those checkers that belong to one model."""
        return tuple(
            checker.network for checker in self._checkers if isinstance(checker, ModelChecker)
        )

    def check(self, image: Image.Image) -> tuple[Verdict, ...]:
        """One verdict per checker; a checker that raises an exception flags the image.

        If the device is lost, the exception is raised, because the image can be painted again.
        """
        return tuple(_check(checker, image) for checker in self._checkers)


def _check(checker: Checker, image: Image.Image) -> Verdict:
    try:
        return checker.check(image)
    except Exception as error:  # whatever it is, a picture that was not checked is not shown
        if is_device_lost(error):
            raise
        log.exception(
            "the safety check failed, so the picture is withheld", extra={"checker": checker.name}
        )
        return Verdict(checker=checker.name, score=None, flagged=True)


def flagged(verdicts: Sequence[Verdict]) -> bool:
    """Whether any verdict is flagged; True if there are no verdicts."""
    return not verdicts or any(verdict.flagged for verdict in verdicts)


def log_fields(verdicts: Sequence[Verdict]) -> dict[str, str]:
    """The overall verdict and each checker's score, as fields of a log record."""
    scores = ",".join(f"{verdict.checker}:{_format_score(verdict)}" for verdict in verdicts)
    return {"verdict": "flagged" if flagged(verdicts) else "passed", "scores": scores}


def _format_score(verdict: Verdict) -> str:
    return "failed" if verdict.score is None else f"{verdict.score:.3f}"


def parse_checkers(text: str) -> tuple[str, ...]:
    """The names in a comma-separated list, each once. Raises UsageError if there are none."""
    names = tuple(dict.fromkeys(name for part in text.split(",") if (name := part.strip())))
    if not names:
        raise UsageError(
            f"IMAGINE_CHECKERS names no checker: give `{BUILTIN}`, folders or hub ids of "
            "classifiers, with commas between them."
        )
    return names
