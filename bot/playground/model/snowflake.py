"""Discord's ids: 42 bits of milliseconds since 2015, then a counter."""

from bot.playground.clock import Clock

EPOCH = 1_420_070_400_000  # milliseconds; https://docs.discord.com/developers/reference#snowflakes


class Snowflakes:
    """Hands out fresh ids, each larger than the one before."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last = 0

    def new(self) -> int:
        """An id of this moment."""
        fresh = (int(self._clock.now() * 1000) - EPOCH) << 22
        self._last = max(fresh, self._last + 1)
        return self._last


def snowflake_time(snowflake: int) -> float:
    """When an id was made, in seconds since 1970."""
    return ((snowflake >> 22) + EPOCH) / 1000
