"""Events on their way to one connection: progress and pulses may be skipped, endings never."""

import asyncio
from collections.abc import Iterator
from typing import Final

import msgspec

from engine.contract import Cancelled, Command, Event, Failed, Heartbeat, Painted, Queued, Stepped
from engine.contract.wire import Connection

JobKey = tuple[str, int]
_WORDS: Final = 1024
"""Bytes of an ending beside its pictures, about."""


class Outbox:
    """Keeps, for each job, only the newest progress while the other end is slow."""

    def __init__(self) -> None:
        self._progress: dict[JobKey, Queued | Stepped] = {}
        self._endings: list[Painted | Failed | Cancelled] = []
        self._pulse: Heartbeat | None = None
        self.unread = 0
        """Bytes of the endings that the other end has not taken yet, about."""
        self._filled = asyncio.Event()

    def put(self, event: Event) -> None:
        """Take an event; never waits. Call it in the loop's thread."""
        if isinstance(event, Painted | Failed | Cancelled):
            self._progress.pop((event.job, event.attempt), None)
            self._endings.append(event)
            self.unread += _size(event)
        elif isinstance(event, Queued | Stepped):
            key = event.job, event.attempt
            self._progress[key] = _newest(self._progress.get(key), event)
        elif isinstance(event, Heartbeat):
            self._pulse = event
        self._filled.set()

    async def send_all(self, connection: Connection[Command]) -> None:
        """Send what comes, for ever. Raises OSError when the other end is gone."""
        while True:
            await self._filled.wait()
            self._filled.clear()
            for event in self._take():
                await connection.send(event)

    def _take(self) -> Iterator[Event]:
        while self._endings:
            ending = self._endings.pop(0)
            self.unread -= _size(ending)
            yield ending
        while self._progress:
            yield self._progress.pop(next(iter(self._progress)))
        if self._pulse is not None:
            pulse, self._pulse = self._pulse, None
            yield pulse


def _size(ending: Painted | Failed | Cancelled) -> int:
    pictures = ending.pictures if isinstance(ending, Painted) else ()
    return _WORDS + sum(len(picture.png) for picture in pictures)


def _newest(old: Queued | Stepped | None, new: Queued | Stepped) -> Queued | Stepped:
    """The newer one, with the older one's preview if it has none itself."""
    if isinstance(old, Stepped) and isinstance(new, Stepped) and new.preview is None:
        return msgspec.structs.replace(new, preview=old.preview)
    return new
