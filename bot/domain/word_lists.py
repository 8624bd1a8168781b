"""Lists of words in sentences."""

from collections.abc import Sequence


def enumeration(words: Sequence[str]) -> str:
    """`a`, `a and b`, or `a, b and c`."""
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last
