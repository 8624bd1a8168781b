"""Threads that evaluate batches beside each other, and say when each is done."""

import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Generic, TypeVar

Batch = TypeVar("Batch")


class Hands(Generic[Batch]):
    """So many batches are in hand at once; a single hand is the caller's own thread."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._threads = ThreadPoolExecutor(count, "painting") if count > 1 else None
        self._busy: dict[Future[float], Batch] = {}

    @property
    def free(self) -> int:
        """How many more batches can be begun."""
        return self._count - len(self._busy)

    @property
    def batches(self) -> list[Batch]:
        """What is in hand."""
        return list(self._busy.values())

    def begin(self, batch: Batch, work: Callable[[], None]) -> None:
        """Do this work for this batch."""
        if self._threads is not None:
            self._busy[self._threads.submit(_timed, work)] = batch
            return
        done: Future[float] = Future()
        try:
            done.set_result(_timed(work))
        except Exception as error:  # noqa: BLE001 # raised again by whoever asks for the result
            done.set_exception(error)
        self._busy[done] = batch

    def ended(self) -> list[tuple[Batch, Callable[[], float]]]:
        """Wait for at least one batch, if any is in hand. With each comes a function that returns
        the seconds that it took, or raises what it raised."""
        done, _ = wait(self._busy, return_when=FIRST_COMPLETED)
        return [(self._busy.pop(each), each.result) for each in done]

    def close(self) -> None:
        """Wait for what is in hand."""
        if self._threads is not None:
            self._threads.shutdown()


def _timed(work: Callable[[], None]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began
