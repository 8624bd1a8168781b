"""The record of jobs and pictures in SQLite: each method is one transaction."""

import logging
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import aiosqlite
import msgspec

from bot.db import rows, usage
from bot.db.database import Record
from bot.db.tables import insertion
from bot.db.usage import Charge
from bot.domain.job import Job, Passage, Status
from bot.domain.limits import Load
from bot.domain.picture import Picture
from engine.contract import Recipe

Heard = Callable[[Passage], None]
log = logging.getLogger(__name__)


class Found(msgspec.Struct, frozen=True):
    """What a message shows: a job, or only its nth picture."""

    job: Job
    nth: int | None


class Ledger(Record):
    """Use as `async with Ledger(path)`, on a database that is migrated.

    What becomes of a job is logged here, once it is so. `heard` is told of each job that has ended,
    and again when its ending has been seen.
    """

    def __init__(self, path: Path, heard: Heard = lambda _: None) -> None:
        super().__init__(path)
        self._heard = heard

    # A job's way, in order

    async def add(self, job: Job) -> bool:
        """Record a new job; False if this request was recorded before."""
        columns = rows.from_job(job)
        new = await self.change(
            insertion("jobs", columns, "ON CONFLICT (request) DO NOTHING"), columns
        )
        if new:
            log.info("job accepted", extra=_introduced(job))
        return new

    async def queue(self, job: str, recipes: Sequence[Recipe]) -> bool:
        """An accepted job is complete and waits for its turn."""
        queued = await self.change(
            "UPDATE jobs SET status = 'queued', recipes = :recipes, sketch = NULL "
            "WHERE id = :job AND status = 'accepted'",
            {"job": job, "recipes": rows.json(recipes)},
        )
        if queued:
            log.info("job queued", extra={"job": job})
        return queued

    async def place(self, job: str, message: int) -> None:
        """The job is shown on this message."""
        async with self.transaction() as connection:
            await connection.execute(
                "UPDATE jobs SET message = ? WHERE id = ? "
                "AND (erased IS NULL OR delivered_at IS NULL)",
                (message, job),
            )
            await _post(connection, message, job, None)

    async def forget_token(self, job: str) -> None:
        """The interaction's token works no more."""
        await self.change("UPDATE jobs SET token = NULL WHERE id = :job", {"job": job})

    async def claim(self, job: str, *, now: float) -> Job | None:
        """Take a queued job to the engine, as a new attempt; None if it is queued no more."""
        async with self.transaction() as connection:
            cursor = await connection.execute(
                "UPDATE jobs SET status = 'running', attempt = attempt + 1, started_at = ? "
                "WHERE id = ? AND status = 'queued' RETURNING *",
                (now, job),
            )
            claimed = list(await cursor.fetchall())  # to the end, or the commit waits for the rest
        if not claimed:
            return None
        found = rows.to_job(claimed[0])
        log.info("job started", extra={"job": job, "attempt": found.attempt})
        return found

    async def requeue(self, job: str, attempt: int, *, crashed: bool) -> bool:
        """A running job was not finished, and waits again."""
        again = await self.change(
            "UPDATE jobs SET status = 'queued', crashes = crashes + :crashed "
            "WHERE id = :job AND attempt = :attempt AND status = 'running'",
            {"job": job, "attempt": attempt, "crashed": int(crashed)},
        )
        if again:
            log.info("job queued again", extra={"job": job, "crashed": crashed})
        return again

    async def finish(
        self,
        job: str,
        attempt: int,
        pictures: Sequence[Picture],
        now: float,
        charge: Charge | None = None,
    ) -> Job | None:
        """Store the pictures, the charge and the status in one transaction.

        Returns the job; None if the attempt was superseded or the job has ended.
        """
        async with self.transaction() as connection:
            ended = await connection.execute_fetchall(
                "UPDATE jobs SET status = 'done', ended_at = ? "
                "WHERE id = ? AND attempt = ? AND status = 'running' RETURNING *",
                (now, job, attempt),
            )
            if not ended:
                return None
            for picture in pictures:
                columns = rows.from_picture(picture)
                await connection.execute(insertion("pictures", columns), columns)
            if charge is not None:
                await usage.add(connection, charge)
        self._tell("job ended", ended)
        return next(map(rows.to_job, ended))

    async def end(
        self, job: str, status: Status, now: float, *, reason: str | None = None
    ) -> Job | None:
        """Finish a job that has no pictures and schedule its files for deletion.

        Returns the job; None if it had ended before.
        """
        async with self.transaction() as connection:
            ended = await connection.execute_fetchall(
                "UPDATE jobs SET status = :status, reason = :reason, ended_at = :now, "
                "sketch = NULL "
                "WHERE id = :job AND ended_at IS NULL RETURNING *",
                {"job": job, "status": status.value, "reason": reason, "now": now},
            )
            await connection.executemany(
                "INSERT OR IGNORE INTO removals VALUES ('pictures', ?)",
                [(row["id"],) for row in ended if row["attempt"]],  # it may have written some
            )
        self._tell("job ended", ended, reason)
        return next(map(rows.to_job, ended), None)

    async def delivered(self, job: str, *, now: float) -> None:
        """The person has seen the ending; the interaction's token is forgotten, and of what was
        deleted meanwhile also the place."""
        async with self.transaction() as connection:
            await connection.execute(
                "UPDATE jobs SET channel = 0, guild = NULL, message = NULL, application = NULL, "
                "reply_to = NULL WHERE id = ? AND erased IS NOT NULL",
                (job,),
            )
            seen = await connection.execute_fetchall(
                "UPDATE jobs SET delivered_at = :now, token = NULL "
                "WHERE id = :job AND ended_at IS NOT NULL AND delivered_at IS NULL "
                "RETURNING *",
                {"job": job, "now": now},
            )
        self._tell("job delivered", seen)

    async def recover(self) -> None:
        """After a start: what was running when the last process died waits again."""
        async with self.transaction() as connection:
            again = await connection.execute_fetchall(
                "UPDATE jobs SET status = 'queued', crashes = crashes + 1 "
                "WHERE status = 'running' AND ended_at IS NULL RETURNING id"
            )
        for row in again:
            log.info("job queued again", extra={"job": row["id"], "crashed": True})

    def _tell(self, event: str, found: Iterable[sqlite3.Row], reason: str | None = None) -> None:
        for passage in map(rows.to_passage, found):
            log.info(event, extra=_timed(passage) | {"reason": reason})
            self._heard(passage)

    # Looking things up

    async def is_known(self, request: str) -> bool:
        """Was this asked before?"""
        found = await self.rows(
            "SELECT 1 FROM jobs WHERE request IN (?, ?)", request, rows.spent(request)
        )
        return bool(found)

    async def job(self, job: str) -> Job | None:
        """The job of this id."""
        found = await self.rows("SELECT * FROM jobs WHERE id = ?", job)
        return rows.to_job(found[0]) if found else None

    async def pictures(self, job: str) -> list[Picture]:
        """A job's pictures in reading order."""
        found = await self.rows("SELECT * FROM pictures WHERE job = ? ORDER BY nth", job)
        return [rows.to_picture(row) for row in found]

    async def picture(self, picture: str) -> Picture | None:
        """The picture of this id."""
        found = await self.rows("SELECT * FROM pictures WHERE id = ?", picture)
        return rows.to_picture(found[0]) if found else None

    async def waiting(self) -> list[Job]:
        """All queued jobs."""
        found = await self.rows(
            "SELECT * FROM jobs WHERE status = 'queued' AND ended_at IS NULL"  # as the index says
        )
        return [rows.to_job(row) for row in found]

    async def served(self) -> dict[int, float]:
        """When each person who waits was last served."""
        found = await self.rows(
            "SELECT person, (SELECT max(started_at) FROM jobs WHERE person = waiting.person) AS at "
            "FROM (SELECT DISTINCT person FROM jobs WHERE status = 'queued' AND ended_at IS NULL) "
            "AS waiting"
        )
        return {row["person"]: row["at"] for row in found if row["at"] is not None}

    async def load(self, person: int, guild: int | None = None) -> Load:
        """How many jobs are unfinished."""
        [found] = await self.rows(
            "SELECT count(*) AS everybody, count(*) FILTER (WHERE person = ?) AS own, "
            "count(*) FILTER (WHERE guild = ?) AS theirs FROM jobs WHERE ended_at IS NULL",
            person,
            guild,
        )
        return Load(found["own"], found["theirs"], found["everybody"])

    async def unfinished(self, person: int) -> list[Job]:
        """This person's jobs that have not ended."""
        found = await self.rows("SELECT * FROM jobs WHERE person = ? AND ended_at IS NULL", person)
        return [rows.to_job(row) for row in found]

    async def accepted(self) -> list[Job]:
        """Jobs that are recorded but not complete."""
        found = await self.rows("SELECT * FROM jobs WHERE status = 'accepted' AND ended_at IS NULL")
        return [rows.to_job(row) for row in found]

    async def undelivered(self) -> list[Job]:
        """Ended jobs whose ending nobody has seen, oldest first."""
        found = await self.rows(
            "SELECT * FROM jobs WHERE ended_at IS NOT NULL AND delivered_at IS NULL "
            "ORDER BY ended_at"
        )
        return [rows.to_job(row) for row in found]

    # Messages

    async def post(self, message: int, job: str, nth: int | None) -> None:
        """This message shows the job, or its nth picture."""
        async with self.transaction() as connection:
            await _post(connection, message, job, nth)

    async def shown_on(self, message: int) -> Found | None:
        """What this message of ours shows."""
        found = await self.rows(
            "SELECT jobs.*, posts.nth FROM posts JOIN jobs ON jobs.id = posts.job "
            "WHERE posts.message = ?",
            message,
        )
        return Found(rows.to_job(found[0]), found[0]["nth"]) if found else None

    async def release(self, request: str) -> None:
        """The same request may be made again, for what asked for it was taken back."""
        await self.change(
            "UPDATE jobs SET request = request || ':' || id WHERE request IN (:request, :spent)",
            {"request": request, "spent": rows.spent(request)},
        )


async def _post(connection: aiosqlite.Connection, message: int, job: str, nth: int | None) -> None:
    await connection.execute(
        "INSERT INTO posts (message, job, nth) "
        "SELECT :message, id, :nth FROM jobs WHERE id = :job AND erased IS NULL "
        "ON CONFLICT DO NOTHING",
        {"message": message, "job": job, "nth": nth},
    )


def _introduced(job: Job) -> dict[str, object]:
    first = job.recipes[0]
    return {
        "job": job.id,
        "kind": job.kind.value,
        "pictures": len(job.recipes),
        "prompt": first.prompt,
        "negative": first.negative,
    }


def _timed(passage: Passage) -> dict[str, object]:
    seconds = {"waited": passage.waited, "painted": passage.painted, "shown": passage.shown}
    told = {name: round(value, 3) for name, value in seconds.items() if value is not None}
    return {"job": passage.job, "ending": passage.status.value, **told}
