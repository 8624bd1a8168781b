"""The engine seconds that a user may use in any 24 hours; pure."""

from collections.abc import Sequence

import msgspec

from bot.domain.clock import DAY
from bot.domain.humanize import naturaldelta
from bot.errors import Refused
from bot.i18n import _


class Usage(msgspec.Struct, frozen=True):
    """Engine seconds that a user was charged for."""

    charged_at: float
    """Seconds since 1970."""
    seconds: float


def check(usages: Sequence[Usage], reserved: float, daily_seconds: float, now: float) -> None:
    """Raise Refused, with a sentence for the user, if the quota is used up.

    `reserved` is the estimate for the user's unfinished jobs. One job may exceed what is left.
    """
    if daily_seconds <= 0:
        raise Refused(_("Your roles do not allow you to make pictures on this server."))
    used = sum(use.seconds for use in usages)
    if used + reserved < daily_seconds:
        return
    usage_text = _(
        "You have used {used:.0f} of your {daily_seconds:.0f} engine seconds in 24 hours"
    ).format(used=used, daily_seconds=daily_seconds)
    if used < daily_seconds:
        raise Refused(
            _("{usage}, and your unfinished jobs will use the rest. Let them finish first.").format(
                usage=usage_text
            )
        )
    wait = free_at(usages, daily_seconds) - now
    raise Refused(
        _("{usage}. Please try again in {duration}.").format(
            usage=usage_text, duration=naturaldelta(max(0.0, wait))
        )
    )


def free_at(usages: Sequence[Usage], daily_seconds: float) -> float:
    """When enough of the usages are 24 hours old for the sum to be below `daily_seconds`."""
    left = sum(use.seconds for use in usages)
    for use in sorted(usages, key=lambda use: use.charged_at):
        left -= use.seconds
        if left < daily_seconds:
            return use.charged_at + DAY
    return 0.0
