"""Rules about jobs, pictures and prompts; pure."""

import re
import unicodedata
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from bot.domain.job import Job, Status
from bot.domain.picture import Picture
from bot.errors import Refused
from bot.i18n import N_, _
from engine.contract import ModelCard, Upscale, Work, check_steering, short_revision

REMOVED: Final = N_("Moderators removed this, so there is nothing to show or to paint again.")
REMOVED_UPLOAD: Final = N_("Moderators removed this picture, so nothing is made of it.")
UNKNOWN_PICTURE: Final = N_("That picture no longer exists.")
NO_PICTURES: Final = N_("This request ended without a picture.")
FINISHED: Final = N_("This draft is finished already.")
FINISHING: Final = N_("This draft is being finished already.")
_ALLOWED_CONTROLS: Final = frozenset("\n\t")
_INVISIBLE: Final = ("Cc", "Cf", "Cs")
"""Unicode categories: control and format characters, and surrogates."""
_ZWJ: Final = "\u200d"
_JOINERS: Final = frozenset({"\u200c", _ZWJ})
_JOINING_SCRIPTS: Final = "\u0590"
"""Latin, Greek, Cyrillic and Armenian letters, which come before it, never need a joiner."""
_EMOJI_STYLE: Final = "\ufe0f"
_FLAG: Final = re.compile("(\U0001f3f4[\U000e0020-\U000e007e]+\U000e007f)")
"""The flag of a region, such as Scotland: a black flag and tag letters (UTS #51)."""


def check_models(recipes: Sequence[Work], models: Sequence[ModelCard]) -> None:
    """Raise Refused unless each recipe has the name and revision of one of these models, which has
    its embeddings, LoRAs, controls and what reads its reference pictures.

    An upscale needs no model.
    """
    loaded = {(model.name, model.revision): model for model in models}
    for recipe in recipes:
        if isinstance(recipe, Upscale):
            continue
        if (recipe.model, recipe.revision) not in loaded:
            names = _(" and ").join(
                f"{model.name} ({short_revision(model.revision)})" for model in models
            )
            sentence = _(
                "That was painted with the model {model} ({revision}); I paint with {names} now."
            )
            raise Refused(
                sentence.format(
                    model=recipe.model, revision=short_revision(recipe.revision), names=names
                )
            )
        try:
            card = loaded[recipe.model, recipe.revision]
            card.check_embeddings(recipe.recipe)
            check_steering(recipe.recipe, card)
        except ValueError as error:
            raise Refused(str(error)) from error


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
    raise Refused(_("This picture is not finished yet.") if is_unfinished else _(UNKNOWN_PICTURE))


def check_any_finished(job: Job, pictures: Sequence[Picture]) -> None:
    """Raise Refused if the job has no finished picture among these."""
    if not pictures:
        raise Refused(_(NO_PICTURES) if job.has_ended else _("There is no finished picture yet."))


def check_viewable(picture: Picture) -> None:
    """Raise Refused if there is no picture that anybody may see."""
    check_not_removed([picture])
    if picture.failure_reason is not None:
        raise Refused(
            _("Picture {nth} could not be painted. {reason}").format(
                nth=picture.nth, reason=picture.failure_reason
            )
        )
    if picture.is_withheld:
        raise Refused(
            _(
                "Picture {nth} was withheld by the safety check, so there is nothing to show."
            ).format(nth=picture.nth)
        )


def check_changeable(picture: Picture) -> None:
    """Raise Refused if a picture that can be viewed must not be an input image."""
    if picture.is_flagged_but_kept:
        raise Refused(
            _("Picture {nth} was flagged by the safety check, so it cannot be changed.").format(
                nth=picture.nth
            )
        )


def check_not_removed(pictures: Sequence[Picture]) -> None:
    """Raise Refused if moderators removed one of the pictures."""
    if any(picture.is_removed for picture in pictures):
        raise Refused(_(REMOVED))


def can_cancel(job: Job, *, user_id: int, is_moderator: bool) -> bool:
    """Whether this user may cancel the job or delete its pictures."""
    return is_moderator or job.user_id == user_id


def strip_invisible(text: str) -> str:
    """The text without control, zero-width and direction characters, and stripped.

    Joiners that change what is written are kept: between letters of scripts that join (Persian,
    Hindi, …) and in emoji, as are the tag letters of flags.
    """
    visible: list[str] = []
    for part in _FLAG.split(text):
        if _FLAG.fullmatch(part):
            visible.append(part)
        else:
            _append_visible(visible, part)
    return "".join(visible).strip()


def _append_visible(visible: list[str], text: str) -> None:
    for character, following in pairwise(text + " "):
        if character in _JOINERS:
            previous = visible[-1][-1] if visible else ""
            if _is_joined(previous, following, character):
                visible.append(character)
        elif character in _ALLOWED_CONTROLS or unicodedata.category(character) not in _INVISIBLE:
            visible.append(character)


def _is_joined(previous: str, following: str, joiner: str) -> bool:
    """Whether the joiner between these characters changes how they are written."""
    if not previous:
        return False
    kinds = unicodedata.category(previous), unicodedata.category(following)
    if all(kind[0] in "LM" for kind in kinds) and min(previous, following) >= _JOINING_SCRIPTS:
        return True
    is_after_emoji = kinds[0] in ("So", "Sk") or previous == _EMOJI_STYLE
    return joiner == _ZWJ and is_after_emoji and kinds[1] == "So"
