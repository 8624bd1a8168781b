"""The order in which the parts of a line are drawn if some are read from right to left.

Unicode's algorithm (UAX 9) without explicit directions, for a line of its own.
"""

import unicodedata
from collections.abc import Sequence
from itertools import groupby
from typing import Final, TypeVar

Part = TypeVar("Part")

_LEFT: Final = "L"
_RIGHT: Final = "R"
_NUMBER: Final = "N"
_NEUTRAL: Final = ""
_KINDS: Final = {"L": _LEFT, "R": _RIGHT, "AL": _RIGHT, "EN": _NUMBER, "AN": _NUMBER}
_IN_NUMBERS: Final = frozenset(("ES", "CS", "ET"))
"""Signs that belong to a number beside them, such as its decimal point and `%`."""
_MARKS: Final = frozenset(("NSM", "BN"))
"""They belong to the character before them."""
_BRACKETS: Final = {"(": ")", "[": "]", "{": "}"}
_MIRRORED: Final = str.maketrans("()[]{}<>«»‹›", ")(][}{><»«›‹")


def levels(text: str) -> list[int]:
    """The level of each character: odd from right to left, 0 for all text without such letters.

    The line has the direction of its first letter.
    """
    kinds = _kinds(text)
    if _RIGHT not in kinds:
        return [0] * len(text)
    base = next(kind for kind in kinds if kind in (_LEFT, _RIGHT))
    kinds = _resolved_numbers(kinds, base)
    for opening, closing in _bracket_pairs(text):
        kinds[opening] = kinds[closing] = _bracket_kind(kinds, opening, closing, base)
    before = _carried(kinds, base)
    after = _carried(kinds[::-1], base)[::-1]
    return [
        _level(kind or (left if left == right else base), base)
        for kind, left, right in zip(kinds, before, after, strict=True)
    ]


def reorder(parts: Sequence[tuple[int, Part]]) -> list[Part]:
    """Parts with their levels, from left to right."""
    highest = max((level for level, _ in parts), default=0)
    return [part for _, part in _reorder(parts, highest)]


def _reorder(parts: Sequence[tuple[int, Part]], level: int) -> list[tuple[int, Part]]:
    """Each sequence of parts of this level or above is turned, and then of the level below."""
    if not level:
        return list(parts)
    ordered: list[tuple[int, Part]] = []
    for is_inner, group in groupby(parts, key=lambda part: part[0] >= level):
        inner = list(group)
        ordered += inner[::-1] if is_inner else inner
    return _reorder(ordered, level - 1)


def turned(text: str) -> str:
    """The text of a part that is read from right to left, for drawing from left to right."""
    return text[::-1].translate(_MIRRORED)


def _kinds(text: str) -> list[str]:
    """Left, right, number or neutral, for each character."""
    names = [unicodedata.bidirectional(character) for character in text]
    kinds: list[str] = []
    for index, name in enumerate(names):
        kind = _KINDS.get(name, _NEUTRAL)
        if name in _MARKS:
            kind = kinds[-1] if kinds else _NEUTRAL
        elif name in _IN_NUMBERS:
            beside = names[max(0, index - 1) : index + 2]
            needed = 1 if name == "ET" else 2
            kind = _NUMBER if beside.count("EN") >= needed else _NEUTRAL
        kinds.append(kind)
    return kinds


def _resolved_numbers(kinds: Sequence[str], base: str) -> list[str]:
    """A number after a letter that is read from left to right is part of its word."""
    last = base
    resolved = []
    for kind in kinds:
        if kind in (_LEFT, _RIGHT):
            last = kind
        resolved.append(_LEFT if kind == _NUMBER and last == _LEFT else kind)
    return resolved


def _bracket_pairs(text: str) -> list[tuple[int, int]]:
    """Where each pair opens and closes, in the order of their openings."""
    pairs = []
    waiting: list[int] = []
    for index, character in enumerate(text):
        if character in _BRACKETS:
            waiting.append(index)
        elif character in _BRACKETS.values():
            fitting = [nth for nth, at in enumerate(waiting) if _BRACKETS[text[at]] == character]
            if fitting:
                pairs.append((waiting[fitting[-1]], index))
                del waiting[fitting[-1] :]
    return sorted(pairs)


def _bracket_kind(kinds: Sequence[str], opening: int, closing: int, base: str) -> str:
    """That of the line if a part of the content has it, or else that of content and context."""
    content = set(_carried([kind for kind in kinds[opening + 1 : closing] if kind], ""))
    if not content:
        return _NEUTRAL
    if base in content:
        return base
    return _carried(["", *kinds[:opening]], base)[-1]


def _carried(kinds: Sequence[str], base: str) -> list[str]:
    """The direction up to each character; numbers count as from right to left."""
    last = base
    carried = []
    for kind in kinds:
        last = _RIGHT if kind == _NUMBER else kind or last
        carried.append(last)
    return carried


def _level(kind: str, base: str) -> int:
    if kind == _NUMBER:
        return 2
    if base == _LEFT:
        return 1 if kind == _RIGHT else 0
    return 1 if kind == _RIGHT else 2
