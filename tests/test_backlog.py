"""When the bot reports its queue to a cluster, in simulated time."""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec

from bot.aio import background
from bot.domain.limits import Limits
from bot.engine_client.base import EngineStatus
from bot.services.backlog import BacklogReporter
from bot.services.scheduler import Schedule
from engine.contract import Backlog
from tests.samples import job
from tests.simulated_engine import SimulatedEngine
from tests.virtual_time import VirtualTimeLoop


class Cluster(SimulatedEngine):
    """Records the reports."""

    def __init__(self, *, is_cluster: bool = True) -> None:
        super().__init__()
        self.reports: list[tuple[float, Backlog]] = []
        """With the times when they came."""
        self._is_cluster = is_cluster

    @property
    def status(self) -> EngineStatus:
        """Connected."""
        return msgspec.structs.replace(super().status, is_cluster=self._is_cluster)

    async def report_backlog(self, backlog: Backlog) -> None:
        """Record it."""
        self.reports.append((asyncio.get_running_loop().time(), backlog))


def reports(
    change: Callable[[BacklogReporter], Awaitable[None]], *, is_cluster: bool = True
) -> list[tuple[float, int, float]]:
    """The time of each report, its number of jobs, and the age of the oldest."""
    cluster = Cluster(is_cluster=is_cluster)

    async def run() -> None:
        clock = asyncio.get_running_loop().time
        reporter = BacklogReporter(cluster, Schedule(Limits()), clock)
        async with background(reporter.run()):
            await change(reporter)

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(run())
    return [(at, backlog.jobs, backlog.oldest) for at, backlog in cluster.reports]


QUEUE = [job(f"j{nth}", created_at=0.5 * nth) for nth in range(5)]


async def grow(reporter: BacklogReporter) -> None:
    """A job every 0.45 s, and none after the fifth."""
    for nth in range(5):
        reporter.update(QUEUE[: nth + 1])
        await asyncio.sleep(0.45)
    reporter.update([])
    await asyncio.sleep(60)


def test_reports_have_a_pause() -> None:
    """What changes meanwhile is one report; an empty queue is reported once."""
    assert reports(grow) == [(0.0, 1, 0.0), (2.0, 5, 2.0), (4.0, 0, 0.0)]


async def stay(reporter: BacklogReporter) -> None:
    """A queue that does not change for half a minute."""
    reporter.update(QUEUE[:2])
    await asyncio.sleep(30)


def test_a_queue_that_does_not_change_grows_older() -> None:
    """So it is reported again."""
    assert reports(stay) == [(0.0, 2, 0.0), (12.0, 2, 12.0), (24.0, 2, 24.0)]


def test_a_single_engine_gets_no_reports() -> None:
    """It cannot grow."""
    assert reports(grow, is_cluster=False) == reports(stay, is_cluster=False) == []
