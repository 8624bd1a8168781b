"""The engine's seconds that a person may have in any 24 hours; pure."""

from collections.abc import Sequence
from typing import Final

import msgspec

from bot.domain.humanize import about
from bot.errors import Refused

DAY: Final = 24 * 60 * 60.0


class Use(msgspec.Struct, frozen=True):
    """What somebody had of the engine at a time."""

    at: float
    """Seconds since 1970."""
    seconds: float


def check(uses: Sequence[Use], reserved: float, daily: float, now: float) -> None:
    """Raise Refused, in words for the person, if the day's seconds are used up.

    `reserved` is what their unfinished jobs will take. The last job may take more than is left.
    """
    if daily <= 0:
        raise Refused("Nobody with your roles may have pictures painted on this server.")
    used = sum(use.seconds for use in uses)
    if used + reserved < daily:
        return
    had = f"You have had {used:.0f} of your {daily:.0f} seconds of painting in 24 hours"
    if used < daily:
        raise Refused(
            f"{had}, and your unfinished jobs will take up the rest. Let them finish first."
        )
    wait = free_at(uses, daily) - now
    raise Refused(f"{had}. You can ask again in {about(max(0.0, wait))}.")


def free_at(uses: Sequence[Use], daily: float) -> float:
    """When enough of these are 24 hours old for less than `daily` to be left."""
    left = sum(use.seconds for use in uses)
    for use in sorted(uses, key=lambda use: use.at):
        left -= use.seconds
        if left < daily:
            return use.at + DAY
    return 0.0
