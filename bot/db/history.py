"""The finished jobs of each user in the order of time, and the search in them."""

from typing import Final

import aiosqlite

from bot.db import rows
from bot.db.store import Erasure, Store
from bot.domain.history import HistoryFilter, HistoryPage, searchable
from bot.domain.job import Job

_ESCAPE: Final = str.maketrans({sign: f"\\{sign}" for sign in "\\%_"})


class HistoryStore(Store):
    """Writes the table `history`, together with the job store.

    The words are searched by LIKE in the rows of one user, which lie next to each other: this finds
    parts of words in all scripts, and an erased job leaves no words in an index.
    """

    erased_tables = ("history",)

    async def page(
        self, user_id: int, chosen: HistoryFilter, number: int, size: int
    ) -> HistoryPage:
        """A page of the matching jobs; pages are counted from 0. A number that is too large is that
        of the last page."""
        condition, values = _condition(user_id, chosen)
        [counted] = await self._connection.fetch_all(
            f"SELECT count(*) AS count FROM history WHERE {condition}",  # noqa: S608 # ours
            **values,
        )
        count: int = counted["count"]
        number = max(0, min(number, (count - 1) // size))
        jobs = await self._jobs(condition, **values, limit=size, offset=number * size)
        return HistoryPage(jobs=tuple(jobs), number=number, count=count)

    async def latest(self, user_id: int, words: str, limit: int) -> list[Job]:
        """The latest finished jobs of a user whose prompts contain these words, newest first."""
        condition, values = _condition(user_id, HistoryFilter(words=words))
        return await self._jobs(condition, **values, limit=limit, offset=0)

    async def _jobs(self, condition: str, **values: object) -> list[Job]:
        matches = await self._connection.fetch_all(
            f"{rows.JOBS} WHERE id IN (SELECT job FROM history WHERE {condition} "  # noqa: S608 # ours
            "ORDER BY created_at DESC, job DESC LIMIT :limit OFFSET :offset) "
            "ORDER BY created_at DESC, id DESC",  # ours
            **values,
        )
        return [rows.to_job(row) for row in matches]

    async def models(self, user_id: int) -> list[str]:
        """The names of the models of a user's finished jobs, in alphabetical order."""
        stored = await self._connection.fetch_all(
            "SELECT DISTINCT models FROM history WHERE person = ?", user_id
        )
        return sorted({name for row in stored for name in row["models"].split("\n") if name})

    async def erase_jobs(self, db: aiosqlite.Connection, erasure: Erasure) -> None:
        """Delete the rows of these jobs."""
        await db.execute(
            "DELETE FROM history WHERE job IN (SELECT value FROM json_each(:job_ids))",
            {"job_ids": erasure.job_ids},
        )


def _condition(user_id: int, chosen: HistoryFilter) -> tuple[str, dict[str, object]]:
    """In SQL, and its values."""
    parts = ["person = :person AND created_at >= :since AND created_at < :until"]
    values: dict[str, object] = {
        "person": user_id,
        "since": chosen.since,
        "until": chosen.until,
    }
    if chosen.model:
        parts.append("instr(models, :model)")
        values["model"] = f"\n{chosen.model}\n"
    for index, word in enumerate(searchable(chosen.words).split()):
        parts.append(f"words LIKE :word{index} ESCAPE '\\'")
        values[f"word{index}"] = f"%{word.translate(_ESCAPE)}%"
    return " AND ".join(parts), values


async def add(db: aiosqlite.Connection, job: Job) -> None:
    """Store a job that is done, in a transaction of the job store."""
    prompts = [prompt for work in job.recipes for prompt, _ in work.recipe.prompts]
    models = dict.fromkeys(work.model for work in job.recipes)
    await db.execute(
        "INSERT OR IGNORE INTO history (person, created_at, job, models, words) "
        "VALUES (?, ?, ?, ?, ?)",
        (
            job.user_id,
            job.created_at,
            job.id,
            "\n".join(["", *models, ""]),
            searchable("\n".join(dict.fromkeys([job.plan.prompt, *prompts]))),
        ),
    )
