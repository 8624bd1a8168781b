"""Threads that work beside each other, and say when each is done."""

import threading
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Generic, TypeVar

Task = TypeVar("Task")


class Hands(Generic[Task]):
    """So many tasks are in hand at once; a single hand is the caller's own thread."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._threads = ThreadPoolExecutor(count, "painting") if count > 1 else None
        self._busy: dict[Future[None], Task] = {}
        self._nudged: Future[None] = Future()
        self._nudging = threading.Lock()

    @property
    def free(self) -> int:
        """How many more tasks can be begun."""
        return self._count - len(self._busy)

    @property
    def tasks(self) -> list[Task]:
        """What is in hand."""
        return list(self._busy.values())

    def begin(self, task: Task, work: Callable[[], None]) -> None:
        """Do this work for this task."""
        if self._threads is not None:
            self._busy[self._threads.submit(work)] = task
            return
        done: Future[None] = Future()
        try:
            work()
            done.set_result(None)
        except Exception as error:  # noqa: BLE001 # raised again by whoever asks for the result
            done.set_exception(error)
        self._busy[done] = task

    def ended(self) -> list[tuple[Task, Callable[[], None]]]:
        """Wait for at least one task, if any is in hand, or for a nudge. With each comes a function
        that raises what its work raised."""
        if not self._busy:
            return []
        wait({*self._busy, self._nudged}, return_when=FIRST_COMPLETED)
        with self._nudging:
            if self._nudged.done():
                self._nudged = Future()
        return [(self._busy.pop(each), each.result) for each in list(self._busy) if each.done()]

    def nudge(self) -> None:
        """Whoever waits for a task waits no longer: there is something else to do. Any thread."""
        with self._nudging:
            if not self._nudged.done():
                self._nudged.set_result(None)

    def close(self, patience: float | None = None) -> None:
        """Wait (seconds, or as long as it takes) for what is in hand."""
        if self._threads is not None:
            wait(self._busy, patience)
            self._threads.shutdown(wait=False)
