"""The base class of the stores: their tables, and the erasure of jobs from them."""

from collections.abc import Mapping
from typing import ClassVar

import aiosqlite
import msgspec

from bot.db.connection import SqliteConnection
from bot.domain.job import DeletionReason


class Erasure(msgspec.Struct, frozen=True, kw_only=True):
    """Ended jobs whose user data is deleted in one transaction."""

    job_ids: str
    """A JSON array; in SQL, its elements are (SELECT value FROM json_each(:job_ids))."""
    reason: DeletionReason
    now: float


class Store:
    """A group of tables that no other store writes."""

    erased_tables: ClassVar[tuple[str, ...]] = ()
    """Those whose rows of a job `erase_jobs` deletes or makes anonymous."""
    retained_tables: ClassVar[Mapping[str, str]] = {}
    """The others, each with the reason why erasing a job leaves its rows."""

    def __init__(self, connection: SqliteConnection) -> None:
        self._connection = connection

    async def erase_jobs(self, db: aiosqlite.Connection, erasure: Erasure) -> None:
        """Erase these jobs from `erased_tables`. By default the store has no such table."""

    async def erase_user_rows(self, db: aiosqlite.Connection, user_id: int) -> None:
        """Erase what a user has besides jobs. By default the store has no such rows."""

    async def expire(self, db: aiosqlite.Connection, now: float) -> None:
        """Delete rows that have served their purpose. By default they stay."""
