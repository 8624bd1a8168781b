"""Two copies of a compiled network: for passes that share the cores, and for one that has all."""

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import cache

import torch

from engine.device.cores import has_all_cores

Inputs = Mapping[str, torch.Tensor]
Network = Callable[[Inputs], torch.Tensor]


class TwoCopies:
    """A compiled network, and a copy for calls that have all cores (`all_cores`).

    The copy is compiled by `compile_alone`, or in the background after the first of these calls.
    Thread-safe.
    """

    def __init__(self, shared: Network, compile_alone: Callable[[], Network]) -> None:
        """`compile_alone` returns `shared` if there is no other copy with the same bits."""
        self._shared = shared
        self._compile_alone = compile_alone
        self._alone: Future[Network] | None = None
        self._lock = threading.Lock()
        """Of `_alone`."""

    def __call__(self, inputs: Inputs) -> torch.Tensor:
        """What both copies return."""
        if not has_all_cores():
            return self._shared(inputs)
        alone = self._alone
        if alone is None:
            with self._lock:
                if self._alone is None:
                    self._alone = background_compiler().try_submit(self._compile_alone)
                alone = self._alone
        return (alone.result() if alone is not None and alone.done() else self._shared)(inputs)

    def compile_alone(self) -> None:
        """Compile the copy in this thread, unless that was begun before."""
        with self._lock:
            if self._alone is not None:
                return
            alone = self._alone = Future()
        alone.set_result(self._compile_alone())


class BackgroundCompiler:
    """A thread that compiles one network at a time.

    It refuses work while it is busy, so that the end of the process waits for one network at most.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(1, "openvino-compiler")
        self._latest: Future[Network] | None = None
        self._lock = threading.Lock()

    def try_submit(self, work: Callable[[], Network]) -> Future[Network] | None:
        """Start the work; None if the thread is busy or the process ends."""
        with self._lock:
            if self._latest is not None and not self._latest.done():
                return None
            try:
                self._latest = self._threads.submit(work)
            except RuntimeError:  # no new work at the end of the process
                return None
            return self._latest

    def wait(self) -> None:
        """Wait for the work that was started."""
        if self._latest is not None:
            wait([self._latest])


background_compiler = cache(BackgroundCompiler)
"""That of the process."""
