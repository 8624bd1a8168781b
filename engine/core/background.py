"""Work of the postprocessor's thread that lets all other work go first."""

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

T = TypeVar("T")


class BackgroundQueue(Generic[T]):
    """Submits items one at a time, each after the previous one is done.

    So an item waits behind everything that was submitted to the same thread meanwhile, and other
    work waits for one item at most. Any thread may add items.
    """

    def __init__(self, submit: Callable[[T], Future[None]]) -> None:
        self._submit = submit
        self._items: deque[T] = deque()
        self._is_busy = False
        self._lock = threading.Lock()

    def add(self, item: T) -> None:
        """Append an item."""
        with self._lock:
            self._items.append(item)
        self._start_next()

    def clear(self) -> None:
        """Forget the items that were not submitted yet."""
        with self._lock:
            self._items.clear()

    def _start_next(self) -> None:
        with self._lock:
            if self._is_busy or not self._items:
                return
            self._is_busy = True
            item = self._items.popleft()
        self._submit(item).add_done_callback(self._on_done)

    def _on_done(self, _: Future[None]) -> None:
        with self._lock:
            self._is_busy = False
        self._start_next()
