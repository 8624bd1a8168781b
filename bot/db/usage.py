"""What people had of the engine: counted against their day, and learned from."""

from typing import Final

import aiosqlite
import msgspec

from bot.db.database import Record
from bot.db.tables import Table
from bot.domain.cost_model import Sample
from bot.domain.quota import DAY, Use

_LEARNED_FROM: Final = 50
"""The newest charges of a model tell what its jobs cost."""


class Charge(msgspec.Struct, frozen=True, kw_only=True):
    """What one attempt of a job took."""

    job: str
    attempt: int
    person: int
    seconds: float
    at: float
    revision: str
    """Of the model."""
    pixels: int
    """Of one picture."""
    work: float | None
    """That took those seconds; None if it was stopped."""


CHARGES: Final = Table(
    "charges",
    Charge,
    {
        "job": "job",
        "attempt": "attempt",
        "person": "person",
        "seconds": "seconds",
        "at": "at",
        "revision": "revision",
        "pixels": "pixels",
        "work": "work",
    },
)


class Charges:
    """A part of the record."""

    def __init__(self, record: Record) -> None:
        self._record = record

    async def add(self, charge: Charge) -> None:
        """Count this, once."""
        async with self._record.transaction() as connection:
            await add(connection, charge)

    async def of(self, person: int, *, now: float) -> list[Use]:
        """What this person had in the last 24 hours."""
        found = await self._record.rows(
            "SELECT at, seconds FROM charges WHERE person = ? AND at > ? AND at <= ? ORDER BY at",
            person,
            now - DAY,
            now,  # what is of later was charged by a clock that was wrong
        )
        return [Use(row["at"], row["seconds"]) for row in found]

    async def samples(self, revision: str) -> list[Sample]:
        """What the newest jobs of this model took."""
        found = await self._record.rows(
            "SELECT pixels, work, seconds FROM charges WHERE revision = ? AND work IS NOT NULL "
            "ORDER BY at DESC LIMIT ?",
            revision,
            _LEARNED_FROM,
        )
        return [Sample(row["pixels"], row["work"], row["seconds"]) for row in found]


async def add(connection: aiosqlite.Connection, charge: Charge) -> None:
    """Count this, once."""
    await connection.execute(CHARGES.insert_sql("ON CONFLICT DO NOTHING"), CHARGES.to_row(charge))
    await connection.execute(
        "UPDATE charges SET job = lower(hex(randomblob(12))) "  # it was deleted in the meantime
        "WHERE job IN (SELECT id FROM jobs WHERE id = ? AND erased IS NOT NULL)",
        (charge.job,),
    )
