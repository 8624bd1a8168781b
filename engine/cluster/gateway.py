"""The gateway of a cluster: speaks the engine's protocol to bots, and calls the replicas."""

import asyncio
import socket
from collections.abc import Sequence

import msgspec

from engine.cluster.messages import ReplicaReport
from engine.cluster.replica_calls import ReplicaCalls
from engine.cluster.replica_set import ReplicaSet
from engine.contract import Ready
from engine.errors import UsageError
from engine.server.connection_handler import ConnectionHandler


class Gateway:
    """Offers the models of the replicas to bots, and passes jobs and events on."""

    def __init__(self, calls: ReplicaCalls, token: str, *, drain_seconds: float) -> None:
        """`token` is that of the bots; see ReplicaSet for the others. Raises UsageError if it is
        empty: then everybody could connect."""
        if not token:
            raise UsageError("The gateway has no token; set IMAGINE_ENGINE_TOKEN.")
        self.replicas = ReplicaSet(calls, self._on_change, drain_seconds=drain_seconds)
        self._handler = ConnectionHandler(self.replicas, None, token)
        self._ready: Ready | None = None
        self._server: asyncio.Server | None = None

    async def listen(self, listener: socket.socket) -> None:
        """Serve bots until `close`."""
        self._server = await asyncio.start_server(self._handler.handle, sock=listener)

    async def close(self) -> None:
        """Close all connections, which cancels their jobs."""
        if self._server is not None:
            self._server.close()
        await self._handler.close()
        await self.replicas.close()

    def _on_change(self) -> None:
        reports = [member.report for member in self.replicas.members if member.report is not None]
        if reports:
            report = chosen_report(reports, self._ready)
            self._ready = Ready(
                report.models,
                report.upscalers,
                report.can_film,
                replicas=len(reports),
                text_models=report.text_models,
            )
        elif self._ready is not None:
            self._ready = msgspec.structs.replace(self._ready, replicas=0)
        if self._ready is not None:
            self._handler.offer(self._ready)
        self._handler.send_heartbeats()


def chosen_report(reports: Sequence[ReplicaReport], offered: Ready | None) -> ReplicaReport:
    """The report of the replica whose models are offered to bots.

    They are those of most replicas; of equally many, those that are offered already.
    """
    before = None if offered is None else offered.models

    def rank(report: ReplicaReport) -> tuple[int, bool]:
        same = sum(other.models == report.models for other in reports)
        return same, report.models == before

    return max(reports, key=rank)
