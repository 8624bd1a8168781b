"""Decides whether the engine hangs. Times are arguments, in seconds of one monotonic clock."""

from typing import Final

from engine.contract.protocol import Event, Heartbeat

SILENCE_SECONDS: Final = 30.0
"""Longest time without an event; a Heartbeat comes every two seconds."""
PATIENCE: Final = 10.0
"""One step may take so many times the longest step so far."""
SHORTEST_SECONDS: Final = 60.0
"""Lower bound of that limit: preparing a new picture size takes longer than a step."""
UNKNOWN_SECONDS: Final = 900.0
"""Limit for the first step of an engine."""


class Watchdog:
    """Follows the events of one engine."""

    def __init__(self, now: float) -> None:
        self._last_event_at = self._last_step_at = now
        self._ticks = 0
        self._longest_step: float | None = None

    def on_event(self, event: Event, now: float) -> None:
        """Every event counts as a step, but the Heartbeat of an engine that is no cluster only if
        its tick count changed. A cluster watches the steps of its replicas itself."""
        self._last_event_at = now
        if isinstance(event, Heartbeat) and event.replicas is None:
            if event.ticks == self._ticks:
                return
            self._ticks = event.ticks
        self._longest_step = max(self._longest_step or 0.0, now - self._last_step_at)
        self._last_step_at = now

    def on_own_heartbeat(self, heartbeat: Heartbeat, now: float) -> None:
        """Follow the engine core of this process by its heartbeats."""
        self.on_event(heartbeat, now)
        if not heartbeat.painting and not heartbeat.waiting:
            self.on_idle(now)

    def on_idle(self, now: float) -> None:
        """The engine has no job, so no step is expected."""
        self._last_step_at = now

    def reset(self, now: float) -> None:
        """The bot itself was suspended, so events may be waiting in the socket."""
        self._last_event_at = self._last_step_at = now

    def failure_reason(self, now: float) -> str | None:
        """Why the engine must be restarted; None while it is healthy."""
        if now - self._last_event_at > SILENCE_SECONDS:
            return f"it has sent nothing for {now - self._last_event_at:.0f} s"
        if now - self._last_step_at > self._step_limit:
            return f"it has made no step for {now - self._last_step_at:.0f} s"
        return None

    @property
    def _step_limit(self) -> float:
        if self._longest_step is None:
            return UNKNOWN_SECONDS
        return max(SHORTEST_SECONDS, PATIENCE * self._longest_step)
