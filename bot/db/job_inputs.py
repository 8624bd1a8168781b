"""The attachments and earlier pictures that jobs were requested with."""

import sqlite3
from collections.abc import Collection, Sequence
from typing import Final

import aiosqlite
import msgspec

from bot.db import rows
from bot.db.store import Erasure, Store
from bot.domain.job_input import InputRole, PlanInput
from engine.contract.images.fit import Fit


class _Options(msgspec.Struct, frozen=True, omit_defaults=True):
    """The column `options`."""

    keep_size: bool = False
    fit: Fit = Fit.COVER
    nth: int = 1
    """Among those of its role."""


_OPTIONS: Final = msgspec.json.Decoder(_Options)


class JobInputStore(Store):
    """Writes the table `job_inputs`, together with the job store.

    The address of an attachment is stored until the attachment is fetched; then its digest is.
    """

    erased_tables = ("job_inputs",)

    async def pending(self, job_id: str) -> list[PlanInput]:
        """The attachments that were not fetched yet, in their order."""
        stored = await self._connection.fetch_all(
            "SELECT * FROM job_inputs WHERE job = ? AND url IS NOT NULL ORDER BY nth", job_id
        )
        return [_input(row) for row in stored]

    async def fetched(self, user_id: int, digests: Collection[str]) -> frozenset[str]:
        """Those of these digests that are of files that this user has uploaded."""
        stored = await self._connection.fetch_all(
            "SELECT sha256 FROM job_inputs JOIN jobs ON jobs.id = job "
            "WHERE person = ? AND sha256 IN (SELECT value FROM json_each(?))",
            user_id,
            rows.json(list(digests)),
        )
        return frozenset(row["sha256"] for row in stored)

    async def erase_jobs(self, db: aiosqlite.Connection, erasure: Erasure) -> None:
        """Delete the inputs of these jobs."""
        await db.execute(
            "DELETE FROM job_inputs WHERE job IN (SELECT value FROM json_each(:job_ids))",
            {"job_ids": erasure.job_ids},
        )


async def add(db: aiosqlite.Connection, job_id: str, inputs: Sequence[PlanInput]) -> None:
    """Store the inputs of a new job, in a transaction of the caller."""
    await db.executemany(
        "INSERT INTO job_inputs (job, nth, role, url, options) VALUES (?, ?, ?, ?, ?)",
        [
            (job_id, nth, item.role.value, item.url, rows.json(_options(item)))
            for nth, item in enumerate(inputs, start=1)
        ],
    )


async def set_digests(db: aiosqlite.Connection, job_id: str, digests: Sequence[str]) -> None:
    """Replace the addresses of pending inputs by the digests of their files, in their order, in a
    transaction of the caller."""
    pending = await db.execute_fetchall(
        "SELECT nth FROM job_inputs WHERE job = ? AND url IS NOT NULL ORDER BY nth", (job_id,)
    )
    await db.executemany(
        "UPDATE job_inputs SET url = NULL, sha256 = ? WHERE job = ? AND nth = ?",
        [(digest, job_id, row["nth"]) for row, digest in zip(pending, digests, strict=True)],
    )


async def delete_pending(db: aiosqlite.Connection, job_id: str) -> None:
    """Delete the inputs of a job that ends before they are fetched."""
    await db.execute("DELETE FROM job_inputs WHERE job = ? AND url IS NOT NULL", (job_id,))


def _input(row: sqlite3.Row) -> PlanInput:
    options = _OPTIONS.decode(row["options"])
    return PlanInput(
        role=InputRole(row["role"]),
        url=row["url"],
        nth=options.nth,
        keep_size=options.keep_size,
        fit=options.fit,
    )


def _options(item: PlanInput) -> _Options:
    return _Options(keep_size=item.keep_size, fit=item.fit, nth=item.nth)
