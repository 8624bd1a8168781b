"""The two deployments of Ray Serve: replicas and their gateway. Only Ray Serve loads this."""

import asyncio
import importlib
import json
import os
import socket
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import ray
from ray import serve

from engine.cluster.gateway import Gateway
from engine.cluster.routable import ROUTABLE
from engine.cluster.serve_calls import ServeCalls
from engine.contract import PROTOCOL_VERSION
from engine.core.process import load_warm_models, require_packages
from engine.log.environment import configure_from_environment
from engine.server.session import call_threadsafe

if TYPE_CHECKING:
    from engine.cluster.replica import Replica


class ReplicaDeployment:
    """Makes a Replica callable. The first argument of most methods is the name of the replica that
    is called, which TargetRouter reads."""

    def __init__(self, models: str | None, checkers: str | None) -> None:
        """Load the models. Raises EngineError."""
        configure_from_environment()
        # Torch is imported here, not where the deployment is built.
        module = require_packages(lambda: importlib.import_module("engine.cluster.replica"))
        loaded = load_warm_models(models, checkers=checkers)
        self._replica: Replica = module.Replica(loaded, _node_address(), lambda: os._exit(1))

    async def paint(
        self, _: str, call: str, job: bytes, files: dict[str, bytes]
    ) -> AsyncIterator[bytes]:
        """See Replica."""
        async for events in self._replica.paint(call, job, files):
            yield events

    async def cancel(self, _: str, call: str) -> None:
        """See Replica."""
        self._replica.cancel(call)

    async def report(self, _: str, note: bytes) -> bytes:
        """See Replica."""
        return self._replica.report(note)

    async def check_health(self) -> None:
        """Called by Serve, which replaces a replica whose check fails."""
        self._replica.check_health()

    async def record_autoscaling_stats(self) -> dict[str, float]:
        """Called by Serve, for `autoscaling.policy`."""
        return self._replica.autoscaling_stats()

    async def __del__(self) -> None:
        """Called by Serve when the last request has ended."""
        if hasattr(self, "_replica"):
            await asyncio.to_thread(self._replica.close)


class GatewayDeployment:
    """The one gateway of a cluster."""

    async def __init__(  # type: ignore[misc] # Serve awaits it
        self, host: str, port: int, replicas: tuple[str, str], drain_seconds: float
    ) -> None:
        """Listen for bots; `replicas` is the deployment and the application of the replicas."""
        configure_from_environment()
        self._address = host, port
        handle = serve.get_deployment_handle(*replicas, _check_exists=False)
        token = os.environ.get("IMAGINE_ENGINE_TOKEN") or os.environ.get("RAY_AUTH_TOKEN", "")
        self._gateway = Gateway(ServeCalls(handle), token, drain_seconds=drain_seconds)
        loop = asyncio.get_running_loop()
        set_routable = self._gateway.replicas.set_routable
        ROUTABLE.listen(lambda names: call_threadsafe(loop, set_routable, names))
        listener = socket.create_server((host, port), reuse_port=True)
        await self._gateway.listen(listener)

    async def describe(self) -> str:
        """What `status` and `deploy` need to know, as JSON."""
        replicas = self._gateway.replicas
        heartbeat = replicas.heartbeat()
        return json.dumps(
            {
                "host": self._address[0],
                "port": self._address[1],
                "version": PROTOCOL_VERSION,
                "pid": os.getpid(),
                "waiting": replicas.waiting,
                "problems": replicas.problems,
                "replicas": [
                    {
                        "name": replica.name,
                        "node": replica.node,
                        "pid": replica.pid,
                        "fingerprint": replica.fingerprint,
                        "is_draining": replica.is_draining,
                        "painting": replica.heartbeat.painting,
                        "waiting": replica.heartbeat.waiting,
                        "ticks": replica.heartbeat.ticks,
                        "memory": replica.heartbeat.memory,
                        "peak_memory": replica.heartbeat.peak_memory,
                        "resident": replica.heartbeat.resident,
                    }
                    for replica in heartbeat.replicas or ()
                ],
            }
        )

    async def __del__(self) -> None:
        """Called by Serve before the process ends."""
        if hasattr(self, "_gateway"):
            await self._gateway.close()


def _node_address() -> str:
    """The address of this machine in the cluster."""
    node_id = ray.get_runtime_context().get_node_id()
    nodes = {node["NodeID"]: str(node["NodeManagerAddress"]) for node in ray.nodes()}
    return nodes[node_id]
