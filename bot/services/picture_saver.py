"""Stores the pictures and artifacts of one attempt of a job as they arrive from the engine."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Self

import msgspec

from bot.db.artifacts import ArtifactStore
from bot.db.connection import retry_until_written
from bot.db.jobs import JobStore
from bot.domain.job import Job
from bot.domain.picture import Picture, picture_id
from bot.i18n import _
from bot.services.artifact_saver import ArtifactSaver
from bot.storage import FileStorage
from engine.contract import ArtifactDone, ArtifactFailure, PaintedImage, sha256, with_row_class

log = logging.getLogger(__name__)


class PictureSaver:
    """Use as `async with`: leaving waits until all pictures are stored, unless it is cancelled.

    First the file is written, then the row. Pictures of an attempt that was superseded, or of a
    job that has ended, are not stored, and their files are deleted.
    """

    def __init__(
        self,
        jobs: JobStore,
        artifacts: ArtifactStore,
        storage: FileStorage,
        job: Job,
        numbers: Sequence[int],
    ) -> None:
        """`numbers` are those (from 1) of the pictures that the engine was asked for."""
        self._artifacts = ArtifactSaver(artifacts, storage, job)
        self._pending_artifacts: list[ArtifactDone] = []
        self._jobs = jobs
        self._storage = storage
        self._job = job
        self._numbers = numbers
        self._pending: dict[int, PaintedImage] = {}
        self._task: asyncio.Task[None] | None = None
        self._unwritten: dict[int, PaintedImage] = {}
        """Pictures whose files could not be written, by number."""
        self.disk_error: OSError | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._task is None:
            return
        if kind is not None and issubclass(kind, asyncio.CancelledError):
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        else:
            await self._task

    def add(self, index: int, image: PaintedImage) -> None:
        """Store the picture of this index (from 0) among the requested ones soon."""
        self._pending[self._numbers[index]] = image
        self._wake()

    def add_artifact(self, artifact: ArtifactDone) -> None:
        """Store an artifact soon, after the picture that it belongs to."""
        self._pending_artifacts.append(artifact)
        self._wake()

    async def save_failures(self, failures: Sequence[ArtifactFailure]) -> None:
        """Store which artifacts the engine could not make."""
        for failure in failures:
            await self._artifacts.save_failure(self._numbers[failure.index], failure)

    def _wake(self) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._store_pending(self._task))

    async def retry_unwritten(self) -> list[Picture]:
        """Try again to write the files that could not be written.

        Returns the pictures whose files still cannot be written, as failed pictures.
        """
        images, self._unwritten = self._unwritten, {}
        await self._store(images)
        if self.disk_error is None:
            return []
        reason = _("The picture could not be written to the bot's disk ({error}).").format(
            error=self.disk_error.strerror
        )
        return [
            msgspec.structs.replace(
                self._picture(nth, image, None),
                is_withheld=False,
                sha256=None,
                verdicts=(),
                failure_reason=reason,
            )
            for nth, image in self._unwritten.items()
        ]

    async def _store_pending(self, previous: asyncio.Task[None] | None) -> None:
        if previous is not None:
            await previous  # raises its error, if any
        while self._pending or self._pending_artifacts:
            images, self._pending = self._pending, {}
            artifacts, self._pending_artifacts = self._pending_artifacts, []
            await self._store(images)
            for artifact in artifacts:
                await self._artifacts.save(self._numbers[artifact.index], artifact)

    async def _store(self, images: dict[int, PaintedImage]) -> None:
        if not images:
            return
        pictures = await asyncio.to_thread(self._write_all, images)
        job = self._job
        is_stored = await retry_until_written(
            lambda: self._jobs.add_pictures(job.id, job.attempt, pictures)
        )
        if not is_stored:
            await self._delete_files(pictures)

    async def _delete_files(self, pictures: Sequence[Picture]) -> None:
        """Delete the files of pictures that were not stored, but not those of a newer attempt."""
        for picture in pictures:
            stored = await retry_until_written(lambda: self._jobs.picture(picture.id))  # noqa: B023 # called now
            if stored is None or stored.path is None:
                await asyncio.to_thread(self._storage.delete_picture, self._job.id, picture.nth)

    def _write_all(self, images: dict[int, PaintedImage]) -> list[Picture]:
        pictures = []
        for nth, image in images.items():
            try:
                pictures.append(self._write(nth, image))
            except OSError as error:
                log.error("A picture could not be written: %s", error)  # noqa: TRY400 # the traceback says nothing
                self._unwritten[nth], self.disk_error = image, error
        return pictures

    def _write(self, nth: int, image: PaintedImage) -> Picture:
        if not image.png or (image.flagged and not self._job.include_flagged):
            return self._picture(nth, image, None)
        path = self._storage.save_picture(self._job.id, nth, image.png)
        return self._picture(nth, image, path)

    def _picture(self, nth: int, image: PaintedImage, path: str | None) -> Picture:
        recipe = self._job.recipes[nth - 1]
        return Picture(
            id=picture_id(self._job.id, nth),
            job_id=self._job.id,
            nth=nth,
            recipe=with_row_class(recipe, image.row_class, image.backend),
            sha256=image.sha256 or None,
            file_sha256=sha256(image.png) if path else None,
            path=path,
            is_withheld=image.flagged and path is None,
            is_flagged_but_kept=image.flagged and path is not None,
            verdicts=image.verdicts,
            failure_reason=image.failed,
            omission=image.omission,
            fingerprint=image.fingerprint,
        )
