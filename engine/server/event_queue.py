"""The events to send on one connection. Newer progress replaces older; all results are sent."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Iterator
from typing import Final

import msgspec

from engine.contract import (
    ArtifactDone,
    Command,
    Event,
    Heartbeat,
    ImageDone,
    LastEvent,
    ModelsChanged,
    Queued,
    Result,
    Stepped,
)
from engine.contract.wire import Connection

JobKey = tuple[str, int]
_RESULT_BYTES: Final = 1024
"""Approximate size of a result or an ending without its image or file."""


class EventQueue:
    """Holds all results and last events, but only the newest heartbeat, models and progress of each
    job, so that a slow peer does not fill memory with progress."""

    def __init__(self) -> None:
        self._progress: dict[JobKey, Queued | Stepped] = {}
        self._results: deque[Result | LastEvent] = deque()
        self._heartbeat: Heartbeat | None = None
        self._models: ModelsChanged | None = None
        self.unsent_bytes = 0
        """Approximate size of the results and last events that are not sent yet."""
        self._has_events = asyncio.Event()
        self._has_results = asyncio.Event()

    def put(self, event: Event) -> None:
        """Add an event. Must be called in the event loop's thread."""
        if isinstance(event, Result | LastEvent):
            if isinstance(event, LastEvent):
                self._progress.pop((event.job, event.attempt), None)
            self._results.append(event)
            self._has_results.set()
            self.unsent_bytes += _size(event)
        elif isinstance(event, Queued | Stepped):
            key = event.job, event.attempt
            self._progress[key] = _newest(self._progress.get(key), event)
        elif isinstance(event, Heartbeat):
            self._heartbeat = event
        elif isinstance(event, ModelsChanged):
            self._models = event
        self._has_events.set()

    async def send_all(self, connection: Connection[Command]) -> None:
        """Send events as they are added, until cancelled.

        Raises OSError if the connection is lost.
        """
        while True:
            await self._has_events.wait()
            self._has_events.clear()
            for event in self._take_all():
                await connection.send(event)

    async def take(self, timeout: float) -> list[Event]:  # noqa: ASYNC109 # no error
        """All events, as soon as there is one; an empty list after `timeout` seconds."""
        await _wait(self._has_events, timeout)
        self._has_events.clear()
        self._has_results.clear()
        return list(self._take_all())

    async def wait_for_result(self, timeout: float) -> None:  # noqa: ASYNC109 # no error
        """Return as soon as there is a result or a last event, or after `timeout` seconds."""
        await _wait(self._has_results, timeout)

    def _take_all(self) -> Iterator[Event]:
        if self._models is not None:
            models, self._models = self._models, None
            yield models
        while self._results:
            result = self._results.popleft()
            self.unsent_bytes -= _size(result)
            yield result
        while self._progress:
            yield self._progress.pop(next(iter(self._progress)))
        if self._heartbeat is not None:
            heartbeat, self._heartbeat = self._heartbeat, None
            yield heartbeat


async def _wait(event: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), max(0.0, seconds))


def _size(result: Result | LastEvent) -> int:
    match result:
        case ImageDone():
            return _RESULT_BYTES + len(result.image.png)
        case ArtifactDone():
            return _RESULT_BYTES + len(result.data)
        case _:
            return _RESULT_BYTES


def _newest(old: Queued | Stepped | None, new: Queued | Stepped) -> Queued | Stepped:
    """The new progress; if it has no preview, with the preview of the old one."""
    if isinstance(old, Stepped) and isinstance(new, Stepped) and new.preview is None:
        return msgspec.structs.replace(new, preview=old.preview)
    return new
