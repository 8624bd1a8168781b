"""Wildcards: lists of words of which a prompt draws one by `__name__`; pure."""

from collections.abc import Iterable
from typing import Final

import msgspec

from bot.domain.prompt_template import Template, parse
from bot.domain.styles import unknown
from bot.errors import Refused
from bot.i18n import _

MAX_ENTRIES: Final = 200
MAX_ENTRY: Final = 100
"""Characters of an entry."""
MAX_TEXT: Final = 4000
"""Characters of the text with all entries."""


class Wildcard(msgspec.Struct, frozen=True):
    """Raises Refused, with a sentence for the user, if it cannot be one."""

    entries: tuple[str, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.entries) <= MAX_ENTRIES:
            raise Refused(
                _(
                    "A wildcard has 1 to {limit} entries, with commas between "
                    "them; this one has {count}."
                ).format(limit=MAX_ENTRIES, count=len(self.entries))
            )
        for entry in self.entries:
            if len(entry) > MAX_ENTRY:
                raise Refused(
                    _(
                        "An entry of a wildcard has at most {limit} characters; "
                        "“{entry}…” has {count}."
                    ).format(limit=MAX_ENTRY, entry=entry[:20], count=len(entry))
                )
            if not parse(entry).is_plain:
                raise Refused(
                    _(
                        "An entry of a wildcard has no groups and wildcards of its own; "
                        "“{entry}” has."
                    ).format(entry=entry[:40])
                )


def read(text: str) -> Wildcard:
    """The wildcard whose entries, each once, are separated by commas or line breaks.

    Raises Refused, with a sentence for the user.
    """
    items = (" ".join(item.split()) for item in text.replace("\n", ",").split(","))
    return Wildcard(tuple(dict.fromkeys(item for item in items if item)))


def check(template: Template, names: Iterable[str]) -> None:
    """Raise Refused if a template has a wildcard that is none of these."""
    wildcard_names = list(names)
    for name in template.names:
        if name not in wildcard_names:
            sentence = unknown("wildcard", name, wildcard_names, "`__{}__`")
            raise Refused(
                _("{sentence} A backslash before it makes it words.").format(sentence=sentence)
            )
