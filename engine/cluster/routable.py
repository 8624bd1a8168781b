"""The replicas that requests of this process can reach."""

import threading
from collections.abc import Callable
from typing import Final

Listener = Callable[[frozenset[str]], None]


class RoutableReplicas:
    """The names of the replicas that requests of this process can reach.

    Serve makes the routers itself, in a thread of its own, so they and the gateway share this
    object of the module.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listener: Listener | None = None
        self._names: frozenset[str] = frozenset()

    def listen(self, listener: Listener) -> None:
        """Call `listener` with the names now, and in any thread when they have changed."""
        with self._lock:
            self._listener = listener
            listener(self._names)

    def change(self, names: frozenset[str]) -> None:
        """The names have changed."""
        with self._lock:
            self._names = names
            if self._listener is not None:
                self._listener(names)


class TargetUnavailable(Exception):
    """The named replica takes no more requests, or is not known yet."""


ROUTABLE: Final = RoutableReplicas()
