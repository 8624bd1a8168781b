"""The interface to an engine, wherever it runs."""

from collections.abc import Callable
from typing import Protocol

import msgspec

from bot.errors import BotError
from engine.contract import Ending, Heartbeat, ModelCard, Paint, Queued, Stepped

ProgressCallback = Callable[[Queued | Stepped], None]


class EngineDied(BotError):
    """The engine died or closed the connection before the job ended."""


class EngineStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The state of an engine at one moment."""

    is_connected: bool
    restarts: int
    """How often the connection to an engine was lost."""
    heartbeat: Heartbeat | None
    """The latest one; None while disconnected. Its counters include those of earlier engines."""


class EngineClient(Protocol):
    """Sends jobs to an engine. Implementations reconnect by themselves."""

    @property
    def models(self) -> tuple[ModelCard, ...]:
        """The loaded models, or while disconnected those loaded last; the first is the default."""

    @property
    def model(self) -> ModelCard:
        """The default model."""

    @property
    def status(self) -> EngineStatus:
        """The state of the engine now."""

    async def submit(self, paint: Paint, on_progress: ProgressCallback) -> Ending:
        """Run a job, after waiting for a connection if there is none, and return its ending.

        Raises EngineDied if the connection is lost before the job ends.
        """

    async def cancel(self, job: str, attempt: int) -> None:
        """Ask the engine to stop a job. An unknown job is no error."""

    def subscribe(self, listener: Callable[[], None]) -> None:
        """Call `listener` whenever the engine connects or disconnects."""
