"""Artifacts of jobs: files beside their pictures."""

import sqlite3

import aiosqlite

from bot.db.store import Erasure, Store
from bot.db.tables import Value, insert_sql
from bot.domain.artifact import Artifact
from engine.contract import ArtifactRole


class ArtifactStore(Store):
    """Writes the table `artifacts`. The files lie in the folder of the job's pictures, with which
    they are deleted."""

    erased_tables = ("artifacts",)

    async def add(self, artifact: Artifact, attempt: int) -> bool:
        """Store an artifact of a running job; one of an older attempt is replaced.

        False if the attempt was superseded or the job has ended.
        """
        async with self._connection.transaction() as db:
            running = await db.execute_fetchall(
                "SELECT 1 FROM jobs WHERE id = ? AND attempt = ? AND status = 'running'",
                (artifact.job_id, attempt),
            )
            if not running:
                return False
            columns = _columns(artifact)
            await db.execute(
                "DELETE FROM artifacts WHERE job = :job AND nth = :nth AND role = :role", columns
            )
            await db.execute(insert_sql("artifacts", columns), columns)
        return True

    async def of_job(self, job_id: str) -> list[Artifact]:
        """All artifacts of a job, in the order of its pictures."""
        stored = await self._connection.fetch_all(
            "SELECT * FROM artifacts WHERE job = ? ORDER BY nth, role", job_id
        )
        return [_artifact(row) for row in stored]

    async def find(self, job_id: str, nth: int, role: ArtifactRole) -> Artifact | None:
        """The artifact of this picture and role."""
        artifacts = await self.of_job(job_id)
        matches = (item for item in artifacts if (item.nth, item.role) == (nth, role))
        return next(matches, None)

    async def erase_jobs(self, db: aiosqlite.Connection, erasure: Erasure) -> None:
        """Delete the artifacts of these jobs."""
        await db.execute(
            "DELETE FROM artifacts WHERE job IN (SELECT value FROM json_each(:job_ids))",
            {"job_ids": erasure.job_ids},
        )


async def mark_removed(db: aiosqlite.Connection, job_id: str, now: float) -> None:
    """Mark all artifacts of a job as removed by moderators, in a transaction of the caller."""
    await db.execute(
        "UPDATE artifacts SET removed_at = ? WHERE job = ? AND removed_at IS NULL", (now, job_id)
    )


async def delete_of_job(db: aiosqlite.Connection, job_id: str) -> None:
    """Delete the artifacts of a job that ends without pictures."""
    await db.execute("DELETE FROM artifacts WHERE job = ?", (job_id,))


def _columns(artifact: Artifact) -> dict[str, Value]:
    return {
        "job": artifact.job_id,
        "nth": artifact.nth,
        "role": artifact.role.value,
        "media_type": artifact.media_type,
        "sha256": artifact.sha256,
        "path": artifact.path,
        "is_flagged": int(artifact.is_flagged),
        "failed": artifact.failure_reason,
    }


def _artifact(row: sqlite3.Row) -> Artifact:
    return Artifact(
        job_id=row["job"],
        nth=row["nth"],
        role=ArtifactRole(row["role"]),
        media_type=row["media_type"],
        sha256=row["sha256"],
        path=row["path"],
        is_flagged=bool(row["is_flagged"]),
        failure_reason=row["failed"],
        is_removed=row["removed_at"] is not None,
    )
