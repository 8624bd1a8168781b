"""Reports and the cases that they make, and the removal of pictures, in SQLite."""

import sqlite3
from typing import Final

import aiosqlite

from bot.db import rows
from bot.db.audit_log import append
from bot.db.database import SqliteConnection
from bot.db.tables import Table
from bot.domain.job import Job
from bot.domain.moderation import AuditAction, AuditEntry, Case, CaseState, Report

_REMOVED: Final = "SELECT job FROM pictures WHERE removed_at IS NOT NULL"
REPORTS: Final = Table(
    "reports",
    Report,
    {
        "job_id": "job",
        "channel_id": "channel",
        "message_id": "message",
        "nth": "nth",
        "reporter_id": "reporter",
        "reason": "reason",
        "created_at": "at",
    },
)
"""The field `guild` is a column of the table `cases`."""


class ReportStore:
    """A case belongs to the job that was reported."""

    def __init__(self, record: SqliteConnection) -> None:
        self._record = record

    async def previous_reports(
        self, reporter_id: int, message_id: int, *, since: float
    ) -> tuple[bool, int]:
        """Did they report this message, and how many did they report since then?"""
        [found] = await self._record.fetch_all(
            "SELECT count(*) FILTER (WHERE message = ?) AS this, "
            "count(*) FILTER (WHERE at >= ?) AS lately FROM reports WHERE reporter = ?",
            message_id,
            since,
            reporter_id,
        )
        return found["this"] > 0, found["lately"]

    async def submit(self, report: Report) -> bool:
        """Keep a report, and open its case (again); False if it was kept before.

        A case that is opened again gets a new card.
        """
        async with self._record.transaction() as connection:
            await connection.execute(
                "INSERT INTO cases (job, guild) VALUES (?, ?) ON CONFLICT DO NOTHING",
                (report.job_id, report.guild_id),
            )
            kept = await connection.execute(
                REPORTS.insert_sql("ON CONFLICT DO NOTHING"), REPORTS.to_row(report)
            )
            if kept.rowcount <= 0:
                return False
            await connection.execute(
                "UPDATE cases SET state = 'open', moderator = NULL, closed_at = NULL, "
                "card = NULL, card_channel = NULL WHERE job = ? AND state = 'dismissed'",
                (report.job_id,),
            )
            entry = AuditEntry(
                created_at=report.created_at,
                guild_id=report.guild_id,
                channel_id=report.channel_id,
                actor_id=report.reporter_id,
                action=AuditAction.REPORTED,
                job_id=report.job_id,
                detail=report.reason,
            )
            await append(connection, entry)
            return True

    async def case(self, job_id: str) -> Case | None:
        """The case of this job, if it was reported."""
        found = await self._record.fetch_all("SELECT * FROM cases WHERE job = ?", job_id)
        if not found:
            return None
        reports = await self._record.fetch_all(
            "SELECT * FROM reports WHERE job = ? ORDER BY id", job_id
        )
        return _case(found[0], reports)

    async def without_card(self) -> list[str]:
        """The jobs of open cases that moderators have not been shown."""
        found = await self._record.fetch_all(
            "SELECT job FROM cases WHERE state = 'open' AND card IS NULL"
        )
        return [row["job"] for row in found]

    async def set_card(
        self, job_id: str, channel_id: int, message_id: int, *, replacing: int | None
    ) -> bool:
        """The case is shown on this message; False if it has another one than that by now."""
        return await self._record.execute(
            "UPDATE cases SET card_channel = :channel, card = :message "
            "WHERE job = :job AND (card IS :before OR card = :message)",
            {"job": job_id, "channel": channel_id, "message": message_id, "before": replacing},
        )

    async def close(self, job_id: str, state: CaseState, entry: AuditEntry) -> bool:
        """End a case, and note it; False if it was ended so before. There may be no case."""
        async with self._record.transaction() as connection:
            return await _close(connection, job_id, state, entry)

    async def remove(self, job_id: str, entry: AuditEntry) -> None:
        """No picture of this job is shown any more, or painted again; its files go. The messages
        that show one are deleted next, and then `forget` is called."""
        async with self._record.transaction() as connection:
            await connection.execute(
                "UPDATE pictures SET removed_at = ? WHERE job = ? AND removed_at IS NULL",
                (entry.created_at, job_id),
            )
            await connection.execute(
                "INSERT OR IGNORE INTO removals VALUES ('pictures', ?)", (job_id,)
            )
            await _close(connection, job_id, CaseState.REMOVED, entry)

    async def forget_message(self, message_id: int) -> None:
        """This message is deleted."""
        async with self._record.transaction() as connection:
            await connection.execute("DELETE FROM posts WHERE message = ?", (message_id,))
            await connection.execute("DELETE FROM letters WHERE message = ?", (message_id,))

    async def messages_to_delete(self) -> list[tuple[int, int]]:
        """Channel and message of all that may still show a picture that was removed."""
        return await self._showing(_REMOVED)

    async def unfinished_variations_of_removed(self) -> list[Job]:
        """Variations of removed pictures that are not finished."""
        found = await self._record.fetch_all(
            "SELECT * FROM jobs WHERE kind = 'variation' AND ended_at IS NULL AND EXISTS ("
            "SELECT 1 FROM json_each(parents) JOIN pictures ON pictures.id = value "
            "WHERE removed_at IS NOT NULL)"
        )
        return [rows.to_job(row) for row in found]

    async def messages(self, job_id: str) -> list[tuple[int, int]]:
        """Channel and message of all that show the job or one of its pictures, letters too."""
        return await self._showing("SELECT ?1", job_id)

    async def _showing(self, jobs: str, *values: object) -> list[tuple[int, int]]:
        found = await self._record.fetch_all(
            "SELECT channel, posts.message FROM posts JOIN jobs ON jobs.id = job "  # noqa: S608 # ours
            f"WHERE job IN ({jobs}) "
            f"UNION ALL SELECT channel, message FROM letters WHERE job IN ({jobs})",
            *values,
        )
        return [(row["channel"], row["message"]) for row in found]

    async def record_dm(self, job_id: str, channel_id: int, message_id: int) -> None:
        """This direct message shows pictures of the job."""
        await self._record.execute(
            "INSERT OR IGNORE INTO letters (message, channel, job) "
            "SELECT :message, :channel, id FROM jobs WHERE id = :job AND erased IS NULL",
            {"message": message_id, "channel": channel_id, "job": job_id},
        )

    async def variations(self, job_id: str) -> list[Job]:
        """Those of its pictures that are shown, or will be, oldest first."""
        found = await self._record.fetch_all(
            "SELECT * FROM jobs WHERE kind = 'variation' AND erased IS NULL "
            "AND EXISTS (SELECT 1 FROM json_each(parents) WHERE value GLOB ?1 || '-[1-4]') "
            "AND (ended_at IS NULL OR id IN (SELECT job FROM pictures WHERE removed_at IS NULL)) "
            "ORDER BY rowid",
            job_id,
        )
        return [rows.to_job(row) for row in found]


async def _close(
    connection: aiosqlite.Connection, job: str, state: CaseState, entry: AuditEntry
) -> bool:
    changed = await connection.execute(
        "UPDATE cases SET state = ?, moderator = ?, closed_at = ? "
        "WHERE job = ? AND state NOT IN (?, 'removed')",
        (state.value, entry.actor_id, entry.created_at, job, state.value),
    )
    [(other,)] = await connection.execute_fetchall(
        "SELECT count(*) FROM cases WHERE job = ?", (job,)
    )
    new = changed.rowcount > 0 or not other
    if new:
        await append(connection, entry)
    return new


def _case(row: sqlite3.Row, reports: list[sqlite3.Row]) -> Case:
    return Case(
        job_id=row["job"],
        guild_id=row["guild"],
        state=CaseState(row["state"]),
        moderator_id=row["moderator"],
        card_channel_id=row["card_channel"],
        card_message_id=row["card"],
        reports=tuple(REPORTS.from_row(report, guild_id=row["guild"]) for report in reports),
    )
