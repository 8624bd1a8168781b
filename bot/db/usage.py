"""How many engine seconds each job used: for quotas and for the cost model."""

from typing import Final

import aiosqlite
import msgspec

from bot.db.store import Erasure, Store
from bot.db.tables import Table
from bot.domain.clock import DAY
from bot.domain.cost_model import Sample
from bot.domain.quota import Usage

_MAX_SAMPLES: Final = 50
"""The newest records of a model are samples of what its jobs cost."""


class UsageRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What one attempt of a job used."""

    job_id: str
    attempt: int
    user_id: int
    seconds: float
    """Of the engine."""
    created_at: float
    """Seconds since 1970."""
    revision: str
    """Of the model."""
    pixels: int
    """Of one picture."""
    work: float | None
    """As in `cost_model.work`; None if the job was cancelled or has several models or sizes."""


USAGE: Final = Table(
    "usage",
    UsageRecord,
    {
        "job_id": "job",
        "attempt": "attempt",
        "user_id": "person",
        "seconds": "seconds",
        "created_at": "at",
        "revision": "revision",
        "pixels": "pixels",
        "work": "work",
    },
)


class UsageStore(Store):
    """Writes the table `usage`."""

    erased_tables = ("usage",)

    async def add(self, record: UsageRecord) -> None:
        """Store a record; does nothing if there is one of the same attempt."""
        async with self._connection.transaction() as db:
            await add(db, record)

    async def for_user(self, user_id: int, *, now: float) -> list[Usage]:
        """What this user used in the last 24 hours."""
        rows = await self._connection.fetch_all(
            "SELECT at, seconds FROM usage WHERE person = ? AND at > ? AND at <= ? ORDER BY at",
            user_id,
            now - DAY,
            now,  # later records are from a clock that was wrong
        )
        return [Usage(row["at"], row["seconds"]) for row in rows]

    async def cost_samples(self, revision: str) -> list[Sample]:
        """What the newest jobs of this model used."""
        rows = await self._connection.fetch_all(
            "SELECT pixels, work, seconds FROM usage WHERE revision = ? AND work IS NOT NULL "
            "ORDER BY at DESC LIMIT ?",
            revision,
            _MAX_SAMPLES,
        )
        return [Sample(row["pixels"], row["work"], row["seconds"], revision) for row in rows]

    async def erase_jobs(self, db: aiosqlite.Connection, erasure: Erasure) -> None:
        """Make the records anonymous: they count against the quota, but of no known job."""
        await db.execute(
            "UPDATE usage SET job = lower(hex(randomblob(12))) "
            "WHERE job IN (SELECT value FROM json_each(:job_ids))",
            {"job_ids": erasure.job_ids},
        )

    async def expire(self, db: aiosqlite.Connection, now: float) -> None:
        """Delete records older than a day; those of the future, by a wrong clock, become new."""
        await db.execute("DELETE FROM usage WHERE at <= ?", (now - DAY,))
        await db.execute("UPDATE usage SET at = :now WHERE at > :now", {"now": now})


async def refund(db: aiosqlite.Connection, job_id: str) -> None:
    """Let nobody pay for a job, in a transaction of the caller. The records stay as samples."""
    await db.execute("UPDATE usage SET person = 0 WHERE job = ?", (job_id,))


async def add(db: aiosqlite.Connection, record: UsageRecord) -> None:
    """Store a record, in a transaction of the caller."""
    await db.execute(USAGE.insert_sql("ON CONFLICT DO NOTHING"), USAGE.to_row(record))
    await db.execute(
        "UPDATE usage SET job = lower(hex(randomblob(12))) "  # it was erased meanwhile
        "WHERE job IN (SELECT id FROM jobs WHERE id = ? AND erased IS NOT NULL)",
        (record.job_id,),
    )
