"""Reports and the cases that they make, and the removal of pictures, in SQLite."""

import sqlite3
from typing import Final

import aiosqlite

from bot.db import rows
from bot.db.audit_log import note
from bot.db.database import Record
from bot.db.tables import Table
from bot.domain.job import Job
from bot.domain.moderation import Action, Case, Entry, Report, State

_REMOVED: Final = "SELECT job FROM pictures WHERE removed_at IS NOT NULL"
REPORTS: Final = Table(
    "reports",
    Report,
    {
        "job": "job",
        "channel": "channel",
        "message": "message",
        "nth": "nth",
        "reporter": "reporter",
        "reason": "reason",
        "at": "at",
    },
)
"""The field `guild` is a column of the table `cases`."""


class Reports:
    """A case belongs to the job that was reported."""

    def __init__(self, record: Record) -> None:
        self._record = record

    async def before(self, reporter: int, message: int, *, since: float) -> tuple[bool, int]:
        """Did they report this message, and how many did they report since then?"""
        [found] = await self._record.rows(
            "SELECT count(*) FILTER (WHERE message = ?) AS this, "
            "count(*) FILTER (WHERE at >= ?) AS lately FROM reports WHERE reporter = ?",
            message,
            since,
            reporter,
        )
        return found["this"] > 0, found["lately"]

    async def file(self, report: Report) -> bool:
        """Keep a report, and open its case (again); False if it was kept before.

        A case that is opened again gets a new card.
        """
        async with self._record.transaction() as connection:
            await connection.execute(
                "INSERT INTO cases (job, guild) VALUES (?, ?) ON CONFLICT DO NOTHING",
                (report.job, report.guild),
            )
            kept = await connection.execute(
                REPORTS.insert_sql("ON CONFLICT DO NOTHING"), REPORTS.to_row(report)
            )
            if kept.rowcount <= 0:
                return False
            await connection.execute(
                "UPDATE cases SET state = 'open', moderator = NULL, closed_at = NULL, "
                "card = NULL, card_channel = NULL WHERE job = ? AND state = 'dismissed'",
                (report.job,),
            )
            entry = Entry(
                at=report.at,
                guild=report.guild,
                channel=report.channel,
                actor=report.reporter,
                action=Action.REPORTED,
                job=report.job,
                detail=report.reason,
            )
            await note(connection, entry)
            return True

    async def case(self, job: str) -> Case | None:
        """The case of this job, if it was reported."""
        found = await self._record.rows("SELECT * FROM cases WHERE job = ?", job)
        if not found:
            return None
        reports = await self._record.rows("SELECT * FROM reports WHERE job = ? ORDER BY id", job)
        return _case(found[0], reports)

    async def uncarded(self) -> list[str]:
        """The jobs of open cases that moderators have not been shown."""
        found = await self._record.rows(
            "SELECT job FROM cases WHERE state = 'open' AND card IS NULL"
        )
        return [row["job"] for row in found]

    async def place_card(
        self, job: str, channel: int, message: int, *, instead_of: int | None
    ) -> bool:
        """The case is shown on this message; False if it has another one than that by now."""
        return await self._record.change(
            "UPDATE cases SET card_channel = :channel, card = :message "
            "WHERE job = :job AND (card IS :before OR card = :message)",
            {"job": job, "channel": channel, "message": message, "before": instead_of},
        )

    async def close(self, job: str, state: State, entry: Entry) -> bool:
        """End a case, and note it; False if it was ended so before. There may be no case."""
        async with self._record.transaction() as connection:
            return await _close(connection, job, state, entry)

    async def remove(self, job: str, entry: Entry) -> None:
        """No picture of this job is shown any more, or painted again; its files go. The messages
        that show one are deleted next, and then `forget` is called."""
        async with self._record.transaction() as connection:
            await connection.execute(
                "UPDATE pictures SET removed_at = ? WHERE job = ? AND removed_at IS NULL",
                (entry.at, job),
            )
            await connection.execute(
                "INSERT OR IGNORE INTO removals VALUES ('pictures', ?)", (job,)
            )
            await _close(connection, job, State.REMOVED, entry)

    async def forget(self, message: int) -> None:
        """This message is deleted."""
        async with self._record.transaction() as connection:
            await connection.execute("DELETE FROM posts WHERE message = ?", (message,))
            await connection.execute("DELETE FROM letters WHERE message = ?", (message,))

    async def condemned(self) -> list[tuple[int, int]]:
        """Channel and message of all that may still show a picture that was removed."""
        return await self._showing(_REMOVED)

    async def orphans(self) -> list[Job]:
        """Variations of removed pictures that are not finished."""
        found = await self._record.rows(
            "SELECT * FROM jobs WHERE kind = 'variation' AND ended_at IS NULL AND EXISTS ("
            "SELECT 1 FROM json_each(parents) JOIN pictures ON pictures.id = value "
            "WHERE removed_at IS NOT NULL)"
        )
        return [rows.to_job(row) for row in found]

    async def messages(self, job: str) -> list[tuple[int, int]]:
        """Channel and message of all that show the job or one of its pictures, letters too."""
        return await self._showing("SELECT ?1", job)

    async def _showing(self, jobs: str, *values: object) -> list[tuple[int, int]]:
        found = await self._record.rows(
            "SELECT channel, posts.message FROM posts JOIN jobs ON jobs.id = job "  # noqa: S608 # ours
            f"WHERE job IN ({jobs}) "
            f"UNION ALL SELECT channel, message FROM letters WHERE job IN ({jobs})",
            *values,
        )
        return [(row["channel"], row["message"]) for row in found]

    async def keep_letter(self, job: str, channel: int, message: int) -> None:
        """This direct message shows pictures of the job."""
        await self._record.change(
            "INSERT OR IGNORE INTO letters (message, channel, job) "
            "SELECT :message, :channel, id FROM jobs WHERE id = :job AND erased IS NULL",
            {"message": message, "channel": channel, "job": job},
        )

    async def variations(self, job: str) -> list[Job]:
        """Those of its pictures that are shown, or will be, oldest first."""
        found = await self._record.rows(
            "SELECT * FROM jobs WHERE kind = 'variation' AND erased IS NULL "
            "AND EXISTS (SELECT 1 FROM json_each(parents) WHERE value GLOB ?1 || '-[1-4]') "
            "AND (ended_at IS NULL OR id IN (SELECT job FROM pictures WHERE removed_at IS NULL)) "
            "ORDER BY rowid",
            job,
        )
        return [rows.to_job(row) for row in found]


async def _close(connection: aiosqlite.Connection, job: str, state: State, entry: Entry) -> bool:
    changed = await connection.execute(
        "UPDATE cases SET state = ?, moderator = ?, closed_at = ? "
        "WHERE job = ? AND state NOT IN (?, 'removed')",
        (state.value, entry.actor, entry.at, job, state.value),
    )
    [(other,)] = await connection.execute_fetchall(
        "SELECT count(*) FROM cases WHERE job = ?", (job,)
    )
    new = changed.rowcount > 0 or not other
    if new:
        await note(connection, entry)
    return new


def _case(row: sqlite3.Row, reports: list[sqlite3.Row]) -> Case:
    return Case(
        job=row["job"],
        guild=row["guild"],
        state=State(row["state"]),
        moderator=row["moderator"],
        card_channel=row["card_channel"],
        card=row["card"],
        reports=tuple(REPORTS.from_row(report, guild=row["guild"]) for report in reports),
    )
