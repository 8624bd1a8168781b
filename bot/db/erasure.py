"""Count, export and erase user data, on request or by age."""

import sqlite3
from collections.abc import AsyncIterator, Sequence
from typing import Final, NamedTuple

import aiosqlite

from bot.db import rows
from bot.db.connection import SqliteConnection
from bot.db.store import Erasure, Store
from bot.domain.clock import DAY
from bot.domain.job import DeletionReason, Job
from bot.domain.picture import Picture
from bot.domain.user_data import REVIEW_DAYS, UserDataSummary

REVIEW_SECONDS: Final = REVIEW_DAYS * DAY
_PAGE_SIZE: Final = 200
_JOBS: Final = (
    f"{rows.JOBS} WHERE id IN (SELECT value FROM json_each(?)) "  # noqa: S608 # ours
    "ORDER BY jobs.rowid"
)
_PICTURES: Final = (
    "SELECT * FROM pictures WHERE job IN (SELECT value FROM json_each(?)) ORDER BY job, nth"
)
_PARENTS: Final = (
    "SELECT DISTINCT job, parent FROM lineage "
    "WHERE job IN (SELECT value FROM json_each(?)) AND relation != 'reroll' ORDER BY nth"
)
_UNDER_REVIEW: Final = (
    "EXISTS (SELECT 1 FROM cases JOIN reports "  # noqa: S608 # ours
    "ON reports.job = cases.job AND reports.guild = cases.guild "
    f"WHERE cases.job = jobs.id AND state = 'open' AND at > :now - {REVIEW_SECONDS})"
)
"""In SQL: moderators have not decided on a report of the job yet."""


class StoredJob(NamedTuple):
    """A job of a user with what was made of it and from what."""

    job: Job
    pictures: list[Picture]
    parents: list[str]
    """The ids of the pictures that it was made from."""


class ErasureStore(Store):
    """Writes the table `erasure_requests`: of jobs that are still under review.

    Each of the other stores erases its own rows. Erased data is gone from the database's files
    after the next checkpoint.
    """

    erased_tables = ("erasure_requests",)

    def __init__(self, connection: SqliteConnection, stores: Sequence[Store]) -> None:
        super().__init__(connection)
        self._stores = (*stores, self)

    async def summary(self, user_id: int, *, now: float) -> UserDataSummary:
        """How much is stored of this user."""
        [row] = await self._connection.fetch_all(
            "SELECT count(*) AS jobs, min(created_at) AS oldest_at, "  # noqa: S608 # ours
            f"count(*) FILTER (WHERE {_UNDER_REVIEW}) AS under_review, "
            "(SELECT count(DISTINCT sha256) FROM job_images JOIN jobs ON jobs.id = job "
            "WHERE jobs.person = :person) AS input_pictures, "
            "(SELECT count(*) FROM pictures JOIN jobs ON jobs.id = job "
            "WHERE jobs.person = :person AND path IS NOT NULL) AS pictures, "
            "(SELECT count(*) FROM preferences WHERE layer = 'user' AND owner = :person) "
            "AS settings, "
            "(SELECT count(*) FROM audit_log WHERE actor = :person OR person = :person) "
            "AS audit_entries, "
            "(SELECT count(*) FROM votes WHERE votes.person = :person) AS votes, "
            "(SELECT count(*) FROM polls WHERE polls.person = :person) AS polls "
            "FROM jobs WHERE person = :person",
            now=now,
            person=user_id,
        )
        return UserDataSummary(
            jobs=row["jobs"],
            pictures=row["pictures"],
            input_pictures=row["input_pictures"],
            under_review=row["under_review"],
            audit_entries=row["audit_entries"],
            votes=row["votes"],
            polls=row["polls"],
            oldest_at=row["oldest_at"],
            settings=row["settings"],
        )

    async def jobs(self, user_id: int) -> AsyncIterator[StoredJob]:
        """All jobs of this user, oldest first."""
        ids = await self._connection.fetch_all(
            "SELECT id FROM jobs WHERE person = ? ORDER BY rowid", user_id
        )
        for start in range(0, len(ids), _PAGE_SIZE):
            page = rows.json([row["id"] for row in ids[start : start + _PAGE_SIZE]])
            pictures: dict[str, list[Picture]] = {}
            for row in await self._connection.fetch_all(_PICTURES, page):
                pictures.setdefault(row["job"], []).append(rows.to_picture(row))
            parents: dict[str, list[str]] = {}
            for row in await self._connection.fetch_all(_PARENTS, page):
                parents.setdefault(row["job"], []).append(row["parent"])
            for row in await self._connection.fetch_all(_JOBS, page):
                job = rows.to_job(row)
                yield StoredJob(job, pictures.get(job.id, []), parents.get(job.id, []))

    async def erase_user(self, user_id: int, *, now: float) -> int:
        """Erase all ended jobs of this user, and what else they have; the number of jobs.

        Jobs under review are listed for `erase_deferred`.
        """
        async with self._connection.transaction() as db:
            for store in self._stores:
                await store.erase_user_rows(db, user_id)
            await db.execute(
                "INSERT OR IGNORE INTO erasure_requests SELECT id FROM jobs "  # noqa: S608 # ours
                f"WHERE person = :person AND ended_at IS NOT NULL AND {_UNDER_REVIEW}",
                {"now": now, "person": user_id},
            )
            jobs = await db.execute_fetchall(
                "SELECT id FROM jobs WHERE person = ? "
                "AND ended_at IS NOT NULL AND id NOT IN (SELECT job FROM erasure_requests)",
                (user_id,),
            )
            return await self._erase(db, list(jobs), DeletionReason.REQUESTED, now)

    async def erase_deferred(self, *, now: float) -> int:
        """Erase the requested jobs that are no longer under review; the number of jobs."""
        async with self._connection.transaction() as db:
            jobs = await db.execute_fetchall(
                "SELECT id FROM jobs "  # noqa: S608 # ours
                f"WHERE id IN (SELECT job FROM erasure_requests) AND NOT {_UNDER_REVIEW}",
                {"now": now},
            )
            return await self._erase(db, list(jobs), DeletionReason.REQUESTED, now)

    async def erase_older_than(self, time: float, *, limit: int, now: float) -> int:
        """Erase up to `limit` delivered jobs that ended before `time`; the number of jobs."""
        async with self._connection.transaction() as db:
            jobs = await db.execute_fetchall(
                "SELECT id FROM jobs "  # noqa: S608 # ours
                "WHERE erased IS NULL AND delivered_at IS NOT NULL AND ended_at < :time "
                f"AND NOT {_UNDER_REVIEW} ORDER BY ended_at LIMIT :limit",
                {"now": now, "time": time, "limit": limit},
            )
            return await self._erase(db, list(jobs), DeletionReason.EXPIRED, now)

    async def _erase(
        self,
        db: aiosqlite.Connection,
        jobs: Sequence[sqlite3.Row],
        reason: DeletionReason,
        now: float,
    ) -> int:
        if jobs:
            job_ids = rows.json([row["id"] for row in jobs])
            erasure = Erasure(job_ids=job_ids, reason=reason, now=now)
            for store in self._stores:
                await store.erase_jobs(db, erasure)
        return len(jobs)

    async def erase_jobs(self, db: aiosqlite.Connection, erasure: Erasure) -> None:
        """Delete the requests to erase these jobs."""
        await db.execute(
            "DELETE FROM erasure_requests WHERE job IN (SELECT value FROM json_each(:job_ids))",
            {"job_ids": erasure.job_ids},
        )

    async def expire_all(self, *, now: float) -> None:
        """Call `expire` of all stores in one transaction."""
        async with self._connection.transaction() as db:
            for store in self._stores:
                await store.expire(db, now)

    async def checkpoint(self) -> bool:
        """Remove erased data from the database's files; False if a reader prevents it for now."""
        return await self._connection.checkpoint()
