"""Jobs and their pictures."""

import logging
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import aiosqlite

from bot.db import (
    artifacts,
    deliveries,
    file_deletions,
    history,
    job_erasure,
    job_images,
    job_inputs,
    job_keys,
    job_log,
    lineage,
    pictures,
    rows,
    usage,
)
from bot.db.connection import SqliteConnection
from bot.db.file_deletions import FileDeletion, FileKind
from bot.db.store import Erasure, Store
from bot.db.tables import insert_sql
from bot.db.usage import UsageRecord
from bot.domain.clock import DAY
from bot.domain.delivery import result_of
from bot.domain.job import Job, JobTimings, Status
from bot.domain.job_input import PlanInput
from bot.domain.limits import QueueDepth
from bot.domain.picture import Picture
from bot.domain.plan import Edge
from engine.contract import Work

REPLAY_SECONDS: Final = DAY
"""How long a repeated interaction must still be recognised; far longer than Discord repeats one."""
_SWEEP_ROWS: Final = 500
OnTransition = Callable[[JobTimings], None]
log = logging.getLogger(__name__)


class JobStore(Store):
    """Writes the tables `jobs`, `job_images` and `pictures`, and logs each transition of a job.

    `on_transition` is called with each job that has ended or was delivered.
    """

    erased_tables = ("jobs", "pictures", "job_images")

    def __init__(self, connection: SqliteConnection, on_transition: OnTransition) -> None:
        super().__init__(connection)
        self._on_transition = on_transition

    # Transitions, in the order of a job's life

    async def add(
        self, job: Job, *, inputs: Sequence[PlanInput] = (), edges: Sequence[Edge] = ()
    ) -> bool:
        """Store a new job, and what must arrive; False if there is one of the same idempotency key.

        Raises Refused, with a sentence for the user, if a parent of an edge was removed or deleted.
        """
        columns = rows.from_job(job)
        sql = insert_sql("jobs", columns, "ON CONFLICT (request) DO NOTHING")
        async with self._connection.transaction() as db:
            added = (await db.execute(sql, columns)).rowcount > 0
            if added:
                await lineage.check_parents(db, edges)
                await lineage.add(db, job.id, edges)
                await job_inputs.add(db, job.id, inputs)
                await job_images.link(db, job.id, job.recipes)
                await deliveries.insert(db, result_of(job))
        if added:
            log.info("job accepted", extra=job_log.job_fields(job))
        return added

    async def mark_queued(
        self,
        job_id: str,
        recipes: Sequence[Work],
        input_digests: Sequence[str] = (),
        edges: Sequence[Edge] = (),
    ) -> bool:
        """Queue an accepted job with its complete recipes; False if it is not accepted.

        `input_digests` are those of its inputs, in their order; `edges` are to what they show.
        """
        async with self._connection.transaction() as db:
            update = await db.execute(
                "UPDATE jobs SET status = 'queued', recipes = :recipes "
                "WHERE id = :job AND status = 'accepted'",
                {"job": job_id, "recipes": rows.json(recipes)},
            )
            queued = update.rowcount > 0
            if queued:
                await job_inputs.set_digests(db, job_id, input_digests)
                await lineage.add(db, job_id, edges)
                await job_images.link(db, job_id, recipes)
        if queued:
            log.info("job queued", extra={"job": job_id})
        return queued

    async def set_message(self, job_id: str, message_id: int) -> None:
        """Record the message that shows the job."""
        async with self._connection.transaction() as db:
            await deliveries.set_result_message(db, job_id, message_id)

    async def clear_token(self, job_id: str) -> None:
        """Delete the interaction's token, which is no longer valid."""
        async with self._connection.transaction() as db:
            await deliveries.clear_result_token(db, job_id)

    async def claim(self, job_id: str, *, now: float) -> Job | None:
        """Mark a queued job as running, as a new attempt; None if it is not queued."""
        async with self._connection.transaction() as db:
            claimed = await db.execute(
                "UPDATE jobs SET status = 'running', attempt = attempt + 1, started_at = ? "
                "WHERE id = ? AND status = 'queued'",
                (now, job_id),
            )
            job = await _job(db, job_id) if claimed.rowcount > 0 else None
        if job is not None:
            log.info("job started", extra={"job": job_id, "attempt": job.attempt})
        return job

    async def requeue(self, job_id: str, attempt: int, *, crashed: bool) -> bool:
        """Queue a running job again; False if the attempt was superseded or the job has ended."""
        requeued = await self._connection.execute(
            "UPDATE jobs SET status = 'queued', crashes = crashes + :crashed "
            "WHERE id = :job AND attempt = :attempt AND status = 'running'",
            {"job": job_id, "attempt": attempt, "crashed": int(crashed)},
        )
        if requeued:
            log.info("job queued again", extra={"job": job_id, "crashed": crashed})
        return requeued

    async def add_pictures(self, job_id: str, attempt: int, finished: Sequence[Picture]) -> bool:
        """Store pictures of a running job; False if the attempt was superseded or the job has
        ended."""
        async with self._connection.transaction() as db:
            running = await db.execute_fetchall(
                "SELECT 1 FROM jobs WHERE id = ? AND attempt = ? AND status = 'running'",
                (job_id, attempt),
            )
            if running:
                for picture in finished:
                    await pictures.add(db, picture)
        return bool(running)

    async def set_differing(self, picture_id: str, fingerprint: str) -> None:
        """Record that this software and hardware paints other pixels than those of the picture."""
        await self._connection.execute(
            "UPDATE pictures SET differs_on = :fingerprint WHERE id = :picture",
            {"picture": picture_id, "fingerprint": fingerprint},
        )

    async def complete(
        self,
        job_id: str,
        attempt: int,
        last_pictures: Sequence[Picture],
        now: float,
        usage_record: UsageRecord | None = None,
    ) -> Job | None:
        """Store the status, the usage and pictures that were not added before, in one transaction.

        Returns the job; None if the attempt was superseded or the job has ended.
        """
        async with self._connection.transaction() as db:
            ended = await db.execute_fetchall(
                "UPDATE jobs SET status = 'done', ended_at = ? "
                "WHERE id = ? AND attempt = ? AND status = 'running' RETURNING *",
                (now, job_id, attempt),
            )
            if not ended:
                return None
            for picture in last_pictures:
                columns = rows.from_picture(picture)
                await db.execute(insert_sql("pictures", columns), columns)
            if usage_record is not None:
                await usage.add(db, usage_record)
            job = await _job(db, job_id)
            if job is not None:
                await history.add(db, job)
        self._report("job ended", ended)
        return job

    async def fail(
        self, job_id: str, reason: str, now: float, usage_record: UsageRecord | None = None
    ) -> Job | None:
        """End a job that cannot go on. If it has pictures, it is done, and the others have failed.

        The usage is stored if it is done. Returns the job; None if it had ended before.
        """
        async with self._connection.transaction() as db:
            job, ended = await _job(db, job_id), list[sqlite3.Row]()
            if (
                job is not None
                and not job.has_ended
                and await pictures.complete_with_failures(db, job, reason)
            ):
                ended += await db.execute_fetchall(
                    "UPDATE jobs SET status = 'done', ended_at = ? WHERE id = ? RETURNING *",
                    (now, job_id),
                )
                if usage_record is not None:
                    await usage.add(db, usage_record)
                await history.add(db, job)
                job = await _job(db, job_id)
        if not ended:
            return await self.finish_without_pictures(job_id, Status.FAILED, now, reason=reason)
        self._report("job ended", ended, reason)
        return job

    async def finish_without_pictures(
        self, job_id: str, status: Status, now: float, *, reason: str | None = None
    ) -> Job | None:
        """Finish a job, delete its pictures and schedule its files for deletion.

        Returns the job; None if it had ended before.
        """
        async with self._connection.transaction() as db:
            ended = await db.execute_fetchall(
                "UPDATE jobs SET status = :status, reason = :reason, ended_at = :now "
                "WHERE id = :job AND ended_at IS NULL RETURNING *",
                {"job": job_id, "status": status.value, "reason": reason, "now": now},
            )
            for row in ended:
                await pictures.delete_of_job(db, row["id"])
                await artifacts.delete_of_job(db, row["id"])
                await job_inputs.delete_pending(db, row["id"])
                if row["attempt"]:  # the attempt may have written files
                    await file_deletions.mark(db, FileDeletion(FileKind.PICTURES, row["id"]))
            job = await _job(db, job_id) if ended else None
        self._report("job ended", ended, reason)
        return job

    async def mark_delivered(self, job_id: str, *, now: float, refund: bool = False) -> None:
        """Record that the user has received the ending, and delete the interaction's token.

        Of a job that was erased meanwhile, the target is deleted too. With `refund`, its usage no
        longer counts for its user.
        """
        async with self._connection.transaction() as db:
            if refund:
                await usage.refund(db, job_id)
            await db.execute(
                "UPDATE jobs SET channel = 0, guild = NULL WHERE id = ? AND erased IS NOT NULL",
                (job_id,),
            )
            await deliveries.complete_result(db, job_id, now=now)
            delivered = await db.execute_fetchall(
                "UPDATE jobs SET delivered_at = :now "
                "WHERE id = :job AND ended_at IS NOT NULL AND delivered_at IS NULL "
                "RETURNING *",
                {"job": job_id, "now": now},
            )
        self._report("job delivered", delivered)

    async def recover(self) -> None:
        """Queue all running jobs again: the process that ran them has died."""
        async with self._connection.transaction() as db:
            requeued = await db.execute_fetchall(
                "UPDATE jobs SET status = 'queued', crashes = crashes + 1 "
                "WHERE status = 'running' AND ended_at IS NULL RETURNING id"
            )
        for row in requeued:
            log.info("job queued again", extra={"job": row["id"], "crashed": True})

    async def free_key(self, idempotency_key: str, *, with_pictures: bool = True) -> None:
        """Let the same request be made again, for example after a reaction was removed; without
        `with_pictures`, only if it has ended without any."""
        async with self._connection.transaction() as db:
            await job_keys.free(db, idempotency_key, with_pictures=with_pictures)

    async def free_keys(self, prefix: str, suffix: str = "") -> None:
        """Let all requests be made again whose idempotency keys start and end like this.

        `prefix` is that of the reactions to a message, of erased jobs too.
        """
        async with self._connection.transaction() as db:
            await job_keys.free_all(db, prefix, suffix)

    def _report(self, event: str, ended: Iterable[sqlite3.Row], reason: str | None = None) -> None:
        for timings in map(rows.to_timings, ended):
            log.info(event, extra=job_log.timing_fields(timings) | {"reason": reason})
            self._on_transition(timings)

    # Queries

    async def exists(self, idempotency_key: str) -> bool:
        """Whether there is a job of this idempotency key, possibly erased within the last day."""
        jobs = await self._connection.fetch_all(
            "SELECT 1 FROM jobs WHERE request IN (?, ?)",
            idempotency_key,
            rows.deleted_request_digest(idempotency_key),
        )
        return bool(jobs)

    async def job(self, job_id: str) -> Job | None:
        """The job of this id."""
        return next(iter(await self._jobs("WHERE id = ?", job_id)), None)

    async def pictures(self, job_id: str) -> list[Picture]:
        """A job's pictures in reading order; none before it is done."""
        job = await self.job(job_id)
        is_done = job is not None and job.status is Status.DONE
        return await self.stored_pictures(job_id) if is_done else []

    async def stored_pictures(self, job_id: str) -> list[Picture]:
        """The pictures of a job that are stored so far, in reading order."""
        return await self._pictures("SELECT * FROM pictures WHERE job = ? ORDER BY nth", job_id)

    async def picture(self, picture_id: str) -> Picture | None:
        """The picture of this id."""
        pictures = await self._pictures("SELECT * FROM pictures WHERE id = ?", picture_id)
        return next(iter(pictures), None)

    async def queued(self) -> list[Job]:
        """All queued jobs."""
        return await self._jobs(
            "WHERE status = 'queued' AND ended_at IS NULL"  # uses the index
        )

    async def last_started(self) -> dict[int, float]:
        """When the last job of each user with queued jobs was started."""
        users = await self._connection.fetch_all(
            "SELECT person, (SELECT max(started_at) FROM jobs WHERE person = waiting.person) AS at "
            "FROM (SELECT DISTINCT person FROM jobs WHERE status = 'queued' AND ended_at IS NULL) "
            "AS waiting"
        )
        return {row["person"]: row["at"] for row in users if row["at"] is not None}

    async def queue_depth(self, user_id: int, guild_id: int | None = None) -> QueueDepth:
        """How many jobs are unfinished."""
        [row] = await self._connection.fetch_all(
            "SELECT count(*) AS total, count(*) FILTER (WHERE person = ?) AS of_user, "
            "count(*) FILTER (WHERE guild = ?) AS of_guild FROM jobs WHERE ended_at IS NULL",
            user_id,
            guild_id,
        )
        return QueueDepth(row["of_user"], row["of_guild"], row["total"])

    async def unfinished(self, user_id: int) -> list[Job]:
        """This user's jobs that have not ended."""
        return await self._jobs("WHERE person = ? AND ended_at IS NULL", user_id)

    async def all_unfinished(self) -> list[Job]:
        """The jobs of all users that have not ended."""
        return await self._jobs("WHERE ended_at IS NULL")

    async def accepted(self) -> list[Job]:
        """Jobs that are stored but whose recipes are not complete."""
        return await self._jobs("WHERE status = 'accepted' AND ended_at IS NULL")

    async def _jobs(self, condition: str, *values: object) -> list[Job]:
        jobs = await self._connection.fetch_all(f"{rows.JOBS} {condition}", *values)
        return [rows.to_job(row) for row in jobs]

    async def _pictures(self, sql: str, *values: object) -> list[Picture]:
        return [rows.to_picture(row) for row in await self._connection.fetch_all(sql, *values)]

    # Erasure

    async def erase_jobs(self, db: aiosqlite.Connection, erasure: Erasure) -> None:
        """Delete the pictures and all user data of the jobs; statistics stay.

        For a day, a digest of the idempotency key stays too.
        """
        await file_deletions.mark_files_of_jobs(db, erasure)
        values = {"job_ids": erasure.job_ids}
        await db.execute(
            "DELETE FROM pictures WHERE job IN (SELECT value FROM json_each(:job_ids))", values
        )
        await db.execute(
            "DELETE FROM job_images WHERE job IN (SELECT value FROM json_each(:job_ids))", values
        )
        await job_erasure.erase(db, erasure, oldest=erasure.now - REPLAY_SECONDS)

    async def expire(self, db: aiosqlite.Connection, now: float) -> None:
        """Delete digests of idempotency keys that are too old."""
        await db.execute(
            "UPDATE jobs SET request = 'erased:' || id WHERE id IN (SELECT id FROM jobs "
            "WHERE erased IS NOT NULL AND request != 'erased:' || id AND created_at <= ? LIMIT ?)",
            (now - REPLAY_SECONDS, _SWEEP_ROWS),
        )


async def _job(db: aiosqlite.Connection, job_id: str) -> Job | None:
    stored = await db.execute_fetchall(f"{rows.JOBS} WHERE id = ?", (job_id,))
    return next(map(rows.to_job, stored), None)
