"""Decode pictures beside the postprocessor's thread, on CPUs where one picture uses one core."""

import time
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait

import torch
from PIL import Image

from engine.core import pictures
from engine.pipeline.denoise import DenoisingState


class Decoding:
    """A picture that another thread decodes or, without one, the thread that asks for it."""

    def __init__(
        self, state: DenoisingState, threads: Executor | None, clock: Callable[[], float]
    ) -> None:
        self.seconds = 0.0
        """Spent by the other thread so far."""
        self._state = state
        self._clock = clock
        self._future: Future[Image.Image] | None = None
        if threads is not None:
            self._future = threads.submit(self._run_timed)

    def wait(self) -> None:
        """Wait for the other thread, if there is one."""
        if self._future is not None:
            wait([self._future])

    def picture(self) -> Image.Image:
        """The picture. Raises what `pictures.decode` raises."""
        return pictures.decode(self._state) if self._future is None else self._future.result()

    def cancel(self) -> None:
        """The picture is not needed any more; without effect if another thread has begun."""
        if self._future is not None:
            self._future.cancel()

    @torch.inference_mode()
    def _run_timed(self) -> Image.Image:
        start = self._clock()
        try:
            return pictures.decode(self._state)
        finally:
            self.seconds = self._clock() - start


class DecoderPool:
    """Decodes as many pictures at a time as there are concurrent forward passes."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._threads: ThreadPoolExecutor | None = None

    def start(self, state: DenoisingState) -> Decoding:
        """Decode the latents of a state. Only one thread may call this."""
        workers = state.model.device.max_concurrent_batches
        if workers == 1:
            return Decoding(state, None, self._clock)
        if self._threads is None:
            self._threads = ThreadPoolExecutor(workers, "decoder")
        return Decoding(state, self._threads, self._clock)

    def close(self) -> None:
        """Accept no more work; does not wait."""
        if self._threads is not None:
            self._threads.shutdown(wait=False)
