"""What serves the jobs of connections: one engine core, or a cluster of them."""

from collections.abc import Callable, Hashable, Mapping
from typing import Any, Protocol

from engine.contract import Backlog, Event, Heartbeat, Paint

EventSink = Callable[[Event], None]


class SubmittedJob(Protocol):
    """A job that was submitted."""

    @property
    def files(self) -> Mapping[str, bytes]:
        """Its input images, by their digests."""


class JobServer(Protocol):
    """Accepts jobs; its methods do not block."""

    @property
    def waiting(self) -> int:
        """Number of jobs that wait for a free slot."""

    @property
    def max_waiting(self) -> int:
        """The largest number of such jobs, of all connections together. The bot has a queue of its
        own and sends few jobs at once."""

    def heartbeat(self) -> Heartbeat:
        """The counters so far."""

    # Any: each implementation has a type of its own for submitted jobs
    def submit(self, job: Paint, emit: EventSink, files: Mapping[str, bytes]) -> Any:  # noqa: ANN401
        """Accept a job, and return it; `emit` is called with its events, in any thread."""

    def cancel(self, request: Any) -> None:  # noqa: ANN401
        """End a job that `submit` returned, at its next step; one that has ended is ignored."""

    def on_backlog(self, bot: Hashable, backlog: Backlog) -> None:
        """The queue of a bot has changed. `bot` is one value for each connection; a connection that
        is closed has no backlog."""
