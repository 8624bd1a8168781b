"""A replica: one engine core in a process of Ray Serve."""

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from engine.cluster.messages import (
    GatewayNote,
    ReplicaReport,
    decode_note,
    decode_paint,
    encode_events,
    encode_report,
)
from engine.contract import HEARTBEAT_SECONDS, Backlog, Event, LastEvent, Stepped
from engine.contract.watchdog import Watchdog
from engine.core.lora_watcher import LoraWatcher
from engine.core.request import Request
from engine.core.worker import start_worker
from engine.errors import EngineError
from engine.server.event_queue import EventQueue
from engine.server.session import call_threadsafe
from engine.server.text_models import load_text_models

if TYPE_CHECKING:
    from engine.models.base import DiffusionModel

PROGRESS_SECONDS: Final = 0.5
"""Steps are sent at most so often; all else is sent at once. Each message costs Ray a few
milliseconds of both processes."""
SUSPENDED_SECONDS: Final = 30.0
"""Serve checks the health every few seconds; after so long the machine was suspended."""
log = logging.getLogger(__name__)


class Replica:
    """Paints the jobs that the gateway sends. Its methods are called in one event loop."""

    def __init__(
        self,
        models: "Sequence[DiffusionModel]",
        node: str,
        end_process: Callable[[], object] = lambda: None,
    ) -> None:
        """`node` is the address of this machine. `end_process` is called if the core cannot
        continue: only then do the callers learn at once that their jobs have crashed."""
        self._end_process = end_process
        self._models = models
        self._node = node
        self._error: EngineError | None = None
        self._requests: dict[str, Request] = {}
        """By the names of their calls."""
        self._gateway = 0
        self._backlog = Backlog()
        self._watchdog = Watchdog(time.monotonic())
        self._checked_at = time.monotonic()
        self._worker = start_worker(
            models, self._on_fatal, load_text_models(model.card.name for model in models)
        )
        self._watcher = LoraWatcher(models, lambda: None)  # the next report has the new cards
        self._watcher.start()

    async def paint(
        self, call: str, job: bytes, files: Mapping[str, bytes]
    ) -> AsyncIterator[bytes]:
        """The job's events up to its ending, and the replica's heartbeats, as `encode_events`.

        A job whose caller stops listening is cancelled.
        """
        paint = decode_paint(job)
        loop = asyncio.get_running_loop()
        queue = EventQueue()
        request = self._worker.submit(
            paint, lambda event: call_threadsafe(loop, queue.put, event), files
        )
        self._requests[call] = request
        try:
            async for events in self._batches(queue):
                yield encode_events(events)
        finally:
            del self._requests[call]
            self._worker.cancel(request)

    def cancel(self, call: str) -> None:
        """End the job of a call before the next forward pass; an unknown one is ignored."""
        request = self._requests.get(call)
        if request is not None:
            self._worker.cancel(request)

    def report(self, note: bytes) -> bytes:
        """Describe this replica. Raises OtherVersion if the gateway has another protocol."""
        self._read(decode_note(note))
        return encode_report(
            ReplicaReport(
                node=self._node,
                pid=os.getpid(),
                models=tuple(model.card for model in self._models),
                upscalers=self._worker.upscalers,
                can_film=self._worker.can_film,
                heartbeat=self._worker.heartbeat(),
                text_models=self._worker.text_models,
            )
        )

    def check_health(self) -> None:
        """Raise EngineError if the core cannot continue; end the process if it hangs."""
        if self._error is not None:
            raise self._error
        now = time.monotonic()
        if now - self._checked_at > SUSPENDED_SECONDS:
            self._watchdog.reset(now)
        self._checked_at = now
        self._watchdog.on_own_heartbeat(self._worker.heartbeat(), now)
        if reason := self._watchdog.failure_reason(now):
            self._on_fatal(EngineError(f"The engine core must be restarted: {reason}."))

    def autoscaling_stats(self) -> dict[str, float]:
        """The backlog that the gateway has sent, and the pictures in progress here."""
        backlog = self._backlog
        return {
            "jobs": backlog.jobs,
            "seconds": backlog.seconds,
            "oldest": backlog.oldest,
            "painting": self._worker.heartbeat().painting,
        }

    def close(self) -> None:
        """Cancel all jobs and end the threads."""
        self._watcher.close()
        self._worker.close()

    async def _batches(self, queue: EventQueue) -> AsyncIterator[list[Event]]:
        loop = asyncio.get_running_loop()
        due = loop.time() + HEARTBEAT_SECONDS
        while True:
            events = await queue.take(due - loop.time())
            if loop.time() >= due:
                events.append(self._worker.heartbeat())
                due = loop.time() + HEARTBEAT_SECONDS
            yield events
            if any(isinstance(event, LastEvent) for event in events):
                return
            if any(isinstance(event, Stepped) for event in events):
                await queue.wait_for_result(PROGRESS_SECONDS)

    def _read(self, note: GatewayNote) -> None:
        if note.gateway < self._gateway:
            return  # it is about to stop
        if note.gateway > self._gateway and self._gateway:
            log.warning("there is a new gateway; the jobs of the last one are cancelled")
            for request in self._requests.values():
                self._worker.cancel(request)
        self._gateway = note.gateway
        self._backlog = note.backlog

    def _on_fatal(self, error: EngineError) -> None:
        log.error("the engine core cannot continue: %s", error)
        self._error = error
        self._end_process()
