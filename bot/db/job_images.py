"""Which input images the recipes of jobs need, written in transactions of the job store."""

from collections.abc import Sequence

import aiosqlite

from bot.domain.job_input import is_pending
from engine.contract import Recipe, Work


async def link(db: aiosqlite.Connection, job_id: str, recipes: Sequence[Work]) -> None:
    """Record which input images the recipes of a job need; the pictures that it enlarges are those
    of other jobs."""
    await db.executemany(
        "INSERT OR IGNORE INTO job_images VALUES (?, ?)",
        [
            (job_id, image)
            for recipe in recipes
            for image in recipe.images
            if isinstance(recipe, Recipe) and not is_pending(image)
        ],
    )
