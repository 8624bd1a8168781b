"""The engines that take the tests of the protocol: the fake one, and the server with a tiny model.

Both run in this process, so that a test can hold them in the middle of a job. The third one, the
gateway of a cluster, is in cluster_subject.py.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    ExitStack,
    asynccontextmanager,
    contextmanager,
)
from types import MappingProxyType
from typing import Final, Protocol

import torch

from bot.engine_client.socket_client import Endpoint
from engine.contract import Backend, ModelCard, Ready
from engine.core.engine_core import MAX_RUNNING, EngineCore
from engine.core.worker import Worker
from engine.errors import EngineError
from engine.server.connection_handler import ConnectionHandler
from engine.server.socket_server import bind
from tests import tiny_model
from tests.engine_parts import before_each_pass, engine_core, new_engine_core
from tests.fake_engine import FakeEngine
from tests.fake_server import TOKEN

HOLD_SECONDS: Final = 20.0
"""After this time a held engine goes on, so that a failed test ends."""
SIZE: Final = (64, 64)
ROW_CLASS: Final = 2
ALL: Final = frozenset({1, 2, 3, 4})


class Subject(Protocol):
    """A running engine."""

    endpoint: Endpoint

    @property
    def model(self) -> ModelCard:
        """The card of its model."""

    @property
    def unfinished(self) -> int:
        """The number of jobs that run or wait, of all connections."""

    def hold(self) -> None:
        """Stop after the next step of one picture, until `release`."""

    def release(self) -> None:
        """Go on with all jobs."""

    def overflow(self, *numbers: int) -> None:
        """Let these pictures of the next job fail, counted from 1 as they are decoded."""

    def fail(self) -> AbstractAsyncContextManager[None]:
        """Let all jobs fail while the body runs."""

    async def stop(self) -> None:
        """Shut down, also in the middle of jobs."""


class FakeSubject:
    """The fake engine."""

    def __init__(
        self, fake: FakeEngine, endpoint: Endpoint, stop: Callable[[], Awaitable[None]]
    ) -> None:
        self.endpoint = endpoint
        self._fake = fake
        self._stop = stop

    @property
    def model(self) -> ModelCard:
        """The card of its model."""
        return self._fake.model

    @property
    def unfinished(self) -> int:
        """The number of jobs that run or wait."""
        return self._fake.unfinished

    def hold(self) -> None:
        """Stop after the next step."""
        self._fake.gate.clear()

    def release(self) -> None:
        """Go on with all jobs."""
        self._fake.gate.set()

    def overflow(self, *numbers: int) -> None:
        """Let these pictures fail."""
        self._fake.overflowing = set(numbers)

    @asynccontextmanager
    async def fail(self) -> AsyncIterator[None]:
        """Let all jobs fail while the body runs."""
        self._fake.failure = "The engine failed (RuntimeError); its log has the details."
        yield
        self._fake.failure = None

    async def stop(self) -> None:
        """Shut down."""
        await self._stop()


class RealSubject:
    """The server on a port, with a tiny model."""

    def __init__(self, core: EngineCore, max_running: int, stack: ExitStack) -> None:
        """`stack` restores the model, which tests share."""
        with torch.inference_mode():  # it would count as a forward pass
            core.model.is_batch_invariant(*SIZE, ROW_CLASS)
        self._fatal_errors: list[EngineError] = []
        self._core = new_engine_core(core.model, max_running=max_running)
        self._worker = Worker(self._core, self._fatal_errors.append)
        self._handler = ConnectionHandler(self._worker, Ready((core.model.card,)), TOKEN)
        self._goes_on = threading.Event()
        self._goes_on.set()
        self._free_passes = 0
        self._raises = False
        self._overflowing: set[int] = set()
        self._decoded = 0
        stack.enter_context(before_each_pass(self._core, self._before_pass))
        stack.enter_context(self._overflowing_decoder())
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen on a free port."""
        listener = bind(0)
        self._server = await asyncio.start_server(self._handler.handle, sock=listener)
        self.endpoint = Endpoint("127.0.0.1", listener.getsockname()[1], TOKEN)

    @property
    def model(self) -> ModelCard:
        """The card of its model."""
        return self._core.model.card

    @property
    def unfinished(self) -> int:
        """The number of jobs that run or wait."""
        return len(self._core.requests) + self._worker.waiting

    def hold(self) -> None:
        """Stop after the next forward pass."""
        self._free_passes = 1
        self._goes_on.clear()

    def release(self) -> None:
        """Go on with all jobs."""
        self._goes_on.set()

    def overflow(self, *numbers: int) -> None:
        """Let these pictures of the next job fail, as they are decoded."""
        self._overflowing, self._decoded = set(numbers), 0

    @asynccontextmanager
    async def fail(self) -> AsyncIterator[None]:
        """Let all forward passes fail while the body runs."""
        self._raises = True
        yield
        self._raises = False

    async def stop(self) -> None:
        """Shut down, as `serve` does."""
        if self._server is not None:
            self._server.close()
            self._server = None
            await self._handler.close()
            self.release()
            await asyncio.to_thread(self._worker.close)
            self.check_errors()

    def check_errors(self) -> None:
        """Assert that the core was able to continue."""
        assert not self._fatal_errors

    def _before_pass(self, _: torch.Tensor) -> None:
        if self._raises:
            raise RuntimeError("This is not to be painted.")
        if self._free_passes:
            self._free_passes -= 1
        else:
            self._goes_on.wait(HOLD_SECONDS)

    @contextmanager
    def _overflowing_decoder(self) -> Iterator[None]:
        model = self._core.model
        decode = model.decode_latents

        def decode_or_overflow(latents: torch.Tensor, *backend: Backend) -> object:
            self._decoded += 1
            overflows = self._decoded in self._overflowing
            return decode(latents * torch.nan if overflows else latents, *backend)

        model.decode_latents = decode_or_overflow  # type: ignore[method-assign, assignment]
        try:
            yield
        finally:
            del model.decode_latents


CORES: Final[Mapping[str, Callable[[], EngineCore]]] = MappingProxyType({
    "harmless": engine_core,
    "flagged": lambda: engine_core(tiny_model.ALWAYS),
    "unchecked": lambda: engine_core(change=tiny_model.break_checker),
})  # fmt: skip
"""Engine cores by what their checker finds."""


@asynccontextmanager
async def start_fake(
    max_running: int = MAX_RUNNING, checker: str = "harmless"
) -> AsyncIterator[Subject]:
    """The fake engine, whose checker finds all images `harmless`, `flagged` or `unchecked`."""
    fake = FakeEngine(max_running=max_running)
    if checker != "harmless":
        fake.flags_init_image = True
        fake.flagged, fake.unchecked = set(ALL), set(ALL if checker == "unchecked" else ())
    async with AsyncExitStack() as stack:
        endpoint = await stack.enter_async_context(fake.launch())
        yield FakeSubject(fake, endpoint, stack.aclose)


@asynccontextmanager
async def start_real(
    max_running: int = MAX_RUNNING, checker: str = "harmless"
) -> AsyncIterator[Subject]:
    """The server, whose checker finds all images `harmless`, `flagged` or `unchecked`."""
    with ExitStack() as stack:
        subject = RealSubject(CORES[checker](), max_running, stack)
        await subject.start()
        try:
            yield subject
        finally:
            await subject.stop()


StartEngine = Callable[..., AbstractAsyncContextManager[Subject]]
"""`start_fake`, `start_real` or `cluster_subject.start_cluster`."""
