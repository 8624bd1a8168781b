"""The record of jobs and pictures in SQLite: each method is one transaction."""

import logging
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import aiosqlite
import msgspec

from bot.db import rows, usage
from bot.db.database import SqliteConnection
from bot.db.tables import insert_sql
from bot.db.usage import UsageRecord
from bot.domain.job import Job, JobTimings, Status
from bot.domain.limits import QueueDepth
from bot.domain.picture import Picture
from engine.contract import Recipe

OnTransition = Callable[[JobTimings], None]
log = logging.getLogger(__name__)


class ShownJob(msgspec.Struct, frozen=True):
    """What a message shows: a job, or only its nth picture."""

    job: Job
    nth: int | None


class JobStore(SqliteConnection):
    """Use as `async with Ledger(path)`, on a database that is migrated.

    What becomes of a job is logged here, once it is so. `heard` is told of each job that has ended,
    and again when its ending has been seen.
    """

    def __init__(self, path: Path, on_transition: OnTransition = lambda _: None) -> None:
        super().__init__(path)
        self._on_transition = on_transition

    # A job's way, in order

    async def add(self, job: Job) -> bool:
        """Record a new job; False if this request was recorded before."""
        columns = rows.from_job(job)
        new = await self.execute(
            insert_sql("jobs", columns, "ON CONFLICT (request) DO NOTHING"), columns
        )
        if new:
            log.info("job accepted", extra=_job_fields(job))
        return new

    async def mark_queued(self, job_id: str, recipes: Sequence[Recipe]) -> bool:
        """An accepted job is complete and waits for its turn."""
        queued = await self.execute(
            "UPDATE jobs SET status = 'queued', recipes = :recipes, sketch = NULL "
            "WHERE id = :job AND status = 'accepted'",
            {"job": job_id, "recipes": rows.json(recipes)},
        )
        if queued:
            log.info("job queued", extra={"job": job_id})
        return queued

    async def set_message(self, job_id: str, message_id: int) -> None:
        """The job is shown on this message."""
        async with self.transaction() as connection:
            await connection.execute(
                "UPDATE jobs SET message = ? WHERE id = ? "
                "AND (erased IS NULL OR delivered_at IS NULL)",
                (message_id, job_id),
            )
            await _link_message(connection, message_id, job_id, None)

    async def clear_token(self, job_id: str) -> None:
        """The interaction's token works no more."""
        await self.execute("UPDATE jobs SET token = NULL WHERE id = :job", {"job": job_id})

    async def claim(self, job_id: str, *, now: float) -> Job | None:
        """Take a queued job to the engine, as a new attempt; None if it is queued no more."""
        async with self.transaction() as connection:
            cursor = await connection.execute(
                "UPDATE jobs SET status = 'running', attempt = attempt + 1, started_at = ? "
                "WHERE id = ? AND status = 'queued' RETURNING *",
                (now, job_id),
            )
            claimed = list(await cursor.fetchall())  # to the end, or the commit waits for the rest
        if not claimed:
            return None
        found = rows.to_job(claimed[0])
        log.info("job started", extra={"job": job_id, "attempt": found.attempt})
        return found

    async def requeue(self, job_id: str, attempt: int, *, crashed: bool) -> bool:
        """A running job was not finished, and waits again."""
        again = await self.execute(
            "UPDATE jobs SET status = 'queued', crashes = crashes + :crashed "
            "WHERE id = :job AND attempt = :attempt AND status = 'running'",
            {"job": job_id, "attempt": attempt, "crashed": int(crashed)},
        )
        if again:
            log.info("job queued again", extra={"job": job_id, "crashed": crashed})
        return again

    async def complete(
        self,
        job_id: str,
        attempt: int,
        pictures: Sequence[Picture],
        now: float,
        usage_record: UsageRecord | None = None,
    ) -> Job | None:
        """Store the pictures, the charge and the status in one transaction.

        Returns the job; None if the attempt was superseded or the job has ended.
        """
        async with self.transaction() as connection:
            ended = await connection.execute_fetchall(
                "UPDATE jobs SET status = 'done', ended_at = ? "
                "WHERE id = ? AND attempt = ? AND status = 'running' RETURNING *",
                (now, job_id, attempt),
            )
            if not ended:
                return None
            for picture in pictures:
                columns = rows.from_picture(picture)
                await connection.execute(insert_sql("pictures", columns), columns)
            if usage_record is not None:
                await usage.add(connection, usage_record)
        self._report("job ended", ended)
        return next(map(rows.to_job, ended))

    async def finish_without_pictures(
        self, job_id: str, status: Status, now: float, *, reason: str | None = None
    ) -> Job | None:
        """Finish a job that has no pictures and schedule its files for deletion.

        Returns the job; None if it had ended before.
        """
        async with self.transaction() as connection:
            ended = await connection.execute_fetchall(
                "UPDATE jobs SET status = :status, reason = :reason, ended_at = :now, "
                "sketch = NULL "
                "WHERE id = :job AND ended_at IS NULL RETURNING *",
                {"job": job_id, "status": status.value, "reason": reason, "now": now},
            )
            await connection.executemany(
                "INSERT OR IGNORE INTO removals VALUES ('pictures', ?)",
                [(row["id"],) for row in ended if row["attempt"]],  # it may have written some
            )
        self._report("job ended", ended, reason)
        return next(map(rows.to_job, ended), None)

    async def mark_delivered(self, job_id: str, *, now: float) -> None:
        """The person has seen the ending; the interaction's token is forgotten, and of what was
        deleted meanwhile also the place."""
        async with self.transaction() as connection:
            await connection.execute(
                "UPDATE jobs SET channel = 0, guild = NULL, message = NULL, application = NULL, "
                "reply_to = NULL WHERE id = ? AND erased IS NOT NULL",
                (job_id,),
            )
            seen = await connection.execute_fetchall(
                "UPDATE jobs SET delivered_at = :now, token = NULL "
                "WHERE id = :job AND ended_at IS NOT NULL AND delivered_at IS NULL "
                "RETURNING *",
                {"job": job_id, "now": now},
            )
        self._report("job delivered", seen)

    async def recover(self) -> None:
        """After a start: what was running when the last process died waits again."""
        async with self.transaction() as connection:
            again = await connection.execute_fetchall(
                "UPDATE jobs SET status = 'queued', crashes = crashes + 1 "
                "WHERE status = 'running' AND ended_at IS NULL RETURNING id"
            )
        for row in again:
            log.info("job queued again", extra={"job": row["id"], "crashed": True})

    def _report(self, event: str, found: Iterable[sqlite3.Row], reason: str | None = None) -> None:
        for passage in map(rows.to_timings, found):
            log.info(event, extra=_timing_fields(passage) | {"reason": reason})
            self._on_transition(passage)

    # Looking things up

    async def exists(self, idempotency_key: str) -> bool:
        """Was this asked before?"""
        found = await self.fetch_all(
            "SELECT 1 FROM jobs WHERE request IN (?, ?)",
            idempotency_key,
            rows.deleted_request_digest(idempotency_key),
        )
        return bool(found)

    async def job(self, job_id: str) -> Job | None:
        """The job of this id."""
        found = await self.fetch_all("SELECT * FROM jobs WHERE id = ?", job_id)
        return rows.to_job(found[0]) if found else None

    async def pictures(self, job_id: str) -> list[Picture]:
        """A job's pictures in reading order."""
        found = await self.fetch_all("SELECT * FROM pictures WHERE job = ? ORDER BY nth", job_id)
        return [rows.to_picture(row) for row in found]

    async def picture(self, picture_id: str) -> Picture | None:
        """The picture of this id."""
        found = await self.fetch_all("SELECT * FROM pictures WHERE id = ?", picture_id)
        return rows.to_picture(found[0]) if found else None

    async def queued(self) -> list[Job]:
        """All queued jobs."""
        found = await self.fetch_all(
            "SELECT * FROM jobs WHERE status = 'queued' AND ended_at IS NULL"  # as the index says
        )
        return [rows.to_job(row) for row in found]

    async def last_started(self) -> dict[int, float]:
        """When each person who waits was last served."""
        found = await self.fetch_all(
            "SELECT person, (SELECT max(started_at) FROM jobs WHERE person = waiting.person) AS at "
            "FROM (SELECT DISTINCT person FROM jobs WHERE status = 'queued' AND ended_at IS NULL) "
            "AS waiting"
        )
        return {row["person"]: row["at"] for row in found if row["at"] is not None}

    async def queue_depth(self, user_id: int, guild_id: int | None = None) -> QueueDepth:
        """How many jobs are unfinished."""
        [found] = await self.fetch_all(
            "SELECT count(*) AS everybody, count(*) FILTER (WHERE person = ?) AS own, "
            "count(*) FILTER (WHERE guild = ?) AS theirs FROM jobs WHERE ended_at IS NULL",
            user_id,
            guild_id,
        )
        return QueueDepth(found["own"], found["theirs"], found["everybody"])

    async def unfinished(self, user_id: int) -> list[Job]:
        """This person's jobs that have not ended."""
        found = await self.fetch_all(
            "SELECT * FROM jobs WHERE person = ? AND ended_at IS NULL", user_id
        )
        return [rows.to_job(row) for row in found]

    async def accepted(self) -> list[Job]:
        """Jobs that are recorded but not complete."""
        found = await self.fetch_all(
            "SELECT * FROM jobs WHERE status = 'accepted' AND ended_at IS NULL"
        )
        return [rows.to_job(row) for row in found]

    async def undelivered(self) -> list[Job]:
        """Ended jobs whose ending nobody has seen, oldest first."""
        found = await self.fetch_all(
            "SELECT * FROM jobs WHERE ended_at IS NOT NULL AND delivered_at IS NULL "
            "ORDER BY ended_at"
        )
        return [rows.to_job(row) for row in found]

    # Messages

    async def link_message(self, message_id: int, job_id: str, nth: int | None) -> None:
        """This message shows the job, or its nth picture."""
        async with self.transaction() as connection:
            await _link_message(connection, message_id, job_id, nth)

    async def find_by_message(self, message_id: int) -> ShownJob | None:
        """What this message of ours shows."""
        found = await self.fetch_all(
            "SELECT jobs.*, posts.nth FROM posts JOIN jobs ON jobs.id = posts.job "
            "WHERE posts.message = ?",
            message_id,
        )
        return ShownJob(rows.to_job(found[0]), found[0]["nth"]) if found else None

    async def free_key(self, idempotency_key: str) -> None:
        """The same request may be made again, for what asked for it was taken back."""
        await self.execute(
            "UPDATE jobs SET request = request || ':' || id WHERE request IN (:request, :spent)",
            {"request": idempotency_key, "spent": rows.deleted_request_digest(idempotency_key)},
        )


async def _link_message(
    connection: aiosqlite.Connection, message_id: int, job_id: str, nth: int | None
) -> None:
    await connection.execute(
        "INSERT INTO posts (message, job, nth) "
        "SELECT :message, id, :nth FROM jobs WHERE id = :job AND erased IS NULL "
        "ON CONFLICT DO NOTHING",
        {"message": message_id, "job": job_id, "nth": nth},
    )


def _job_fields(job: Job) -> dict[str, object]:
    first = job.recipes[0]
    return {
        "job": job.id,
        "kind": job.kind.value,
        "pictures": len(job.recipes),
        "prompt": first.prompt,
        "negative": first.negative,
    }


def _timing_fields(timings: JobTimings) -> dict[str, object]:
    seconds = {
        "waited": timings.queue_seconds,
        "painted": timings.run_seconds,
        "shown": timings.delivery_seconds,
    }
    told = {name: round(value, 3) for name, value in seconds.items() if value is not None}
    return {"job": timings.job_id, "ending": timings.status.value, **told}
