"""A thread beside the engine core's, for work of requests that is no forward pass."""

from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from weakref import WeakSet

from engine.core.failures import Failure, catch_failure
from engine.core.request import Request
from engine.errors import DeviceLost
from engine.log import log_context


def _do_nothing(_: DeviceLost) -> None:
    pass


class SideThread:
    """Does one piece of work after another."""

    def __init__(self, name: str, executor: Executor | None = None) -> None:
        """`executor` replaces the thread."""
        self.on_device_lost: Callable[[DeviceLost], None] = _do_nothing
        """Called in the thread; the affected request gets no ending."""
        self._executor = executor or ThreadPoolExecutor(1, name)
        self._pending: list[Request] = []
        """A request is in it once for each piece of work that is not done yet."""
        self._lost: WeakSet[Request] = WeakSet()
        """Those that the loss of the device has stopped; they get no ending."""

    def submit(
        self,
        request: Request,
        work: Callable[[], None],
        on_failure: Callable[[Failure], None],
    ) -> Future[None]:
        """Do this work, or call `on_failure` if it raises an exception; a request that was stopped
        is ended instead."""

        def unless_stopped() -> None:
            if request.is_stopped:
                request.finish_cancelled()
            else:
                work()

        def run() -> None:
            with log_context(job=request.job.job, attempt=request.job.attempt):
                try:
                    outcome = catch_failure([request], unless_stopped)
                except DeviceLost as error:
                    self._lost.add(request)
                    self.on_device_lost(error)
                else:
                    if isinstance(outcome, Failure):
                        on_failure(outcome)
            self._pending.remove(request)

        self._pending.append(request)
        return self._executor.submit(run)

    def flush(self) -> None:
        """Wait until all work that was submitted so far is done."""
        self._executor.submit(lambda: None).result()

    def close(self, timeout: float | None = None) -> None:
        """Cancel the pending requests, and wait up to `timeout` seconds for the thread (None:
        without limit)."""
        for request in list(self._pending):
            if request not in self._lost:
                request.finish_cancelled()
        wait([self._executor.submit(lambda: None)], timeout)
        self._executor.shutdown(wait=False)
