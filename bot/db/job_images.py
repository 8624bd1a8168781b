"""Which input images the recipes of jobs need, written in transactions of the job store."""

from collections.abc import Sequence

import aiosqlite

from bot.db import rows
from bot.domain.job_input import InputRole, is_pending
from engine.contract import Work, input_images


async def unlink_pictures(db: aiosqlite.Connection, job_ids: Sequence[str]) -> list[str]:
    """Forget that these jobs need the pictures that they changed; the digests of these, which other
    jobs may need."""
    values = {"job_ids": rows.json(list(job_ids)), "role": InputRole.PICTURE.value}
    unlinked = await db.execute_fetchall(
        "DELETE FROM job_images WHERE job IN (SELECT value FROM json_each(:job_ids)) "
        "AND sha256 IN (SELECT sha256 FROM job_inputs WHERE role = :role "
        "AND job IN (SELECT value FROM json_each(:job_ids))) RETURNING sha256",
        values,
    )
    return [row["sha256"] for row in unlinked]


async def link(db: aiosqlite.Connection, job_id: str, recipes: Sequence[Work]) -> None:
    """Record which input images the recipes of a job need; the pictures that it enlarges are those
    of other jobs."""
    await db.executemany(
        "INSERT OR IGNORE INTO job_images VALUES (?, ?)",
        [
            (job_id, image)
            for recipe in recipes
            for image in input_images(recipe)
            if not is_pending(image)
        ],
    )
