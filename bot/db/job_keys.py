"""The idempotency keys of jobs, in transactions of the job store."""

import aiosqlite

from bot.db import rows


async def free(db: aiosqlite.Connection, key: str, *, with_pictures: bool) -> None:
    """Let the request of this key be made again; without `with_pictures`, only if it has ended
    without any."""
    await db.execute(
        "UPDATE jobs SET request = request || ':' || id WHERE request IN (:request, :digest) "
        "AND (:with_pictures OR status IN ('failed', 'cancelled', 'refused'))",
        {
            "request": key,
            "digest": rows.deleted_request_digest(key),
            "with_pictures": with_pictures,
        },
    )


async def free_all(db: aiosqlite.Connection, prefix: str, suffix: str) -> None:
    """Let all requests be made again whose keys start and end like this, of erased jobs too."""
    for start in (prefix, rows.deleted_request_prefix(prefix)):
        await db.execute(
            "UPDATE jobs SET request = request || ':' || id WHERE request >= :prefix "
            "AND request < :end AND substr(request, -length(id)) != id "
            "AND (:suffix = '' OR substr(request, -length(:suffix)) = :suffix)",
            {"prefix": start, "end": f"{start}\U0010ffff", "suffix": suffix},
        )
