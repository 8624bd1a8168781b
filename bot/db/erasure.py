"""What is kept of people, in SQLite: counted, handed out, and deleted."""

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from enum import StrEnum
from typing import Final

import aiosqlite
import msgspec

from bot.db import rows
from bot.db.database import SqliteConnection
from bot.domain.job import DeletionReason, Job
from bot.domain.picture import Picture
from bot.domain.user_data import AUDIT_DAYS, REVIEW_DAYS, UserDataSummary

REPLAY_SECONDS: Final = 24 * 60 * 60.0
"""For so long Discord may say again that somebody asked for something, and far shorter."""
INTERACTION_SECONDS: Final = 15 * 60.0
"""An interaction's token works for so long; what is not answered by then never will be."""
DAY_SECONDS: Final = 24 * 60 * 60.0
REVIEW_SECONDS: Final = REVIEW_DAYS * DAY_SECONDS
_PAGE: Final = 200
_SWEEP_ROWS: Final = 500
_CHOSEN: Final = "(SELECT value FROM json_each(:jobs))"
_SKETCH: Final = "json_extract(recipes, '$[0].source')"
_JOBS: Final = "SELECT * FROM jobs WHERE id IN (SELECT value FROM json_each(?)) ORDER BY rowid"
_PICTURES: Final = (
    "SELECT * FROM pictures WHERE job IN (SELECT value FROM json_each(?)) ORDER BY job, nth"
)
_UNDER_REVIEW: Final = (
    "EXISTS (SELECT 1 FROM cases JOIN reports ON reports.job = cases.job "  # noqa: S608 # ours
    f"WHERE cases.job = jobs.id AND state = 'open' AND at > ?1 - {REVIEW_SECONDS})"
)
"""Moderators have yet to look at it; ?1 is the time."""
_ERASE: Final = (
    f"INSERT OR IGNORE INTO removals SELECT 'sketch', {_SKETCH} FROM jobs "  # noqa: S608 # ours
    f"WHERE id IN {_CHOSEN} AND {_SKETCH} IS NOT NULL",
    "INSERT OR IGNORE INTO removals SELECT 'pictures', id FROM jobs "  # noqa: S608 # ours
    f"WHERE id IN {_CHOSEN} AND attempt > 0",
    f"DELETE FROM wishes WHERE job IN {_CHOSEN}",  # noqa: S608 # ours
    "UPDATE charges SET job = lower(hex(randomblob(12))) "  # noqa: S608 # ours
    f"WHERE job IN {_CHOSEN}",
    f"DELETE FROM posts WHERE job IN {_CHOSEN}",  # noqa: S608 # ours
    f"DELETE FROM letters WHERE job IN {_CHOSEN}",  # noqa: S608 # ours
    f"DELETE FROM pictures WHERE job IN {_CHOSEN}",  # noqa: S608 # ours
    "UPDATE jobs SET erased = :why, person = 0, request = 'erased:' || id, parents = '[]', "  # noqa: S608 # ours
    "reveal = 0, seats = NULL, "
    "recipes = (SELECT json_group_array(json_set(value, '$.prompt', '(deleted)', '$.negative', '', "
    "'$.seed', 0, '$.subseed', 0, '$.source', NULL, '$.strength', NULL)) FROM json_each(recipes)), "
    "reason = iif(reason IS NULL, NULL, '(deleted)'), "
    "channel = iif(delivered_at IS NULL, channel, 0), "
    "guild = iif(delivered_at IS NULL, guild, NULL), "
    "message = iif(delivered_at IS NULL, message, NULL), "
    "application = iif(delivered_at IS NULL, application, NULL), "
    "reply_to = iif(delivered_at IS NULL, reply_to, NULL) "
    f"WHERE id IN {_CHOSEN}",
)
"""In this order: what goes is noted before it loses its reason."""
_EXPIRING: Final = (
    (
        "UPDATE jobs SET request = 'erased:' || id WHERE id IN (SELECT id FROM jobs "
        "WHERE erased IS NOT NULL AND request != 'erased:' || id AND created_at <= :before "
        "LIMIT :rows)",
        REPLAY_SECONDS,
    ),
    ("DELETE FROM presses WHERE at <= :before", INTERACTION_SECONDS),
    ("DELETE FROM charges WHERE at <= :before", DAY_SECONDS),
    ("UPDATE charges SET at = :before WHERE at > :before", 0.0),  # the clock was ahead
    (
        "DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE at <= :before LIMIT :rows)",
        AUDIT_DAYS * DAY_SECONDS,
    ),
    (
        "DELETE FROM reports WHERE id IN (SELECT id FROM reports WHERE at <= :before LIMIT :rows)",
        AUDIT_DAYS * DAY_SECONDS,
    ),
    (
        "DELETE FROM cases WHERE NOT EXISTS (SELECT 1 FROM reports WHERE reports.job = cases.job)",
        AUDIT_DAYS * DAY_SECONDS,
    ),
)
"""What is as old as that serves no purpose any more."""


class FileKind(StrEnum):
    """Kinds of files that go."""

    PICTURES = "pictures"
    """All of a job."""
    SKETCH = "sketch"


class FileDeletion(msgspec.Struct, frozen=True):
    """Files that go unless somebody needs them."""

    kind: FileKind
    name: str
    """A job's id, or the sha256 of a sketch."""


DeleteFiles = Callable[[Sequence[FileDeletion]], Awaitable[Collection[FileDeletion]]]


class ErasureStore:
    """A part of the record. What it deletes is gone from the file with the next checkpoint."""

    def __init__(self, record: SqliteConnection) -> None:
        self._record = record

    # Showing

    async def summary(self, user_id: int, *, now: float) -> UserDataSummary:
        """How much there is of this person."""
        [found] = await self._record.fetch_all(
            "SELECT count(*) AS jobs, min(created_at) AS since, "  # noqa: S608 # ours
            f"count(*) FILTER (WHERE {_UNDER_REVIEW}) AS held, "
            f"count(DISTINCT {_SKETCH}) AS sketches, "
            "(SELECT count(*) FROM pictures JOIN jobs ON jobs.id = job "
            "WHERE jobs.person = ?2 AND path IS NOT NULL) AS pictures, "
            "(SELECT count(*) FROM audit WHERE actor = ?2 OR person = ?2) AS lines "
            "FROM jobs WHERE person = ?2",
            now,
            user_id,
        )
        return UserDataSummary(
            jobs=found["jobs"],
            pictures=found["pictures"],
            sketches=found["sketches"],
            under_review=found["held"],
            audit_entries=found["lines"],
            oldest_at=found["since"],
        )

    async def jobs(self, user_id: int) -> AsyncIterator[tuple[Job, list[Picture]]]:
        """All that this person asked for and what came of it, oldest first."""
        found = await self._record.fetch_all(
            "SELECT id FROM jobs WHERE person = ? ORDER BY rowid", user_id
        )
        for start in range(0, len(found), _PAGE):
            chosen = rows.json([row["id"] for row in found[start : start + _PAGE]])
            pictures: dict[str, list[Picture]] = {}
            for row in await self._record.fetch_all(_PICTURES, chosen):
                pictures.setdefault(row["job"], []).append(rows.to_picture(row))
            for row in await self._record.fetch_all(_JOBS, chosen):
                yield rows.to_job(row), pictures.get(row["id"], [])

    # Deleting

    async def erase_user(self, user_id: int, *, now: float) -> int:
        """Delete all that this person asked for and that has ended; how many jobs that were.

        What moderators have yet to look at is noted, for `erase_wished`.
        """
        async with self._record.transaction() as connection:
            await connection.execute(
                "INSERT OR IGNORE INTO wishes SELECT id FROM jobs "  # noqa: S608 # ours
                f"WHERE person = ?2 AND ended_at IS NOT NULL AND {_UNDER_REVIEW}",
                (now, user_id),
            )
            chosen = await connection.execute_fetchall(
                "SELECT id, request, created_at FROM jobs WHERE person = ? "
                "AND ended_at IS NOT NULL AND id NOT IN (SELECT job FROM wishes)",
                (user_id,),
            )
            return await _erase(connection, list(chosen), DeletionReason.REQUESTED, now)

    async def erase_deferred(self, *, now: float) -> int:
        """Delete what had to wait for moderators, and has to no more; how many jobs that were."""
        async with self._record.transaction() as connection:
            chosen = await connection.execute_fetchall(
                "SELECT id, request, created_at FROM jobs "  # noqa: S608 # ours
                f"WHERE id IN (SELECT job FROM wishes) AND NOT {_UNDER_REVIEW}",
                (now,),
            )
            return await _erase(connection, list(chosen), DeletionReason.REQUESTED, now)

    async def erase_older_than(self, than: float, *, limit: int, now: float) -> int:
        """Delete so many jobs that had ended and were shown by then; how many they were."""
        async with self._record.transaction() as connection:
            chosen = await connection.execute_fetchall(
                "SELECT id, request, created_at FROM jobs "  # noqa: S608 # ours
                "WHERE erased IS NULL AND delivered_at IS NOT NULL AND ended_at < ?2 "
                f"AND NOT {_UNDER_REVIEW} ORDER BY ended_at LIMIT ?3",
                (now, than, limit),
            )
            return await _erase(connection, list(chosen), DeletionReason.EXPIRED, now)

    async def expire(self, *, now: float) -> None:
        """Forget what has served its purpose: for fairness, for moderators, against replays."""
        async with self._record.transaction() as connection:
            for statement, seconds in _EXPIRING:
                await connection.execute(statement, {"before": now - seconds, "rows": _SWEEP_ROWS})

    async def checkpoint(self) -> bool:
        """Leave nothing of what was deleted in the database's files; False if that must wait."""
        return await self._record.checkpoint()

    # Files

    async def mark_for_deletion(self, deletion: FileDeletion) -> None:
        """This goes, unless somebody needs it when it is looked at."""
        await self._record.execute(
            "INSERT OR IGNORE INTO removals VALUES (:kind, :name)",
            {"kind": deletion.kind.value, "name": deletion.name},
        )

    async def file_deletions(self) -> list[FileDeletion]:
        """All that may have to go."""
        found = await self._record.fetch_all("SELECT kind, name FROM removals")
        return [FileDeletion(FileKind(row["kind"]), row["name"]) for row in found]

    async def process_deletions(
        self, deletions: Sequence[FileDeletion], delete_files: DeleteFiles
    ) -> int:
        """Have `remove` remove those that nobody needs, and strike from the list what it says is
        gone for good; how many stay on it.

        Nobody can begin to need one of them meanwhile: the record takes no changes.
        """
        async with self._record.transaction() as connection:
            needed = [each for each in deletions if await _is_needed(connection, each)]
            unneeded = [each for each in deletions if each not in needed]
            unsure = await _has_pending_sketches(connection)
            going = [each for each in unneeded if each.kind is FileKind.PICTURES or not unsure]
            done = [*needed, *await delete_files(going)]
            await connection.executemany(
                "DELETE FROM removals WHERE kind = ? AND name = ?",
                [(each.kind.value, each.name) for each in done],
            )
        return len(deletions) - len(done)


async def _erase(
    connection: aiosqlite.Connection, chosen: Sequence[sqlite3.Row], why: DeletionReason, now: float
) -> int:
    if not chosen:
        return 0
    values = {"jobs": rows.json([row["id"] for row in chosen]), "why": why.value}
    for statement in _ERASE:
        await connection.execute(statement, values)
    young = [row for row in chosen if row["created_at"] > now - REPLAY_SECONDS]
    await connection.executemany(
        "UPDATE jobs SET request = ? WHERE id = ?",
        [(rows.deleted_request_digest(row["request"]), row["id"]) for row in young],
    )
    return len(chosen)


async def _is_needed(connection: aiosqlite.Connection, deletion: FileDeletion) -> bool:
    if deletion.kind is FileKind.SKETCH:
        query = f"SELECT 1 FROM jobs WHERE {_SKETCH} = :name"  # noqa: S608 # ours
    else:
        query = (
            "SELECT 1 FROM pictures WHERE job = :name AND path IS NOT NULL AND removed_at IS NULL "
            "UNION ALL SELECT 1 FROM jobs WHERE id = :name AND ended_at IS NULL"
        )
    return bool(await connection.execute_fetchall(f"{query} LIMIT 1", {"name": deletion.name}))


async def _has_pending_sketches(connection: aiosqlite.Connection) -> bool:
    """Is there a job whose sketch may lie in the archive, but not yet in its recipes?"""
    found = await connection.execute_fetchall(
        "SELECT 1 FROM jobs WHERE status = 'accepted' AND ended_at IS NULL AND sketch IS NOT NULL"
    )
    return bool(found)
