"""Rules about jobs, pictures and prompts; pure."""

import unicodedata
from collections.abc import Sequence
from typing import Final

from bot.domain.job import Job, Status
from bot.domain.picture import Picture
from bot.errors import Refused
from engine.contract import ModelCard, Recipe

UNKNOWN_PICTURE: Final = "That picture no longer exists."
_ALLOWED_CONTROLS: Final = frozenset("\n\t")
_INVISIBLE: Final = ("Cc", "Cf", "Cs")
"""Unicode categories: control and format characters, and surrogates."""


def check_model(recipe: Recipe, model: ModelCard) -> None:
    """Raise Refused unless the recipe was painted with this model and revision."""
    if recipe.revision != model.revision:
        raise Refused(
            f"That was painted with the model {recipe.model} ({recipe.revision[:12]}); "
            f"I paint with {model.name} ({model.revision[:12]}) now."
        )


def check_not_deleted(job: Job) -> None:
    """Raise Refused if the job was deleted."""
    if job.deletion_reason is not None:
        raise Refused(job.deletion_reason.message)


def nth_picture(job: Job, pictures: Sequence[Picture], nth: int) -> Picture:
    """The picture of this number, of all pictures of the job. Raises Refused if there is none."""
    for picture in pictures:
        if picture.nth == nth:
            return picture
    is_unfinished = job.status is not Status.DONE
    raise Refused("This picture is not finished yet." if is_unfinished else UNKNOWN_PICTURE)


def check_viewable(picture: Picture) -> None:
    """Raise Refused if there is no picture that anybody may see."""
    check_not_removed([picture])
    if picture.failure_reason is not None:
        raise Refused(f"Picture {picture.nth} could not be painted. {picture.failure_reason}")
    if picture.is_withheld:
        raise Refused(
            f"Picture {picture.nth} was withheld by the safety check, so there is nothing to show."
        )


def check_not_removed(pictures: Sequence[Picture]) -> None:
    """Raise Refused if moderators removed one of the pictures."""
    if any(picture.is_removed for picture in pictures):
        raise Refused("Moderators removed this, so there is nothing to show or to paint again.")


def can_cancel(job: Job, *, user_id: int, is_moderator: bool) -> bool:
    """Whether this user may cancel the job or delete its pictures."""
    return is_moderator or job.user_id == user_id


def strip_invisible(text: str) -> str:
    """The text without control, zero-width and direction characters, and stripped."""
    visible = (
        c for c in text if c in _ALLOWED_CONTROLS or unicodedata.category(c) not in _INVISIBLE
    )
    return "".join(visible).strip()
