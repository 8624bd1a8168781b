"""Durations in words; pure."""

from typing import Final

from bot.domain.clock import HOUR

_MINUTE: Final = 60
_PLURAL_FROM: Final = 1.5


def naturaldelta(seconds: float) -> str:
    """An approximate duration such as “about 3 minutes”."""
    if seconds < _MINUTE * _PLURAL_FROM:
        return f"about {max(5, 5 * round(seconds / 5))} seconds"
    if seconds < HOUR * _PLURAL_FROM:
        return f"about {round(seconds / _MINUTE)} minutes"
    return f"about {round(seconds / HOUR)} hours"
