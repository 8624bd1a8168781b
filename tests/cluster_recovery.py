"""`python -m tests.cluster_recovery`: measure how long a cluster takes to recover from a kill.

It starts two nodes on this machine with a replica on each, keeps jobs in flight, and prints a table
of the seconds until both replicas paint again.
"""

import argparse
import asyncio
import random
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, NamedTuple

from bot.engine_client.base import EngineDied
from bot.engine_client.socket_client import SocketEngineClient
from engine.contract import Completed, ModelCard
from tests import tiny_model
from tests.cluster import Cluster, client_of, monitored
from tests.cluster_kills import KILLS
from tests.engine_wire import job

IN_FLIGHT: Final = 8
STEPS: Final = 40


class _Model(NamedTuple):
    model: ModelCard


@asynccontextmanager
async def load(client: SocketEngineClient) -> AsyncIterator[None]:
    """Jobs in flight while the body runs; what dies is sent again as another attempt."""

    async def submit_each(nth: int) -> None:
        attempt = 0
        while True:
            attempt += 1
            seeds = random.sample(range(1000), 4)
            paint = job(_Model(client.model), f"job {nth}", *seeds, steps=STEPS, attempt=attempt)
            try:
                assert isinstance(await client.submit(paint, lambda _: None), Completed)
            except EngineDied:
                continue

    tasks = [asyncio.create_task(submit_each(nth)) for nth in range(IN_FLIGHT)]
    try:
        yield
        for task in tasks:
            assert not task.done(), task.exception()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def measure(folder: Path, times: int) -> dict[str, list[float]]:
    """Seconds of each recovery, by what was killed."""
    model = tiny_model.save(folder / "model")
    seconds: dict[str, list[float]] = {victim: [] for victim in KILLS}
    async with (
        Cluster(folder, model) as cluster,
        monitored(cluster) as monitor,
        client_of(cluster.endpoint) as client,
        load(client),
    ):
        for _ in range(times):
            for victim, kill in KILLS.items():
                await monitor.until_both_paint()
                await asyncio.sleep(random.uniform(2.0, 6.0))
                seconds[victim].append(await kill(cluster, monitor))
    return seconds


def main() -> None:
    """Run with the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=5, help="kills of each kind")
    times = parser.parse_args().times
    with tempfile.TemporaryDirectory() as folder:
        results = asyncio.run(measure(Path(folder), times))
    write = sys.stdout.write
    write("| killed | median, s | least | most |\n|---|---|---|---|\n")
    for victim, seconds in results.items():
        median = statistics.median(seconds)
        write(f"| {victim} | {median:.1f} | {min(seconds):.1f} | {max(seconds):.1f} |\n")


if __name__ == "__main__":
    main()
