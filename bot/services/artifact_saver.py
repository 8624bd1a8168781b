"""Stores the artifacts of one attempt of a job."""

import asyncio
import logging
from typing import Final

import msgspec

from bot.db.artifacts import ArtifactStore
from bot.db.connection import retry_until_written
from bot.domain.artifact import Artifact
from bot.domain.job import Job
from bot.storage import FileStorage
from engine.contract import ArtifactDone, ArtifactFailure, ArtifactRole, sha256

_SUFFIXES: Final = {"video/mp4": "mp4", "image/png": "png"}
_MEDIA_TYPES: Final = {ArtifactRole.FILM: "video/mp4"}
"""Of roles that are no PNG."""
log = logging.getLogger(__name__)


class ArtifactSaver:
    """First the file is written, then the row. The files lie beside the pictures of the job, with
    which they are deleted."""

    def __init__(self, artifacts: ArtifactStore, storage: FileStorage, job: Job) -> None:
        self._artifacts = artifacts
        self._storage = storage
        self._job = job

    async def save(self, nth: int, done: ArtifactDone) -> None:
        """Store the artifact of the nth picture (from 1).

        If its file cannot be written, that is logged, and the job has no such artifact. Nothing is
        stored for an attempt that was superseded, or if the job has ended.
        """
        artifact = Artifact(
            job_id=self._job.id,
            nth=nth,
            role=done.role,
            media_type=done.media_type,
            sha256=None,
            path=None,
            is_flagged=done.flagged,
        )
        if self._job.include_flagged or not done.flagged:
            try:
                artifact = await asyncio.to_thread(self._with_file, artifact, done.data)
            except OSError as error:
                log.error("An artifact could not be written: %s", error)  # noqa: TRY400 # the traceback says nothing
                return
        is_stored = await retry_until_written(
            lambda: self._artifacts.add(artifact, self._job.attempt)
        )
        if not is_stored and artifact.path is not None:
            await self._delete_file(artifact)

    async def save_failure(self, nth: int, failure: ArtifactFailure) -> None:
        """Store why the nth picture (from 1) has no such artifact."""
        details = {"job": self._job.id, "picture": nth, "role": failure.role}
        log.warning("An artifact could not be made.", extra=details | {"reason": failure.reason})
        artifact = Artifact(
            job_id=self._job.id,
            nth=nth,
            role=failure.role,
            media_type=_MEDIA_TYPES.get(failure.role, "image/png"),
            sha256=None,
            path=None,
            failure_reason=failure.reason,
        )
        await retry_until_written(lambda: self._artifacts.add(artifact, self._job.attempt))

    def _with_file(self, artifact: Artifact, data: bytes) -> Artifact:
        name = f"{artifact.role}.{_SUFFIXES[artifact.media_type]}"
        path = self._storage.save_artifact(artifact.job_id, artifact.nth, name, data)
        return msgspec.structs.replace(artifact, path=path, sha256=sha256(data))

    async def _delete_file(self, artifact: Artifact) -> None:
        """Delete the file, but not that of a newer attempt."""
        stored = await retry_until_written(
            lambda: self._artifacts.find(artifact.job_id, artifact.nth, artifact.role)
        )
        if stored is None or stored.path is None:
            await asyncio.to_thread(self._storage.delete_file, artifact.path or "")
