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


def check_not_deleted(job: Job) -> None:
    """Raise Refused if the job was deleted."""
    if job.deletion_reason is not None:
        raise Refused(job.deletion_reason.message)


def check_viewable(picture: Picture) -> None:
    """Raise Refused for a picture that nobody may see."""
    check_not_removed([picture])
    if picture.failure_reason is not None:
        raise Refused(f"Picture {picture.nth} could not be painted. {picture.failure_reason}")
    if picture.is_withheld:
        raise Refused(
            f"Picture {picture.nth} was withheld by the safety check, so there is nothing to show."
        )


def check_not_removed(pictures: Sequence[Picture]) -> None:
    """Raise Refused if moderators removed one of them."""
    if any(picture.is_removed for picture in pictures):
        raise Refused("Moderators removed this, so there is nothing to show or to paint again.")


def can_cancel(job: Job, *, user_id: int, is_moderator: bool) -> bool:
    """May this person cancel the job or delete its pictures?"""
    return is_moderator or job.user_id == user_id


def strip_invisible(text: str) -> str:
    """The text without control, zero-width and direction characters, and without outer blanks."""
    kept = (c for c in text if c in _KEPT_CONTROLS or unicodedata.category(c) not in _UNSEEN)
    return "".join(kept).strip()
