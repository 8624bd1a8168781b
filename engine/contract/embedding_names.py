"""Find the names of embeddings (textual inversion) in the words of a prompt.

As in AUTOMATIC1111's web UI (modules/textual_inversion/textual_inversion.py), a name counts
whatever the case of its letters, and the longest of several wins. It must be whole words.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from engine.contract.prompt_weights import parse_weights

Names = tuple[str, ...]


class Span(NamedTuple):
    """A part of a text."""

    text: str
    name: str | None = None
    """The embedding that it names, as in `names`; None for words."""


def split_at_names(text: str, names: Names) -> Iterator[Span]:
    """The parts of a text, in order; together they are the text."""
    end = 0
    for match in _pattern(names).finditer(text) if names else ():
        if match.start() > end:
            yield Span(text[end : match.start()])
        # The group of each name is its place among the sorted names.
        yield Span(match[0], _sorted(names)[(match.lastindex or 1) - 1])
        end = match.end()
    if end < len(text):
        yield Span(text[end:])


def names_in(prompt: str, names: Names) -> Names:
    """The embeddings that a prompt with weights names, each once, in the order of `names`."""
    if not names:
        return ()
    used = {
        span.name
        for section in parse_weights(prompt)
        for part in section
        for span in split_at_names(part.text, names)
    }
    return tuple(name for name in names if name in used)


def _sorted(names: Names) -> list[str]:
    return sorted(names, key=lambda name: (-len(name), name))


@lru_cache(64)
def _pattern(names: Names) -> re.Pattern[str]:
    """One group for each name; spaces in a name stand for any."""
    return re.compile("|".join(map(_whole, _sorted(names))), re.IGNORECASE)


def _whole(name: str) -> str:
    inside = r"\s+".join(map(re.escape, name.split()))
    before = r"(?<!\w)" if re.match(r"\w", name) else ""
    after = r"(?!\w)" if re.search(r"\w$", name) else ""
    return f"{before}({inside}){after}"
