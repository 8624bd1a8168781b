"""Decode pictures beside the postprocessor's thread.

On a CPU where one picture uses one core, several are decoded at a time; on CUDA one, while the
postprocessor checks and encodes the one before.
"""

import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Executor, Future, ThreadPoolExecutor, wait

import torch
from PIL import Image

from engine.core import pictures
from engine.core.request import RunningImage
from engine.log import log_context


class Decoding:
    """A picture that another thread decodes or, without one, the thread that asks for it."""

    def __init__(
        self, image: RunningImage, threads: Executor | None, clock: Callable[[], float]
    ) -> None:
        self.seconds = 0.0
        """Spent by the other thread so far."""
        self._image = image
        self._clock = clock
        self._event = image.state.model.device.record_event()
        """On CUDA, when the latents are there."""
        self._future: Future[Image.Image] | None = None
        if threads is not None:
            self._future = threads.submit(self._run)

    def wait(self) -> None:
        """Wait for the other thread, if there is one."""
        if self._future is not None:
            wait([self._future])

    def picture(self) -> Image.Image:
        """The picture. Raises what `pictures.decode` raises, or CancelledError if its request was
        stopped before."""
        if self._future is None:
            return pictures.decode(self._image.state)
        return self._future.result()

    @torch.inference_mode()
    def _run(self) -> Image.Image:
        request = self._image.request
        if request.is_stopped:
            raise CancelledError
        start = self._clock()
        try:
            with (
                log_context(job=request.job.job, attempt=request.job.attempt),
                self._image.state.model.device.side_stream(self._event),
            ):
                return pictures.decode(self._image.state)
        finally:
            self.seconds = self._clock() - start


class DecoderPool:
    """Decodes as many pictures at a time as the device of the first one has threads for it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._threads: ThreadPoolExecutor | None = None

    def start(self, image: RunningImage) -> Decoding:
        """Decode the latents of an image. Only one thread may call this."""
        workers = image.state.model.device.decoder_threads
        if workers == 0:
            return Decoding(image, None, self._clock)
        if self._threads is None:
            self._threads = ThreadPoolExecutor(workers, "decoder")
        return Decoding(image, self._threads, self._clock)

    def close(self) -> None:
        """Accept no more work; does not wait."""
        if self._threads is not None:
            self._threads.shutdown(wait=False)
