"""Enlarges the pictures of small models, to be shown in place of their pictures."""

import asyncio
import itertools
import logging
from collections.abc import Sequence
from typing import Final
from weakref import WeakValueDictionary

from bot.db.connection import retry_until_written
from bot.db.jobs import JobStore
from bot.domain.job import Job, Status
from bot.domain.kinds.upscale import enlargement
from bot.domain.picture import Picture
from bot.engine_client.base import EngineClient
from bot.errors import BotError
from bot.i18n import _
from bot.services import unstored_jobs
from bot.storage import DISPLAY_FILE, FileStorage
from engine.contract import (
    MAX_SIZE,
    Failed,
    ImageDone,
    JobEvent,
    Paint,
    Upscale,
    UpscalerCard,
    sha256,
)

TIMEOUT_SECONDS: Final = 30.0
"""After it, the pictures of a job are shown as they are."""
log = logging.getLogger(__name__)


class DisplayVersions:
    """They are files beside the pictures of a job, with which they are deleted.

    They can be made again at any time, so nothing of them is recorded. The user is not charged.
    """

    def __init__(self, jobs: JobStore, engine: EngineClient, storage: FileStorage) -> None:
        self._jobs = jobs
        self._engine = engine
        self._storage = storage
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        """By job, because several messages may show the same pictures at once."""
        self._attempts = itertools.count(1)
        """The engine may not have stopped the last one of a job before the next begins."""

    async def missing(self, job: Job) -> tuple[int, ...]:
        """The numbers of the pictures that are to be shown enlarged, but have no such file yet."""
        return tuple(picture.nth for picture in await self._pictures(job))

    async def make(self, job: Job, nth: int | None = None) -> None:
        """Make those that are missing, or only that of the nth picture.

        If that fails or takes too long, it is logged, and they stay missing.
        """
        lock = self._locks.setdefault(job.id, asyncio.Lock())
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS), lock:
                pictures = [item for item in await self._pictures(job) if nth in (None, item.nth)]
                if pictures:
                    await self._make(job, pictures)
        except (BotError, TimeoutError, OSError) as error:
            reason = str(error) or _("The engine took too long.")
            log.warning("pictures are not shown enlarged", extra={"reason": reason})

    async def _pictures(self, job: Job) -> list[Picture]:
        """Those that are to be enlarged."""
        if job.status is not Status.DONE or self._upscaler(job) is None:
            return []
        pictures = await retry_until_written(lambda: self._jobs.pictures(job.id))
        return await asyncio.to_thread(self._to_enlarge, job, pictures)

    def _to_enlarge(self, job: Job, pictures: Sequence[Picture]) -> list[Picture]:
        return [
            picture
            for picture in pictures
            if picture.unavailable_reason is None
            and picture.sha256 is not None
            and max(picture.recipe.size) * job.plan.display_scale <= MAX_SIZE
            and not self._storage.has_display_version(job.id, picture.nth)
        ]

    def _upscaler(self, job: Job) -> UpscalerCard | None:
        upscalers, scale = self._engine.upscalers, job.plan.display_scale
        return next((upscaler for upscaler in upscalers if scale in upscaler.scales), None)

    async def _make(self, job: Job, pictures: Sequence[Picture]) -> None:
        """Raises BotError or OSError."""
        upscaler, scale = self._upscaler(job), job.plan.display_scale
        if upscaler is None or not self._engine.status.is_available:
            raise BotError(_("The engine is not running."))
        pngs = await asyncio.to_thread(self._read, pictures)
        files = {sha256(png): png for png in pngs}
        paint = Paint(
            job=f"{job.id}-display",
            attempt=0,
            recipes=tuple(Upscale(**enlargement(picture, upscaler, scale)) for picture in pictures),
            inputs=tuple(files),
            include_flagged=job.include_flagged,
            owner=str(job.user_id),
        )
        enlarged: list[tuple[Picture, bytes]] = []

        def on_event(event: JobEvent) -> None:
            if isinstance(event, ImageDone) and event.image.png:
                picture = pictures[event.index]
                if picture.is_flagged_but_kept or not event.image.flagged:
                    enlarged.append((picture, event.image.png))

        ending = await unstored_jobs.submit(self._engine, paint, self._attempts, on_event, files)
        if isinstance(ending, Failed):
            raise BotError(ending.reason)
        for picture, png in enlarged:
            await self._save(picture, png)

    def _read(self, pictures: Sequence[Picture]) -> list[bytes]:
        return [self._storage.picture(picture.path or "") for picture in pictures]

    async def _save(self, picture: Picture, png: bytes) -> None:
        """Write a file, but leave none of a picture that was deleted meanwhile."""
        path = await asyncio.to_thread(
            self._storage.save_artifact, picture.job_id, picture.nth, DISPLAY_FILE, png
        )
        current = await retry_until_written(lambda: self._jobs.picture(picture.id))
        if current is None or current.unavailable_reason is not None:
            await asyncio.to_thread(self._storage.delete_file, path)
