"""Which input images the recipes of jobs need, written in transactions of the job store."""

from collections.abc import Sequence

import aiosqlite

from bot.domain.plan import PENDING_IMAGE
from engine.contract import Recipe


async def link(db: aiosqlite.Connection, job_id: str, recipes: Sequence[Recipe]) -> None:
    """Record which input images the recipes of a job need."""
    await db.executemany(
        "INSERT OR IGNORE INTO job_images VALUES (?, ?)",
        [
            (job_id, image)
            for recipe in recipes
            for image in recipe.images
            if image != PENDING_IMAGE
        ],
    )
