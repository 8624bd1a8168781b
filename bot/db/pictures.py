"""Rows of pictures, written in transactions of the job store."""

import aiosqlite

from bot.db import rows
from bot.db.tables import insert_sql
from bot.domain.job import Job
from bot.domain.picture import Picture, picture_id


async def add(db: aiosqlite.Connection, picture: Picture) -> None:
    """Store a picture, unless the job has one of this number."""
    columns = rows.from_picture(picture)
    await db.execute(insert_sql("pictures", columns, "ON CONFLICT DO NOTHING"), columns)


async def delete_of_job(db: aiosqlite.Connection, job_id: str) -> None:
    """Delete the pictures of a job that ends without them."""
    await db.execute("DELETE FROM pictures WHERE job = ?", (job_id,))


async def complete_with_failures(db: aiosqlite.Connection, job: Job, reason: str) -> bool:
    """Store that the missing pictures of a job failed; False if it has none that did not fail."""
    stored = await db.execute_fetchall(
        "SELECT 1 FROM pictures WHERE job = ? AND failed IS NULL LIMIT 1", (job.id,)
    )
    if not stored:
        return False
    for nth in range(1, len(job.recipes) + 1):
        await add(db, _failed_picture(job, nth, reason))
    return True


def _failed_picture(job: Job, nth: int, reason: str) -> Picture:
    return Picture(
        id=picture_id(job.id, nth),
        job_id=job.id,
        nth=nth,
        recipe=job.recipes[nth - 1],
        sha256=None,
        path=None,
        is_withheld=False,
        failure_reason=reason,
        fingerprint="",
    )


async def mark_removed(db: aiosqlite.Connection, job_id: str, now: float) -> None:
    """Mark all pictures of a job as removed by moderators, in a transaction of the caller."""
    await db.execute(
        "UPDATE pictures SET removed_at = ? WHERE job = ? AND removed_at IS NULL", (now, job_id)
    )
