"""Which of the bot's messages show which jobs."""

import aiosqlite

from bot.db import rows
from bot.db.store import Erasure, Store
from bot.domain.job import ShownJob


class JobMessageStore(Store):
    """Writes the tables `job_messages` (in channels) and `direct_messages`."""

    erased_tables = ("job_messages", "direct_messages")

    async def link(self, message_id: int, job_id: str, nth: int | None) -> None:
        """Record that the message shows the job, or its nth picture; not if it was deleted."""
        async with self._connection.transaction() as db:
            await link(db, message_id, job_id, nth)

    async def find(self, message_id: int) -> ShownJob | None:
        """What this message shows."""
        jobs = await self._connection.fetch_all(
            "SELECT jobs.*, nth FROM job_messages JOIN jobs ON jobs.id = job "
            "WHERE job_messages.message = ?",
            message_id,
        )
        return ShownJob(rows.to_job(jobs[0]), jobs[0]["nth"]) if jobs else None

    async def record_dm(self, job_id: str, channel_id: int, message_id: int) -> None:
        """Record that a direct message shows pictures of the job; not if it was deleted."""
        await self._connection.execute(
            "INSERT OR IGNORE INTO direct_messages (message, channel, job) "
            "SELECT :message, :channel, id FROM jobs WHERE id = :job AND erased IS NULL",
            {"message": message_id, "channel": channel_id, "job": job_id},
        )

    async def forget(self, message_id: int) -> None:
        """Forget a message that was deleted."""
        async with self._connection.transaction() as db:
            await db.execute("DELETE FROM job_messages WHERE message = ?", (message_id,))
            await db.execute("DELETE FROM direct_messages WHERE message = ?", (message_id,))

    async def of_job(self, job_id: str) -> list[tuple[int, int]]:
        """Channel and message ids of all that show the job or one of its pictures."""
        return await self._of_jobs("SELECT :job", job=job_id)

    async def of_removed_pictures(self) -> list[tuple[int, int]]:
        """Channel and message ids of all that may still show a picture that was removed."""
        return await self._of_jobs("SELECT job FROM pictures WHERE removed_at IS NOT NULL")

    async def _of_jobs(self, job_ids: str, **values: object) -> list[tuple[int, int]]:
        messages = await self._connection.fetch_all(
            "SELECT channel, job_messages.message "  # noqa: S608 # ours
            f"FROM job_messages JOIN jobs ON jobs.id = job WHERE job IN ({job_ids}) "
            f"UNION ALL SELECT channel, message FROM direct_messages WHERE job IN ({job_ids})",
            **values,
        )
        return [(row["channel"], row["message"]) for row in messages]

    async def erase_jobs(self, db: aiosqlite.Connection, erasure: Erasure) -> None:
        """Forget all messages of these jobs."""
        values = {"job_ids": erasure.job_ids}
        await db.execute(
            "DELETE FROM job_messages WHERE job IN (SELECT value FROM json_each(:job_ids))", values
        )
        await db.execute(
            "DELETE FROM direct_messages WHERE job IN (SELECT value FROM json_each(:job_ids))",
            values,
        )


async def link(db: aiosqlite.Connection, message_id: int, job_id: str, nth: int | None) -> None:
    """Record that a message shows a job, in a transaction of the caller."""
    await db.execute(
        "INSERT INTO job_messages (message, job, nth) "
        "SELECT :message, id, :nth FROM jobs WHERE id = :job AND erased IS NULL "
        "ON CONFLICT DO NOTHING",
        {"message": message_id, "job": job_id, "nth": nth},
    )
