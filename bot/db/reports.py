"""Reports of jobs by users, and the moderators' cases about them."""

import sqlite3
from typing import ClassVar, Final

import aiosqlite

from bot.db import artifacts, deliveries, file_deletions, job_images, pictures, rows
from bot.db.audit_log import AUDIT_SECONDS, SWEEP_ROWS, append
from bot.db.file_deletions import FileDeletion, FileKind
from bot.db.store import Store
from bot.db.tables import Table
from bot.domain.job import Job
from bot.domain.moderation import AuditAction, AuditEntry, Case, CaseState, Report

REPORTS: Final = Table(
    "reports",
    Report,
    {
        "job_id": "job",
        "guild_id": "guild",
        "channel_id": "channel",
        "message_id": "message",
        "nth": "nth",
        "reporter_id": "reporter",
        "reason": "reason",
        "created_at": "at",
    },
)
_SHOWN_AGAIN: Final = (
    "WITH RECURSIVE shown (job) AS (SELECT ? UNION SELECT lineage.job FROM shown "
    "JOIN lineage ON parent > shown.job || '-' AND parent < shown.job || '.' "
    "WHERE relation IN ('film', 'steps', 'upscale', 'detail', 'replay', 'sketch', 'edit', "
    "'region', 'zoom', 'pan')) "
    "SELECT job FROM shown"
)
"""The job, and those of films, steps, enlargements, replays and changes of its pictures."""


class ReportStore(Store):
    """Writes the tables `reports` and `cases`. A guild has a case for each job that was reported
    there."""

    retained_tables: ClassVar = {
        "reports": "moderators need them against abuse; they expire",
        "cases": "they expire with their reports",
    }

    async def previous_reports(
        self, reporter_id: int, message_id: int, *, since: float
    ) -> tuple[bool, int]:
        """Whether this user reported the message, and their number of reports from `since` on."""
        [row] = await self._connection.fetch_all(
            "SELECT count(*) FILTER (WHERE message = ?) AS same, "
            "count(*) FILTER (WHERE at >= ?) AS recent FROM reports WHERE reporter = ?",
            message_id,
            since,
            reporter_id,
        )
        return row["same"] > 0, row["recent"]

    async def submit(self, report: Report) -> bool:
        """Store a report and open its case, or open it again; False if it was stored before.

        A case that is opened again gets a new card.
        """
        entry = AuditEntry(
            created_at=report.created_at,
            guild_id=report.guild_id,
            channel_id=report.channel_id,
            actor_id=report.reporter_id,
            action=AuditAction.REPORTED,
            job_id=report.job_id,
            detail=report.reason,
        )
        async with self._connection.transaction() as db:
            await db.execute(
                "INSERT INTO cases (job, guild) VALUES (?, ?) ON CONFLICT DO NOTHING",
                (report.job_id, report.guild_id),
            )
            inserted = await db.execute(
                REPORTS.insert_sql("ON CONFLICT DO NOTHING"), REPORTS.to_row(report)
            )
            if inserted.rowcount <= 0:
                return False
            reopened = await db.execute(
                "UPDATE cases SET state = 'open', moderator = NULL, closed_at = NULL "
                "WHERE job = ? AND guild = ? AND state = 'dismissed'",
                (report.job_id, report.guild_id),
            )
            if reopened.rowcount > 0:
                await deliveries.forget_card(db, report.job_id, report.guild_id)
            await append(db, entry)
            return True

    async def case(self, job_id: str, guild_id: int) -> Case | None:
        """The case of this job in a guild, if it was reported there."""
        key = {"job": job_id, "guild": guild_id}
        cases = await self._connection.fetch_all(
            "SELECT * FROM cases WHERE job = :job AND guild = :guild", **key
        )
        if not cases:
            return None
        reports = await self._connection.fetch_all(
            "SELECT * FROM reports WHERE job = :job AND guild = :guild ORDER BY id", **key
        )
        cards = await self._connection.fetch_all(
            "SELECT channel, message FROM deliveries "
            "WHERE kind = 'card' AND job = :job AND guild = :guild AND message IS NOT NULL",
            **key,
        )
        return _case(cases[0], reports, cards[0] if cards else None)

    async def without_card(self) -> list[tuple[str, int]]:
        """The job and guild ids of open cases that have no card in the moderators' channel."""
        cases = await self._connection.fetch_all(
            "SELECT job, guild FROM cases WHERE state = 'open' "
            "AND NOT EXISTS (SELECT 1 FROM deliveries WHERE kind = 'card' "
            "AND deliveries.job = cases.job AND deliveries.guild = cases.guild AND message > 0)"
        )
        return [(row["job"], row["guild"]) for row in cases]

    async def guilds(self, job_id: str) -> list[int]:
        """The ids of the guilds in which this job was reported."""
        cases = await self._connection.fetch_all("SELECT guild FROM cases WHERE job = ?", job_id)
        return [row["guild"] for row in cases]

    async def close(self, job_id: str, state: CaseState, entry: AuditEntry) -> bool:
        """Close the case in the guild of the audit entry, if there is one, and append the entry.

        False if the case was closed in this way before.
        """
        async with self._connection.transaction() as db:
            return await _close(db, job_id, state, entry)

    async def remove(self, job_id: str, entry: AuditEntry) -> list[str]:
        """Mark all pictures of a job as removed, schedule their files for deletion, and close the
        case in the guild of the audit entry. The same happens to jobs that show these pictures
        again, such as films, and to the copies of the pictures that they changed.

        Returns the ids of these jobs; the caller then deletes the messages that show them.
        """
        async with self._connection.transaction() as db:
            job_ids = [row["job"] for row in await db.execute_fetchall(_SHOWN_AGAIN, (job_id,))]
            for copy_id in job_ids:
                await pictures.mark_removed(db, copy_id, entry.created_at)
                await artifacts.mark_removed(db, copy_id, entry.created_at)
                await file_deletions.mark(db, FileDeletion(FileKind.PICTURES, copy_id))
            for digest in await job_images.unlink_pictures(db, job_ids):
                await file_deletions.mark(db, FileDeletion(FileKind.SKETCH, digest))
            await _close(db, job_id, CaseState.REMOVED, entry)
        return job_ids

    async def unfinished_variations_of_removed(self) -> list[Job]:
        """Unfinished jobs that were made from removed pictures."""
        variations = await self._connection.fetch_all(
            f"{rows.JOBS} WHERE ended_at IS NULL AND EXISTS ("  # noqa: S608 # ours
            "SELECT 1 FROM lineage JOIN pictures ON pictures.id = parent "
            "WHERE lineage.job = jobs.id AND removed_at IS NOT NULL)"
        )
        return [rows.to_job(row) for row in variations]

    async def variations(self, job_id: str) -> list[Job]:
        """The jobs that were made from the job's pictures, or from those of such a job, and that
        are or will be shown, oldest first. Rerolls of the job itself are none of them."""
        variations = await self._connection.fetch_all(
            "WITH RECURSIVE derived (job) AS (SELECT ? UNION SELECT lineage.job FROM derived "  # noqa: S608 # ours
            "JOIN lineage ON parent > derived.job || '-' AND parent < derived.job || '.' "
            "WHERE relation != 'reroll') "
            f"{rows.JOBS} WHERE id IN (SELECT job FROM derived) AND id != ? "
            "AND erased IS NULL "
            "AND (ended_at IS NULL OR EXISTS ("
            "SELECT 1 FROM pictures WHERE pictures.job = jobs.id AND removed_at IS NULL)) "
            "ORDER BY jobs.rowid",
            job_id,
            job_id,
        )
        return [rows.to_job(row) for row in variations]

    async def expire(self, db: aiosqlite.Connection, now: float) -> None:
        """Delete some of the reports that are too old, and cases without reports."""
        await db.execute(
            "DELETE FROM reports WHERE id IN (SELECT id FROM reports WHERE at <= ? LIMIT ?)",
            (now - AUDIT_SECONDS, SWEEP_ROWS),
        )
        await db.execute(
            "DELETE FROM cases "
            "WHERE NOT EXISTS (SELECT 1 FROM reports "
            "WHERE reports.job = cases.job AND reports.guild = cases.guild)"
        )
        await deliveries.forget_cards_without_case(db)


async def _close(
    db: aiosqlite.Connection, job_id: str, state: CaseState, entry: AuditEntry
) -> bool:
    changed = await db.execute(
        "UPDATE cases SET state = ?, moderator = ?, closed_at = ? "
        "WHERE job = ? AND guild = ? AND state NOT IN (?, 'removed')",
        (state.value, entry.actor_id, entry.created_at, job_id, entry.guild_id, state.value),
    )
    [(count,)] = await db.execute_fetchall(
        "SELECT count(*) FROM cases WHERE job = ? AND guild = ?", (job_id, entry.guild_id)
    )
    is_new = changed.rowcount > 0 or not count
    if is_new:
        await append(db, entry)
    return is_new


def _case(row: sqlite3.Row, reports: list[sqlite3.Row], card: sqlite3.Row | None) -> Case:
    return Case(
        job_id=row["job"],
        guild_id=row["guild"],
        state=CaseState(row["state"]),
        moderator_id=row["moderator"],
        card_channel_id=None if card is None else card["channel"],
        card_message_id=None if card is None else card["message"],
        reports=tuple(REPORTS.from_row(report) for report in reports),
    )
