"""Deletes the user's data of jobs, in transactions of the job store."""

from typing import Final

import aiosqlite

from bot.db import rows
from bot.db.store import Erasure


def _erased(recipe: str) -> str:
    """In SQL: the recipe in this expression without the user's data."""
    return (
        f"json_remove(json_set({recipe}, '$.prompt', '(deleted)', '$.negative', '', '$.seed', 0), "
        "'$.subseeds', '$.changes', '$.source', '$.references', '$.controls', '$.adapters')"
    )


_FIRST_RECIPE: Final = (
    "(SELECT tree.value FROM json_tree(work.value) AS tree WHERE tree.key = 'picture' "
    "ORDER BY length(tree.fullkey) DESC LIMIT 1)"
)
"""In SQL: the recipe of the picture that an enlargement, perhaps of enlargements, started from."""
_ERASED_WORK: Final = (
    f"iif(json_type(work.value, '$.picture') IS NULL, {_erased('work.value')}, "
    f"json_set(work.value, '$.picture', json({_erased(_FIRST_RECIPE)}), '$.image', '{'0' * 64}'))"
)
"""In SQL: `work.value`, which is a recipe or an enlargement, without the user's data."""
_ERASE: Final = (
    "UPDATE jobs SET erased = :reason, person = 0, "  # noqa: S608 # ours
    "request = 'erased:' || id, plan = '{}', "
    "reveal = 0, seats = NULL, "
    f"recipes = (SELECT json_group_array(json({_ERASED_WORK})) FROM json_each(recipes) AS work), "
    "reason = iif(reason IS NULL, NULL, '(deleted)'), "
    "channel = iif(delivered_at IS NULL, channel, 0), "
    "guild = iif(delivered_at IS NULL, guild, NULL) "
    "WHERE id IN (SELECT value FROM json_each(:job_ids))"
)
"""For the jobs of the parameter :job_ids."""


async def erase(db: aiosqlite.Connection, erasure: Erasure, *, oldest: float) -> None:
    """Make the rows of jobs anonymous.

    Of those that were created after `oldest`, a digest of the idempotency key stays.
    """
    values = {"job_ids": erasure.job_ids, "reason": erasure.reason.value, "oldest": oldest}
    recent = await db.execute_fetchall(
        "SELECT id, request FROM jobs "
        "WHERE id IN (SELECT value FROM json_each(:job_ids)) AND created_at > :oldest",
        values,
    )
    await db.execute(_ERASE, values)
    await db.executemany(
        "UPDATE jobs SET request = ? WHERE id = ?",
        [(rows.deleted_request_digest(row["request"]), row["id"]) for row in recent],
    )
