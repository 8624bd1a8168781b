"""How the gateway calls replicas."""

from collections.abc import AsyncGenerator, Mapping
from typing import Protocol

from engine.cluster.messages import GatewayNote, ReplicaReport
from engine.contract import Event, Paint


class ReplicaDied(Exception):
    """The replica's process died or cannot be reached."""


class ReplicaUnavailable(Exception):
    """The replica has not got the call: it is stopping, or no longer known."""


class ReplicaCalls(Protocol):
    """Calls a replica by its name. All calls raise ReplicaDied and ReplicaUnavailable."""

    def paint(
        self, name: str, call: str, job: Paint, files: Mapping[str, bytes]
    ) -> AsyncGenerator[list[Event], None]:
        """Start a job, as a call with this unique name: its events up to its last one, and
        heartbeats of the replica.

        A generator that is closed early cancels the job.
        """

    async def cancel(self, name: str, call: str) -> None:
        """End the job of a call before the next forward pass; an unknown one is ignored."""

    async def report(self, name: str, note: GatewayNote) -> ReplicaReport:
        """The replica's description of itself. Raises OtherVersion."""
