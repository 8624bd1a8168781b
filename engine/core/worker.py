"""Run the engine core in its own thread, with a queue of jobs from other threads."""

import logging
import threading
from collections import deque
from collections.abc import Hashable, Mapping, Sequence
from typing import Final

from engine.contract import Backlog, Heartbeat, Paint, TextModelCards, UpscalerCard
from engine.core.engine_core import EngineCore
from engine.core.enlarger import Enlarger
from engine.core.flexible_batches import flexible_batches_of
from engine.core.job_files import NO_FILES
from engine.core.postprocess import FatalErrorHandler, Postprocessor
from engine.core.request import EventSink, Request
from engine.core.text_writer import TextWriter
from engine.device.errors import is_device_lost
from engine.device.sysinfo import resident_memory
from engine.errors import DeviceLost, EngineError
from engine.imaging.video import can_encode
from engine.models.base import DiffusionModel
from engine.texts import TextModels
from engine.upscale import load_upscalers

MAX_WAITING_JOBS: Final = 256
log = logging.getLogger(__name__)


class Worker:
    """Accepts jobs in any thread, and runs an engine core in its own thread.

    `on_fatal` is called in that thread if the core cannot continue; the jobs then get no ending.
    The core's postprocessor has its own handler.
    """

    def __init__(self, engine_core: EngineCore, on_fatal: FatalErrorHandler) -> None:
        self._engine_core = engine_core
        self._on_fatal = on_fatal
        self._waiting: deque[Request] = deque()
        self._changed = threading.Condition()
        self._is_closing = False
        self._engine_core.enlarger.on_ready = self._on_ready
        self._engine_core.enlarger.thread.on_device_lost = on_fatal
        self._engine_core.text_writer.thread.on_device_lost = on_fatal
        self._thread = threading.Thread(target=self._run, name="engine-core", daemon=True)
        self._thread.start()

    @property
    def upscalers(self) -> tuple[UpscalerCard, ...]:
        """The installed upscalers, the default one first."""
        return tuple(
            UpscalerCard(name=upscaler.name, revision=upscaler.revision, scales=upscaler.scales)
            for upscaler in self._engine_core.enlarger.upscalers
        )

    @property
    def text_models(self) -> TextModelCards:
        """The models that write texts."""
        return self._engine_core.text_writer.models.cards

    @property
    def can_film(self) -> bool:
        """Whether the package that encodes films is installed."""
        return can_encode()

    @property
    def waiting(self) -> int:
        """Number of jobs that wait for free slots."""
        return len(self._waiting)

    @property
    def max_waiting(self) -> int:
        """The largest number of such jobs."""
        return MAX_WAITING_JOBS

    def heartbeat(self) -> Heartbeat:
        """The counters so far, read without waiting for the core.

        The core's thread may change them during the call, so they may be inconsistent.
        """
        core = self._engine_core
        rows = core.meter.rows
        return Heartbeat(
            ticks=core.meter.ticks,
            seconds=core.meter.seconds,
            rows_total=rows.total,
            rows_used=rows.used,
            painting=core.running,
            waiting=self.waiting,
            memory=resident_memory(),
            peak_memory=core.model.device.peak_memory(),
            resident=tuple(model.card.name for model in core.models if model.is_resident),
        )

    def on_backlog(self, bot: Hashable, backlog: Backlog) -> None:
        """Nothing: one engine cannot grow."""

    def submit(self, job: Paint, emit: EventSink, files: Mapping[str, bytes] = NO_FILES) -> Request:
        """Queue a job with its input images; `emit` is called with its events up to its ending.

        It is called in threads of the engine, and with the first Queued before this returns.
        """
        request = Request(job, emit, files)
        with self._changed:
            self._waiting.append(request)
            self._report_positions()
            self._changed.notify()
        self._engine_core.wake()
        return request

    def cancel(self, request: Request) -> None:
        """End a job with Cancelled: at once if it waits, else before the next forward pass."""
        request.request_cancel()
        with self._changed:
            if request in self._waiting:
                self._waiting.remove(request)
                request.finish_cancelled()
                self._report_positions()
        self._engine_core.wake()

    def close(self, timeout: float = 10.0) -> None:
        """Cancel all jobs, and wait up to `timeout` seconds for each thread to end."""
        with self._changed:
            self._is_closing = True
            self._changed.notify()
        self._engine_core.wake()
        self._thread.join(timeout)
        if self._thread.is_alive():  # in a forward pass, which cannot be interrupted
            log.warning("the engine core is still busy after %g s of waiting for its end", timeout)
            return
        self._engine_core.close(timeout)
        self._engine_core.postprocessor.close(timeout)

    def _on_ready(self) -> None:
        with self._changed:
            self._changed.notify()
        self._engine_core.wake()

    def _report_positions(self) -> None:
        for jobs_ahead, request in enumerate(self._waiting):
            request.report_position(jobs_ahead)

    def _run(self) -> None:
        try:
            while self._admit_waiting():
                self._engine_core.tick()
        except EngineError as error:
            self._on_fatal(error)
        except Exception as error:  # top level of the thread: its end must be known
            log.exception("the engine core failed")
            message = f"The accelerator is lost: {error}"
            self._on_fatal(
                DeviceLost(message)
                if is_device_lost(error)
                else EngineError("The engine core failed; the log has the details.")
            )

    def _admit_waiting(self) -> bool:
        """Wait for work, and add the waiting requests that fit; False when closing."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._waiting or self._engine_core.requests or self._is_closing
            )
            if self._is_closing:
                for request in [*self._waiting, *self._engine_core.requests]:
                    request.finish_cancelled()
                return False
            new_requests, free_slots = [], self._engine_core.free_slots
            while self._waiting and free_slots > 0:
                request = self._waiting.popleft()
                new_requests.append(request)
                free_slots -= self._engine_core.slots_for(request.image_count)
            if new_requests:
                self._report_positions()
        for request in new_requests:
            self._engine_core.add_request(request)
        return True


def start_worker(
    models: Sequence[DiffusionModel],
    on_fatal: FatalErrorHandler,
    text_models: TextModels | None = None,
) -> Worker:
    """A worker with an engine core for these models, whose flexible batches of the native size are
    measured before.

    `on_fatal` is called in a thread of the engine if it cannot continue; the jobs then get no
    ending.
    """
    postprocessor = Postprocessor(on_device_lost=on_fatal)
    engine_core = EngineCore(
        models,
        postprocessor,
        enlarger=Enlarger(load_upscalers()),
        flexible=flexible_batches_of(models),
        text_writer=TextWriter(text_models),
    )
    return Worker(engine_core, on_fatal)
