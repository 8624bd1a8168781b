"""Statistics of jobs: how many there are and how long they take."""

import msgspec

from bot.db.store import Store
from bot.domain.job import Status


class QueueStats(msgspec.Struct, frozen=True, kw_only=True):
    """The jobs that are not delivered, now."""

    waiting: int
    """Accepted or queued."""
    running: int
    undelivered: int
    """Ended."""
    oldest_at: float | None
    """When the oldest waiting job was created: seconds since 1970; None if none waits."""


class PeriodStats(msgspec.Struct, frozen=True, kw_only=True):
    """The jobs that ended since some time."""

    endings: dict[Status, int]
    median_seconds: float | None
    """From the request to the delivery, which may wait for enlarged pictures, of the done jobs that
    are delivered; None if there are none."""


class StatsStore(Store):
    """Reads `jobs`, and writes nothing."""

    async def queue(self) -> QueueStats:
        """The unfinished and undelivered jobs."""
        (row,) = await self._connection.fetch_all(
            "SELECT count(*) FILTER (WHERE status IN ('accepted', 'queued')) AS waiting, "
            "count(*) FILTER (WHERE status = 'running') AS running, "
            "min(created_at) FILTER (WHERE status IN ('accepted', 'queued')) AS oldest_at, "
            "(SELECT count(*) FROM jobs WHERE ended_at IS NOT NULL AND delivered_at IS NULL) "
            "AS undelivered FROM jobs WHERE ended_at IS NULL"
        )
        return QueueStats(
            waiting=row["waiting"],
            running=row["running"],
            undelivered=row["undelivered"],
            oldest_at=row["oldest_at"],
        )

    async def since(self, start: float) -> PeriodStats:
        """The jobs that ended at `start` (seconds since 1970) or later."""
        endings = await self._connection.fetch_all(
            "SELECT status, count(*) AS jobs FROM jobs WHERE ended_at >= ? GROUP BY status", start
        )
        [median] = await self._connection.fetch_all(
            "SELECT avg(seconds) AS seconds FROM ("
            "SELECT delivered_at - created_at AS seconds, "
            "row_number() OVER (ORDER BY delivered_at - created_at) AS position, "
            "count(*) OVER () AS jobs FROM jobs "
            "WHERE ended_at >= ? AND status = 'done' AND delivered_at IS NOT NULL"
            ") WHERE position IN ((jobs + 1) / 2, (jobs + 2) / 2)",
            start,
        )
        return PeriodStats(
            endings={Status(row["status"]): row["jobs"] for row in endings},
            median_seconds=median["seconds"],
        )
