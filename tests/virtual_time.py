"""An event loop whose time is simulated: instead of waiting it skips to the next timer."""

import asyncio
import selectors
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import ParamSpec, TypeVar, TypeVarTuple, Unpack

T = TypeVar("T")
Parameters = ParamSpec("Parameters")
Arguments = TypeVarTuple("Arguments")


class InlineExecutor(Executor):
    """Runs functions in the caller's thread, so they take no simulated time."""

    def submit(
        self, fn: Callable[Parameters, T], /, *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> Future[T]:
        """Call the function now."""
        future: Future[T] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 # it is raised by the future's `result`
            future.set_exception(error)
        return future


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Its time starts at 0 and stands still while a callback is ready.

    Functions for other threads run in this thread, so they take no time. Raises RuntimeError when
    nothing is ready or scheduled, because nothing could ever happen again.
    """

    def __init__(self) -> None:
        self._now = 0.0
        super().__init__(_SkippingSelector(self._skip))

    def time(self) -> float:
        """The simulated seconds since the start."""
        return self._now

    def run_in_executor(
        self,
        executor: Executor | None,
        func: Callable[[Unpack[Arguments]], T],
        *args: *Arguments,
    ) -> asyncio.Future[T]:
        """Call the function now."""
        future: asyncio.Future[T] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 # it is raised where the future is awaited
            future.set_exception(error)
        return future

    def _skip(self, seconds: float) -> None:
        self._now += seconds


class _SkippingSelector(selectors.SelectSelector):
    def __init__(self, skip: Callable[[float], None]) -> None:
        super().__init__()
        self._skip = skip

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("The simulation is stuck: all tasks wait for each other.")
        if timeout > 0:
            self._skip(timeout)
        return super().select(0)
