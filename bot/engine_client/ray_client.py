"""Clusters of engines on Ray Serve: one that runs while the bot does, and one that runs by itself.

The bot does not load Ray. Ray's own client cannot stream what a replica paints, and it ends the
process if the cluster is away for a minute. So the cluster has a gateway, which speaks the protocol
of a single engine: `SocketEngineClient` and `EngineSupervisor` serve both.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final

from bot.engine_client.process import spawn_engine
from bot.engine_client.socket_client import Endpoint

START_SECONDS: Final = 300.0
"""Ray, its controller and each replica are processes that start one after the other."""
_STOP_SECONDS: Final = 20.0
_PATIENCE: Final = 15.0
"""Seconds for a gateway to answer."""


def spawn_cluster(
    environment: Mapping[str, str], replicas: int | None
) -> AbstractAsyncContextManager[Endpoint]:
    """Start a cluster on this machine, wait until its replicas are ready, and stop it on exit.

    None is one replica for each GPU, or one without GPUs. Raises EngineStartFailed with the last
    line of its log.
    """
    arguments = ["cluster", "up", "--parent", "--listen", "127.0.0.1:0"]
    if replicas is not None:
        arguments += ["--replicas", str(replicas)]
    return spawn_engine(environment, arguments, stop_seconds=_STOP_SECONDS)


@asynccontextmanager
async def running_cluster(host: str, port: int, token: str) -> AsyncIterator[Endpoint]:
    """The gateway of a cluster that goes on when the bot stops."""
    yield Endpoint(host, port, token, _PATIENCE, is_remote=True)
