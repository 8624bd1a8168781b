"""Kill a part of a cluster under load, and measure the seconds until both replicas paint again."""

import random
import time
from collections.abc import Awaitable, Callable
from typing import Final

import psutil

from tests.cluster import Cluster, Monitor, until


async def kill_replica(cluster: Cluster, monitor: Monitor) -> float:
    """Kill one of the replicas, which Ray Serve replaces."""
    victim = random.choice(monitor.replicas)
    psutil.Process(victim.pid).kill()
    return await monitor.until_both_paint(victim.pid)


async def kill_node(cluster: Cluster, monitor: Monitor) -> float:
    """Kill all of the second node, and start it again at once, as its machine may do."""
    [victim] = [replica for replica in monitor.replicas if cluster.is_on_second(replica)]
    cluster.kill_second()
    [survivor] = [replica for replica in monitor.replicas if replica != victim]
    before = monitor.ticks
    started_at = time.monotonic()
    await until(
        lambda: monitor.ticks.get(survivor.pid, 0) > before[survivor.pid],
        "the other replica goes on",
    )
    await cluster.start_second()
    await monitor.until_both_paint(victim.pid)
    return time.monotonic() - started_at


async def kill_controller(cluster: Cluster, monitor: Monitor) -> float:
    """Kill the controller of Ray Serve, which Ray starts again; painting goes on meanwhile."""
    [victim] = cluster.controllers()
    victim.kill()
    seconds = await until(
        lambda: any(controller != victim for controller in cluster.controllers()),
        "there is another controller",
    )
    return seconds + await monitor.until_both_paint()


KILLS: Final[dict[str, Callable[[Cluster, Monitor], Awaitable[float]]]] = {
    "replica": kill_replica,
    "node": kill_node,
    "controller": kill_controller,
}
