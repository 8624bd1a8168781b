"""Is the engine getting on? Times come in as arguments, in seconds of one clock."""

from typing import Final

from engine.contract import Event, Heartbeat

SILENCE_SECONDS: Final = 30.0
"""Without a Heartbeat, which comes every two: then the engine's process stands still."""
PATIENCE: Final = 10.0
"""Times the longest step so far that one step may take."""
SHORTEST_SECONDS: Final = 60.0
"""For one step, at least: a first picture of a new size needs a while to be made ready."""
UNKNOWN_SECONDS: Final = 900.0
"""For the first step of an engine, of which nothing is known yet."""


class Watchdog:
    """Hears what one engine says, and says when it is to be given up."""

    def __init__(self, now: float) -> None:
        self._heard = self._moved = now
        self._ticks = 0
        self._longest: float | None = None

    def on_event(self, event: Event, now: float) -> None:
        """The engine said this."""
        self._heard = now
        if isinstance(event, Heartbeat):
            if event.ticks == self._ticks:
                return
            self._ticks = event.ticks
        self._longest = max(self._longest or 0.0, now - self._moved)
        self._moved = now

    def on_idle(self, now: float) -> None:
        """It has nothing to do, so no step is expected of it."""
        self._moved = now

    def reset(self, now: float) -> None:
        """Who listens stood still itself, so nothing can have been heard."""
        self._heard = self._moved = now

    def failure_reason(self, now: float) -> str | None:
        """Why it is to be given up; None as long as it gets on."""
        if now - self._heard > SILENCE_SECONDS:
            return f"it has said nothing for {now - self._heard:.0f} s"
        if now - self._moved > self._allowed:
            return f"it has made no step for {now - self._moved:.0f} s"
        return None

    @property
    def _allowed(self) -> float:
        if self._longest is None:
            return UNKNOWN_SECONDS
        return max(SHORTEST_SECONDS, PATIENCE * self._longest)
