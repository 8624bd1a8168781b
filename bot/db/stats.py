"""How the jobs are doing, in numbers."""

import msgspec

from bot.db.database import SqliteConnection
from bot.domain.job import Status


class QueueStats(msgspec.Struct, frozen=True, kw_only=True):
    """The jobs that are not done with, now."""

    waiting: int
    """For their sketch or their turn."""
    running: int
    undelivered: int
    """Ended, but nobody has seen it."""
    oldest_at: float | None
    """When the one that waits longest was asked for: seconds since 1970; None if none waits."""


class PeriodStats(msgspec.Struct, frozen=True, kw_only=True):
    """The jobs that ended since a moment."""

    endings: dict[Status, int]
    median_seconds: float | None
    """Seconds from the request to the pictures' being shown, of those that have been; None if there
    are none."""


class StatsStore:
    """Counts what is in the record."""

    def __init__(self, record: SqliteConnection) -> None:
        self._record = record

    async def queue(self) -> QueueStats:
        """What there is to do."""
        (row,) = await self._record.fetch_all(
            "SELECT count(*) FILTER (WHERE status IN ('accepted', 'queued')) AS waiting, "
            "count(*) FILTER (WHERE status = 'running') AS running, "
            "min(created_at) FILTER (WHERE status IN ('accepted', 'queued')) AS oldest, "
            "(SELECT count(*) FROM jobs WHERE ended_at IS NOT NULL AND delivered_at IS NULL) "
            "AS undelivered FROM jobs WHERE ended_at IS NULL"
        )
        return QueueStats(
            waiting=row["waiting"],
            running=row["running"],
            undelivered=row["undelivered"],
            oldest_at=row["oldest"],
        )

    async def since(self, start: float) -> PeriodStats:
        """What ended at this moment (seconds since 1970) or later."""
        counted = await self._record.fetch_all(
            "SELECT status, count(*) AS jobs FROM jobs WHERE ended_at >= ? GROUP BY status", start
        )
        middle = await self._record.fetch_all(
            "SELECT avg(seconds) AS median FROM ("
            "SELECT delivered_at - created_at AS seconds, "
            "row_number() OVER (ORDER BY delivered_at - created_at) AS place, "
            "count(*) OVER () AS jobs FROM jobs "
            "WHERE ended_at >= ? AND status = 'done' AND delivered_at IS NOT NULL"
            ") WHERE place IN ((jobs + 1) / 2, (jobs + 2) / 2)",
            start,
        )
        return PeriodStats(
            endings={Status(row["status"]): row["jobs"] for row in counted},
            median_seconds=middle[0]["median"],
        )
