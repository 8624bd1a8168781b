"""Run forward passes and preparations concurrently, and wait for them."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from queue import SimpleQueue
from typing import Generic, TypeVar

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
        self._ended: SimpleQueue[Future[Result] | None] = SimpleQueue()
        """Futures of tasks that `wait` has not returned; None for a call of `wake`."""

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
            future = self._threads.submit(work)
        else:
            future = Future()
            future.set_result(work())
        self._tasks[future] = task
        future.add_done_callback(self._ended.put)

    def wait(self) -> list[tuple[Task, Result]]:
        """Wait until a task ends or `wake` is called; returns the ended tasks and their results.

        Returns at once if no task is in flight. Raises the exception that a task's work raised.
        """
        if not self._tasks:
            return []
        ended = [self._ended.get()]
        while not self._ended.empty():
            ended.append(self._ended.get())
        futures = [future for future in ended if future is not None]
        return [(self._tasks.pop(future), future.result()) for future in futures]

    def wake(self) -> None:
        """Make the current or next `wait` return at once. Any thread may call this."""
        self._ended.put(None)

    def close(self, timeout: float | None = None) -> None:
        """Wait for the tasks in flight, up to `timeout` seconds (None: without limit)."""
        if self._threads is not None:
            wait(self._tasks, timeout)
            self._threads.shutdown(wait=False)
