"""Which pictures were made from which."""

import sqlite3
from collections.abc import Collection, Sequence
from typing import Final

import aiosqlite
import msgspec

from bot.db import rows
from bot.db.store import Erasure, Store
from bot.domain import rules
from bot.domain.job import DeletionReason
from bot.domain.picture import Picture, job_id_of, picture_id
from bot.domain.plan import Edge, Relation
from bot.errors import Refused
from bot.i18n import _
from engine.contract import Recipe

MAX_CHILDREN: Final = 100
MAX_ANCESTORS: Final = 50
MAX_ORIGINALS: Final = 50
"""Pictures of one seed and prompt that are compared with an upload."""
_FINISHED: Final = """
    SELECT lineage.parent, max(jobs.status = 'done') AS is_done
    FROM lineage JOIN jobs ON jobs.id = lineage.job
    LEFT JOIN pictures ON pictures.id = lineage.child
    WHERE lineage.parent IN (SELECT value FROM json_each(?)) AND lineage.relation = 'finish'
      AND jobs.erased IS NULL
      AND (jobs.status IN ('accepted', 'queued', 'running')
           OR jobs.status = 'done' AND pictures.id IS NOT NULL AND pictures.failed IS NULL)
    GROUP BY lineage.parent
"""
"""A failed or cancelled attempt to finish a draft does not count."""


class Kinship(msgspec.Struct, frozen=True):
    """A picture was made from another one. Either may be gone, or not painted yet."""

    child: str
    """The id of a picture, as `parent`."""
    parent: str
    relation: Relation


class LineageStore(Store):
    """Writes the table `lineage`, together with the job store.

    The edges of an erased job are deleted. Those of jobs that started from it stay: they are data
    of other users.
    """

    erased_tables = ("lineage",)

    async def edges(self, job_id: str) -> tuple[Edge, ...]:
        """What the pictures of a job were made from, in their order."""
        stored = await self._connection.fetch_all(
            "SELECT nth, parent, relation FROM lineage WHERE job = ? ORDER BY nth, parent", job_id
        )
        return tuple(Edge(row["nth"], row["parent"], Relation(row["relation"])) for row in stored)

    async def parents(self, child: str) -> list[Kinship]:
        """What this picture was made from."""
        return await self._kinships("SELECT * FROM lineage WHERE child = ?", child)

    async def ancestors(self, picture_ids: Collection[str]) -> list[Picture]:
        """These pictures and those that they were made from, at any distance, that are stored; at
        most MAX_ANCESTORS."""
        stored = await self._connection.fetch_all(
            "WITH RECURSIVE made_from (id) AS (SELECT value FROM json_each(?) UNION "
            "SELECT parent FROM lineage JOIN made_from ON child = made_from.id LIMIT ?) "
            "SELECT pictures.* FROM made_from JOIN pictures USING (id)",
            rows.json(list(picture_ids)),
            MAX_ANCESTORS,
        )
        return [rows.to_picture(row) for row in stored]

    async def original(self, pixels: str, recipe: Recipe | None) -> Picture | None:
        """A picture with pixels of this digest, or of this recipe, whose model may be named without
        its folder; of several, one that moderators removed."""
        seed, prompt = (None, None) if recipe is None else (recipe.seed, recipe.prompt)
        stored = await self._connection.fetch_all(
            "SELECT * FROM pictures WHERE sha256 = ? OR (seed = ? AND prompt = ?) "
            "ORDER BY removed_at IS NULL LIMIT ?",
            pixels,
            seed,
            prompt,
            MAX_ORIGINALS,
        )
        pictures = [rows.to_picture(row) for row in stored]
        return next((item for item in pictures if _is_shown(item, pixels, recipe)), None)

    async def finished_drafts(self, parents: Sequence[str]) -> dict[str, bool]:
        """Those of these pictures that were finished (True), or are being finished (False)."""
        rows = await self._connection.fetch_all(_FINISHED, msgspec.json.encode(parents).decode())
        return {row["parent"]: bool(row["is_done"]) for row in rows}

    async def painted_children(self, parent: str) -> list[Kinship]:
        """What was made from this picture and is painted; at most MAX_CHILDREN."""
        return await self._kinships(
            "SELECT * FROM lineage WHERE parent = ? "  # noqa: S608 # a number
            "AND EXISTS (SELECT 1 FROM pictures WHERE id = child) "
            f"ORDER BY job, nth LIMIT {MAX_CHILDREN}",
            parent,
        )

    async def latest_pictures(self, user_id: int, limit: int) -> list[Picture]:
        """The latest pictures of a user that have a file, newest first."""
        stored = await self._connection.fetch_all(
            "SELECT pictures.* FROM jobs JOIN pictures ON job = jobs.id "
            "WHERE person = ? AND path IS NOT NULL AND removed_at IS NULL "
            "ORDER BY jobs.started_at DESC, nth LIMIT ?",
            user_id,
            limit,
        )
        return [rows.to_picture(row) for row in stored]

    async def _kinships(self, sql: str, picture: str) -> list[Kinship]:
        return [_kinship(row) for row in await self._connection.fetch_all(sql, picture)]

    async def erase_jobs(self, db: aiosqlite.Connection, erasure: Erasure) -> None:
        """Delete what the pictures of these jobs were made from."""
        await db.execute(
            "DELETE FROM lineage WHERE job IN (SELECT value FROM json_each(:job_ids))",
            {"job_ids": erasure.job_ids},
        )


async def check_parents(db: aiosqlite.Connection, edges: Sequence[Edge]) -> None:
    """Raise Refused if a picture that a new job starts from was removed or deleted, or is a draft
    that is finished already, in the transaction that stores the job."""
    for parent in {edge.parent for edge in edges}:
        stored = await db.execute_fetchall(
            "SELECT removed_at, erased FROM jobs LEFT JOIN pictures ON pictures.id = ? "
            "WHERE jobs.id = ?",
            (parent, job_id_of(parent)),
        )
        row = next(iter(stored), None)
        if row is not None and row["erased"]:
            reason = DeletionReason(row["erased"]).message
            sentence = _("This was made from another picture. {reason}")
            raise Refused(sentence.format(reason=reason))
        if row is not None and row["removed_at"] is not None:
            raise Refused(_(rules.REMOVED))
    drafts = [edge.parent for edge in edges if edge.relation is Relation.FINISH]
    finished = await db.execute_fetchall(_FINISHED, (msgspec.json.encode(drafts).decode(),))
    for row in finished:
        raise Refused(_(rules.FINISHED) if row["is_done"] else _(rules.FINISHING))


async def add(db: aiosqlite.Connection, job_id: str, edges: Sequence[Edge]) -> None:
    """Store the edges of a new job, in a transaction of the caller."""
    await db.executemany(
        "INSERT OR IGNORE INTO lineage (child, parent, relation, job, nth) VALUES (?, ?, ?, ?, ?)",
        [
            (picture_id(job_id, edge.child), edge.parent, edge.relation.value, job_id, edge.child)
            for edge in edges
        ],
    )


def _is_shown(picture: Picture, pixels: str, recipe: Recipe | None) -> bool:
    """Whether a file with these pixels, and with this recipe inside, shows this picture."""
    if picture.sha256 == pixels:
        return True
    if recipe is None or not isinstance(picture.recipe, Recipe):
        return False
    return msgspec.structs.replace(recipe, model=picture.recipe.model) == picture.recipe


def _kinship(row: sqlite3.Row) -> Kinship:
    return Kinship(row["child"], row["parent"], Relation(row["relation"]))
