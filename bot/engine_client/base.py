"""The interface to an engine, wherever it runs."""

from collections.abc import Callable, Mapping
from typing import Final, Protocol

import msgspec

from bot.errors import BotError
from engine.contract import (
    Backlog,
    Ending,
    Heartbeat,
    JobEvent,
    ModelCard,
    Paint,
    TextModelCards,
    UpscalerCard,
)

EventCallback = Callable[[JobEvent], None]
NO_FILES: Final[Mapping[str, bytes]] = {}


class EngineDied(BotError):
    """The engine died or closed the connection before the job ended."""

    def __init__(self, message: str, *, crashed: bool = True) -> None:
        """`crashed` is False if a replica has handed the job back because it stops."""
        super().__init__(message)
        self.crashed = crashed


class EngineStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The state of an engine at one moment."""

    is_connected: bool
    restarts: int
    """How often the connection to an engine was lost."""
    heartbeat: Heartbeat | None
    """The latest one; None while disconnected. Its counters include those of earlier engines."""
    replicas: int = 1
    """The number of engine cores that share the jobs; 0 if a cluster has none at the moment."""

    is_cluster: bool = False
    """Whether its number of replicas may change."""

    @property
    def is_available(self) -> bool:
        """Whether it can paint now."""
        return self.is_connected and self.replicas > 0


class EngineClient(Protocol):
    """Sends jobs to an engine. Implementations reconnect by themselves."""

    @property
    def models(self) -> tuple[ModelCard, ...]:
        """The loaded models, or while disconnected those loaded last; the first is the default.
        Their cards may change at any time."""

    @property
    def upscalers(self) -> tuple[UpscalerCard, ...]:
        """The installed upscalers, or while disconnected those of the last engine; the first is the
        default."""

    @property
    def can_film(self) -> bool:
        """Whether the engine, or while disconnected the last one, can encode films."""

    @property
    def text_models(self) -> TextModelCards:
        """The models of the engine, or while disconnected of the last one, that write texts."""

    @property
    def model(self) -> ModelCard:
        """The default model."""

    @property
    def status(self) -> EngineStatus:
        """The state of the engine now."""

    async def submit(
        self, paint: Paint, on_event: EventCallback, files: Mapping[str, bytes] = NO_FILES
    ) -> Ending:
        """Run a job, after waiting for a connection if there is none, and return its ending.

        `on_event` is called with the events before the ending, in order. `files` has the input
        images that the job lists, by their digests. Raises EngineDied if the connection is lost
        before the job ends.
        """

    async def cancel(self, job: str, attempt: int) -> None:
        """Ask the engine to stop a job. An unknown job is no error."""

    async def report_backlog(self, backlog: Backlog) -> None:
        """Tell a cluster how many jobs wait, so that it can choose its size."""

    def subscribe(self, listener: Callable[[], None]) -> None:
        """Call `listener` whenever the engine connects or disconnects, or its number of replicas
        changes."""
