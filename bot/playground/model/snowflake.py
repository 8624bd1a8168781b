"""Snowflake ids: 42 bits of milliseconds since 2015, then a counter."""

from bot.playground.clock import Clock

EPOCH = 1_420_070_400_000  # milliseconds; https://docs.discord.com/developers/reference#snowflakes


class Snowflakes:
    """Generates strictly increasing ids."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last_id = 0

    def new(self) -> int:
        """Return a new id with the current time."""
        current = (int(self._clock.now() * 1000) - EPOCH) << 22
        self._last_id = max(current, self._last_id + 1)
        return self._last_id


def snowflake_time(snowflake: int) -> float:
    """Return the creation time of an id in seconds since 1970."""
    return ((snowflake >> 22) + EPOCH) / 1000
