"""Find the names of embeddings (textual inversion) in the words of a prompt.

As in AUTOMATIC1111's web UI (modules/textual_inversion/textual_inversion.py), a name counts
whatever the case of its letters, and the longest of several wins. It must be whole words.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from engine.contract.prompt_weights import parse_weights

Names = tuple[str, ...]
_TOKEN: Final = re.compile(r"(\s*)(\w+|[^\w\s])")


class Span(NamedTuple):
    """A part of a text."""

    text: str
    name: str | None = None
    """The embedding that it names, as in `names`; None for words."""


def split_at_names(text: str, names: Names) -> Iterator[Span]:
    """The parts of a text, in order; together they are the text."""
    tokens, tree = _tokens(text) if names else [], _tree(names)
    end = first = 0
    while first < len(tokens):
        name, count = _longest_name(tokens, first, tree)
        if name is not None:
            begin = tokens[first].begin
            if begin > end:
                yield Span(text[end:begin])
            end = tokens[first + count - 1].end
            yield Span(text[begin:end], name)
        first += max(count, 1)
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


class _Token(NamedTuple):
    """A word or another character of a text."""

    key: str
    """In lower case, after a space if there is one before it."""
    begin: int
    end: int


class _Tree:
    """The names that go on with the same tokens."""

    def __init__(self) -> None:
        self.children: dict[str, _Tree] = {}
        self.name: str | None = None
        """The name that ends here."""


def _tokens(text: str) -> list[_Token]:
    return [
        _Token(" " * bool(match[1]) + match[2].lower(), match.start(2), match.end())
        for match in _TOKEN.finditer(text)
    ]


@lru_cache(64)
def _tree(names: Names) -> _Tree:
    root = _Tree()
    for name in sorted(names):
        node = root
        for token in _tokens(name):
            node = node.children.setdefault(token.key, _Tree())
        node.name = node.name or name
    return root


def _longest_name(tokens: Sequence[_Token], first: int, tree: _Tree) -> tuple[str | None, int]:
    """The longest name that begins at the token `first`, and its number of tokens."""
    name, count, node = None, 0, tree
    for nth in range(first, len(tokens)):
        key = tokens[nth].key
        child = node.children.get(key.lstrip() if nth == first else key)
        if child is None:
            break
        node = child
        if node.name is not None:
            name, count = node.name, nth + 1 - first
    return name, count
