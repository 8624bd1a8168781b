"""A cluster that takes the tests of the protocol: its gateway and one replica, in this process.

Only Ray is missing: the gateway calls the replica directly, with messages that are encoded and
decoded as they are on the way through Ray.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import ExitStack, aclosing, asynccontextmanager, contextmanager
from typing import Final

import pytest

from bot.engine_client.socket_client import Endpoint
from engine.cluster import placement
from engine.cluster import replica as replica_module
from engine.cluster.gateway import Gateway
from engine.cluster.messages import (
    GatewayNote,
    ReplicaReport,
    decode_events,
    decode_report,
    encode_note,
    encode_paint,
)
from engine.cluster.replica import Replica
from engine.contract import Event, Heartbeat, Paint
from engine.core.engine_core import MAX_RUNNING, EngineCore
from engine.server.socket_server import bind
from tests.bot_harness import eventually
from tests.engine_subjects import CORES, RealSubject, Subject
from tests.fake_server import TOKEN

REPLICA: Final = "replica"
DRAIN_SECONDS: Final = 20.0


class LocalCalls:
    """ReplicaCalls to one replica in this process."""

    def __init__(self, replica: Replica) -> None:
        self._replica = replica

    async def paint(
        self, name: str, call: str, job: Paint, files: Mapping[str, bytes]
    ) -> AsyncGenerator[list[Event], None]:
        """See ReplicaCalls."""
        assert name == REPLICA
        async with aclosing(self._replica.paint(call, encode_paint(job), dict(files))) as batches:  # type: ignore[type-var]
            async for data in batches:
                yield decode_events(data)

    async def cancel(self, name: str, call: str) -> None:
        """See ReplicaCalls."""
        assert name == REPLICA
        self._replica.cancel(call)

    async def report(self, name: str, note: GatewayNote) -> ReplicaReport:
        """See ReplicaCalls."""
        assert name == REPLICA
        return decode_report(self._replica.report(encode_note(note)))


class ClusterSubject(RealSubject):
    """A gateway on a port, whose replica has the engine core of RealSubject."""

    def __init__(self, core: EngineCore, max_running: int, stack: ExitStack) -> None:
        super().__init__(core, max_running, stack)
        stack.enter_context(_replica_pictures(max_running))
        stack.enter_context(self._as_the_worker())

    async def start(self) -> None:
        """Listen on a free port; returns when the gateway knows the replica."""
        self._replica = Replica([self._core.model], "127.0.0.1")
        self._gateway = Gateway(LocalCalls(self._replica), TOKEN, drain_seconds=DRAIN_SECONDS)
        self._gateway.replicas.set_routable([REPLICA])
        listener = bind(0)
        await self._gateway.listen(listener)
        self.endpoint = Endpoint("127.0.0.1", listener.getsockname()[1], TOKEN)
        self._is_running = True
        await eventually(lambda: self._gateway.replicas.members)

    @property
    def unfinished(self) -> int:
        """The number of jobs that run or wait, in the gateway or in the replica."""
        replicas = self._gateway.replicas
        in_gateway = replicas.waiting + sum(len(member.jobs) for member in replicas.members)
        return max(in_gateway, super().unfinished)

    @property
    def heartbeat(self) -> Heartbeat:
        """That of the replica's core."""
        return self._worker.heartbeat()

    async def stop(self) -> None:
        """Shut down, as the two deployments do."""
        if self._is_running:
            self._is_running = False
            await self._gateway.close()
            self.release()
            await asyncio.to_thread(self._replica.close)
            self.check_errors()

    @contextmanager
    def _as_the_worker(self) -> Iterator[None]:
        """Let the replica have the worker that the tests hold."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(replica_module, "start_worker", lambda *_: self._worker)
            yield


@contextmanager
def _replica_pictures(max_running: int) -> Iterator[None]:
    """Let the gateway send no more jobs than the core runs, so that the others wait there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(placement, "REPLICA_PICTURES", max_running)
        yield


@asynccontextmanager
async def start_cluster(
    max_running: int = MAX_RUNNING, checker: str = "harmless"
) -> AsyncIterator[Subject]:
    """The cluster, whose checker finds all images `harmless`, `flagged` or `unchecked`."""
    with ExitStack() as stack:
        subject = ClusterSubject(CORES[checker](), max_running, stack)
        await subject.start()
        try:
            yield subject
        finally:
            await subject.stop()
