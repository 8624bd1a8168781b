"""Durations in words; pure."""

from typing import Final

from bot.domain.clock import HOUR
from bot.i18n import _

_MINUTE: Final = 60
_PLURAL_FROM: Final = 1.5


def naturaldelta(seconds: float) -> str:
    """An approximate duration such as “about 3 minutes”."""
    if seconds < _MINUTE * _PLURAL_FROM:
        return _("about {count} seconds").format(count=max(5, 5 * round(seconds / 5)))
    if seconds < HOUR * _PLURAL_FROM:
        return _("about {count} minutes").format(count=round(seconds / _MINUTE))
    return _("about {count} hours").format(count=round(seconds / HOUR))
