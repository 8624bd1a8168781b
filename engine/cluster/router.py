"""Sends each request to the replica that its first argument names. Only Ray Serve loads this.

Serve copies the class and the names that it uses into other processes; only modules are not copied,
so what a process shares with its routers must be in another module.
"""

from ray.serve._private.common import ReplicaID
from ray.serve.request_router import PendingRequest, RequestRouter, RunningReplica

from engine.cluster import routable


class TargetRouter(RequestRouter):  # type: ignore[misc] # ray is not typed here
    """The request router of the replicas' deployment."""

    async def choose_replicas(
        self,
        candidate_replicas: list[RunningReplica],
        pending_request: PendingRequest | None = None,
    ) -> list[list[RunningReplica]]:
        """The named replica; without it, the request raises TargetUnavailable."""
        if pending_request is None:
            return [candidate_replicas]
        name = pending_request.args[0]
        target = [replica for replica in candidate_replicas if replica.replica_id.unique_id == name]
        if not target and not pending_request.future.done():
            pending_request.future.set_exception(
                routable.TargetUnavailable(f"{name} is not available.")
            )
        return [target or candidate_replicas]  # with an empty list, Serve would try again

    def update_replicas(self, replicas: list[RunningReplica]) -> None:
        """Called by Serve when replicas have started or begin to stop."""
        super().update_replicas(replicas)
        self._report()

    def on_replica_actor_died(self, replica_id: ReplicaID) -> None:
        """Called by Serve when a request has met a dead replica."""
        super().on_replica_actor_died(replica_id)
        self._report()

    def _report(self) -> None:
        routable.ROUTABLE.change(frozenset(replica.unique_id for replica in self.curr_replicas))
