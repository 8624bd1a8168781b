"""Posts in the gallery of a guild: their titles and tags; pure."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from bot.domain import rules
from bot.errors import Refused
from bot.i18n import N_, _

MAX_TITLE_CHARS: Final = 100
"""Discord's limit of a post's title."""
MAX_TAGS: Final = 5
"""Discord's limit of a post's tags."""
WITHOUT_WORDS: Final = N_("Without words")
"""The title of a post whose picture has no prompt."""
UNTITLED: Final = N_("A picture")
"""The title of a post whose words the server blocks."""


class Tag(msgspec.Struct, frozen=True):
    """A tag of a forum that the bot may give to a post."""

    id: int
    name: str


def title(prompt: str) -> str:
    """The title of a post with this prompt, in one line."""
    words = " ".join(rules.strip_invisible(prompt).split())
    if not words:
        return _(WITHOUT_WORDS)
    return words if len(words) <= MAX_TITLE_CHARS else words[: MAX_TITLE_CHARS - 1] + "…"


def matching_tags(tags: Sequence[Tag], texts: Iterable[str], *, is_required: bool) -> list[Tag]:
    """The tags whose names are words of these texts, in singular or plural; at most MAX_TAGS.

    If a tag is required and none matches, the first one. Raises Refused if there is none.
    """
    words = " ".join(_singular(text) for text in texts)
    matches = [tag for tag in tags if (name := _singular(tag.name)) and f" {name} " in f" {words} "]
    if matches or not is_required:
        return matches[:MAX_TAGS]
    if not tags:
        raise Refused(_("The gallery requires a tag, and has none that I may give to a post."))
    return [tags[0]]


def _singular(text: str) -> str:
    """Its words in lower case, without punctuation and the s of a plural."""
    words = re.findall(r"\w+", text.casefold())
    return " ".join(word.removesuffix("s") if len(word) > 2 else word for word in words)
