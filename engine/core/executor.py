"""Run forward passes and preparations concurrently, and wait for them."""

import threading
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any, Generic, TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")


class BatchExecutor(Generic[Task, Result]):
    """Runs up to `max_concurrent` tasks in threads; if it is 1, in the caller's thread instead."""

    def __init__(self, max_concurrent: int) -> None:
        self._max_concurrent = max_concurrent
        self._threads = (
            ThreadPoolExecutor(max_concurrent, "executor") if max_concurrent > 1 else None
        )
        self._tasks: dict[Future[Result], Task] = {}
        self._wakeup: Future[None] = Future()
        self._wakeup_lock = threading.Lock()

    @property
    def idle(self) -> int:
        """How many more tasks can start now."""
        return self._max_concurrent - len(self._tasks)

    @property
    def in_flight(self) -> list[Task]:
        """The tasks that were submitted and not yet returned by `wait`."""
        return list(self._tasks.values())

    def submit(self, task: Task, work: Callable[[], Result]) -> None:
        """Start the work of a task; if it runs in the caller's thread, wait for its end."""
        if self._threads is not None:
            self._tasks[self._threads.submit(work)] = task
            return
        future: Future[Result] = Future()
        future.set_result(work())
        self._tasks[future] = task

    def wait(self) -> list[tuple[Task, Result]]:
        """Wait until a task ends or `wake` is called; returns the ended tasks and their results.

        Returns at once if no task is in flight. Raises the exception that a task's work raised.
        """
        if not self._tasks:
            return []
        futures: set[Future[Any]] = {*self._tasks, self._wakeup}
        wait(futures, return_when=FIRST_COMPLETED)
        with self._wakeup_lock:
            if self._wakeup.done():
                self._wakeup = Future()
        completed = [future for future in self._tasks if future.done()]
        return [(self._tasks.pop(future), future.result()) for future in completed]

    def wake(self) -> None:
        """Make the current or next `wait` return at once. Any thread may call this."""
        with self._wakeup_lock:
            if not self._wakeup.done():
                self._wakeup.set_result(None)

    def close(self, timeout: float | None = None) -> None:
        """Wait for the tasks in flight, up to `timeout` seconds (None: without limit)."""
        if self._threads is not None:
            wait(self._tasks, timeout)
            self._threads.shutdown(wait=False)
