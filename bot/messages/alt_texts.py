"""The alt texts of pictures: what screen readers say of them; pure.

They have the prompt, as the message does, so a message without its prompt needs files without them.
"""

from collections.abc import Sequence
from typing import Final

from bot.domain import recipe_words, rules
from bot.domain.job import Job
from bot.domain.picture import Picture
from bot.i18n import _
from engine.contract import Work

MAX_CHARS: Final = 1024
"""Discord's limit."""


def of_pictures(pictures: Sequence[Picture], subject: str = "") -> str:
    """Of a picture or of a grid of the pictures that a channel may see.

    `subject` names a file that is made of the first picture, such as a film.
    """
    if subject:
        return _cut(
            _("{subject} of: {words}").format(subject=subject, words=_words(pictures[0].recipe))
        )
    words = [_words(picture.recipe) for picture in pictures]
    if len(words) == 1:
        return _cut(
            words[0] or _("A picture {words}").format(words=_without_words(pictures[0].recipe))
        )
    if len(set(words)) == 1:
        noun = _("{count} pictures").format(count=len(words))
        same = words[0]
        return _cut(
            _("{subject} of: {words}").format(subject=noun, words=same)
            if same
            else f"{noun} {_without_words(pictures[0].recipe)}"
        )
    return _numbered(pictures)


def of_preview(job: Job) -> str:
    """Of the preview of an unfinished job."""
    return _cut(_("Unfinished: {words}").format(words=_words(job.recipes[0])))


def of_family(picture: Picture | None, count: int) -> str:
    """Of the family tree of a picture; None if it may not be described."""
    words = "" if picture is None else _words(picture.recipe)
    return _cut(
        _("The family tree of {count} pictures: {words}")
        .format(count=count, words=words)
        .rstrip(": ")
    )


def _numbered(pictures: Sequence[Picture]) -> str:
    """Each with its own prompt, all cut to the same length, or with the reason why it is blank."""
    heading = _("{count} pictures.").format(count=len(pictures))
    share = (MAX_CHARS - len(heading)) // len(pictures) - len(" 99: ;")
    parts = [
        f" {picture.nth}: {_cut(picture.unavailable_reason or _words(picture.recipe), share)}"
        for picture in pictures
    ]
    return heading + ";".join(parts)


def _words(work: Work) -> str:
    """The prompt in one line."""
    return " ".join(rules.strip_invisible(work.prompt).split())


def _without_words(work: Work) -> str:
    parts = (recipe_words.controls(work.recipe), recipe_words.references(work.recipe))
    return _("without words: {parts}").format(parts=", ".join(filter(None, parts)))


def _cut(text: str, limit: int = MAX_CHARS) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
