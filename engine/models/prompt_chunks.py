"""Cut the tokens of a prompt into chunks that a text encoder can take. Pure.

The rules are those of AUTOMATIC1111's web UI (modules/sd_hijack_clip.py): a chunk that is full ends
after its last comma, if that is near.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

MAX_CHUNKS: Final = 8
"""Of a prompt; what follows is left out."""
COMMA_BACKTRACK: Final = 20
"""A comma is near if it is one of so many last tokens; the web UI's default."""


class Token(NamedTuple):
    """A token of a prompt."""

    id: int
    weight: float = 1.0
    is_continuation: bool = False
    """Whether it belongs to the one before, as all vectors of an embedding but the first."""
    place: int = 0
    """Where it begins in the words of the prompt."""


class TokenChunks(NamedTuple):
    """The tokens of a prompt."""

    chunks: tuple[tuple[Token, ...], ...]
    """At least one and at most MAX_CHUNKS, without begin, end and padding."""
    rest: tuple[Token, ...] = ()
    """What does not fit."""


def cut_into_chunks(
    sections: Sequence[Sequence[Token]], length: int, comma: int | None = None
) -> TokenChunks:
    """Chunks of at most `length` tokens; each section begins a new one.

    `comma` is the id of the comma. A last section without tokens makes no chunk.
    """
    chunks: list[tuple[Token, ...]] = []
    for section in sections:
        chunks += _cut(section, length, comma)
    if len(chunks) > 1 and not chunks[-1]:
        chunks.pop()
    rest = tuple(token for chunk in chunks[MAX_CHUNKS:] for token in chunk)
    return TokenChunks(tuple(chunks[:MAX_CHUNKS]), rest)


def _cut(section: Sequence[Token], length: int, comma: int | None) -> list[tuple[Token, ...]]:
    chunks = []
    while len(section) > length:
        end = _end(section, length, comma)
        chunks.append(tuple(section[:end]))
        section = section[end:]
    return [*chunks, tuple(section)]


def _end(section: Sequence[Token], length: int, comma: int | None) -> int:
    """The number of tokens in the first chunk of a section that is longer than one."""
    if section[length].is_continuation:
        return max(n for n in range(1, length) if not section[n].is_continuation)
    if section[length].id == comma:
        return length
    after_commas = (
        index
        for index in range(length, max(0, length - COMMA_BACKTRACK), -1)
        if section[index - 1].id == comma
    )
    return next(after_commas, length)
