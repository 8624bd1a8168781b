"""What people had of the engine: counted against their day, and learned from."""

from typing import Final

import aiosqlite
import msgspec

from bot.db.database import SqliteConnection
from bot.db.tables import Table
from bot.domain.cost_model import Sample
from bot.domain.quota import DAY, Usage

_MAX_SAMPLES: Final = 50
"""The newest charges of a model tell what its jobs cost."""


class UsageRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What one attempt of a job took."""

    job_id: str
    attempt: int
    user_id: int
    seconds: float
    created_at: float
    revision: str
    """Of the model."""
    pixels: int
    """Of one picture."""
    work: float | None
    """That took those seconds; None if it was stopped."""


USAGE: Final = Table(
    "charges",
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


class UsageStore:
    """A part of the record."""

    def __init__(self, record: SqliteConnection) -> None:
        self._record = record

    async def add(self, record: UsageRecord) -> None:
        """Count this, once."""
        async with self._record.transaction() as connection:
            await add(connection, record)

    async def for_user(self, user_id: int, *, now: float) -> list[Usage]:
        """What this person had in the last 24 hours."""
        found = await self._record.fetch_all(
            "SELECT at, seconds FROM charges WHERE person = ? AND at > ? AND at <= ? ORDER BY at",
            user_id,
            now - DAY,
            now,  # what is of later was charged by a clock that was wrong
        )
        return [Usage(row["at"], row["seconds"]) for row in found]

    async def cost_samples(self, revision: str) -> list[Sample]:
        """What the newest jobs of this model took."""
        found = await self._record.fetch_all(
            "SELECT pixels, work, seconds FROM charges WHERE revision = ? AND work IS NOT NULL "
            "ORDER BY at DESC LIMIT ?",
            revision,
            _MAX_SAMPLES,
        )
        return [Sample(row["pixels"], row["work"], row["seconds"]) for row in found]


async def add(connection: aiosqlite.Connection, record: UsageRecord) -> None:
    """Count this, once."""
    await connection.execute(USAGE.insert_sql("ON CONFLICT DO NOTHING"), USAGE.to_row(record))
    await connection.execute(
        "UPDATE charges SET job = lower(hex(randomblob(12))) "  # it was deleted in the meantime
        "WHERE job IN (SELECT id FROM jobs WHERE id = ? AND erased IS NOT NULL)",
        (record.job_id,),
    )
