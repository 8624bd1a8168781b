"""What is allowed: pure rules over facts that come in as arguments."""

import unicodedata
from collections.abc import Sequence
from typing import Final

from bot.domain.job import Job
from bot.domain.picture import Picture
from bot.errors import Refused
from engine.contract import ModelCard, Recipe

_KEPT_CONTROLS: Final = frozenset("\n\t")
_UNSEEN: Final = ("Cc", "Cf", "Cs")
"""Unicode's control and format characters, and halves of characters, which no file can hold."""


def check_model(recipe: Recipe, model: ModelCard) -> None:
    """Raise Refused if these weights cannot paint this recipe to the bit."""
    if recipe.revision != model.revision:
        raise Refused(
            f"That was painted with the model {recipe.model} ({recipe.revision[:12]}); "
            f"I paint with {model.name} ({model.revision[:12]}) now."
        )


def check_remembered(job: Job) -> None:
    """Raise Refused if the job was deleted."""
    if job.erased is not None:
        raise Refused(job.erased.words)


def check_shown(picture: Picture) -> None:
    """Raise Refused for a picture that nobody may see."""
    check_kept([picture])
    if picture.failed is not None:
        raise Refused(f"Picture {picture.nth} could not be painted. {picture.failed}")
    if picture.blocked:
        raise Refused(
            f"Picture {picture.nth} was withheld by the safety check, so there is nothing to show."
        )


def check_kept(pictures: Sequence[Picture]) -> None:
    """Raise Refused if moderators removed one of them."""
    if any(picture.removed for picture in pictures):
        raise Refused("Moderators removed this, so there is nothing to show or to paint again.")


def may_stop(job: Job, *, person: int, moderator: bool) -> bool:
    """May this person cancel the job or delete its pictures?"""
    return moderator or job.person == person


def cleaned(text: str) -> str:
    """The text without control, zero-width and direction characters, and without outer blanks."""
    kept = (c for c in text if c in _KEPT_CONTROLS or unicodedata.category(c) not in _UNSEEN)
    return "".join(kept).strip()
