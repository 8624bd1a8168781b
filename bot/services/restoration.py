"""Paints pictures again whose files are gone, with the pixels that are recorded."""

import asyncio
import itertools
import logging
from collections.abc import Mapping
from typing import Final
from weakref import WeakValueDictionary

from bot.db.connection import retry_until_written
from bot.db.jobs import JobStore
from bot.domain import rules
from bot.domain.picture import Picture
from bot.engine_client.base import EngineClient, EngineDied
from bot.errors import BotError
from bot.prompt_filter.filter import find_violation_in
from bot.storage import FileMissing, FileStorage
from engine.contract import Capture, Completed, Failed, ImageDone, JobEvent, Paint, PaintedImage

TIMEOUT_SECONDS: Final = 300.0
_GONE: Final = "The picture's file is gone from the data folder"
_OTHER_PIXELS: Final = (
    f"{_GONE}, and painted again it has other pixels: the software or the hardware has changed."
)
log = logging.getLogger(__name__)


class PictureRestorer:
    """The user who looks at a picture is not charged: the operator has lost its file."""

    def __init__(self, jobs: JobStore, engine: EngineClient, storage: FileStorage) -> None:
        self._jobs = jobs
        self._engine = engine
        self._storage = storage
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        """By picture, because several users may look at it at once."""
        self._attempts = itertools.count(1)

    async def restore(self, picture: Picture, files: Mapping[str, bytes]) -> bytes:
        """The PNG of a picture whose file is gone, which is stored again.

        `files` are the inputs of its recipe, by their digests. Raises FileMissing, with a sentence
        for the user, if its pixels cannot be painted any more.
        """
        lock = self._locks.setdefault(picture.id, asyncio.Lock())
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS), lock:
                path = picture.path or ""
                if await asyncio.to_thread(self._storage.has_picture, path):  # since then
                    return await asyncio.to_thread(self._storage.picture, path)
                image = await self._paint(picture, files)
        except FileMissing:
            raise
        except (BotError, TimeoutError, EngineDied) as error:
            reason = str(error) or "The engine took too long."
            log.warning("a picture is not restored", extra={"reason": reason})
            raise FileMissing(f"{_GONE}. {reason}") from error
        if not image.png or not _is_same(picture, image):
            raise FileMissing(_OTHER_PIXELS)
        await self._save(picture, image.png)
        log.info("picture restored", extra={"picture": picture.id})
        return image.png

    async def _paint(self, picture: Picture, files: Mapping[str, bytes]) -> PaintedImage:
        """Raises BotError."""
        if find_violation_in(picture.recipe.prompts, words=()) is not None:
            raise BotError("Its prompt is not allowed any more.")
        if not self._engine.status.is_available:
            raise BotError("It can be painted again when the engine is running.")
        rules.check_models([picture.recipe], self._engine.models)
        paint = Paint(
            job=f"{picture.job_id}-restore",
            attempt=next(self._attempts),
            recipes=(picture.recipe,),
            inputs=tuple(files),
            capture=Capture(previews=False),
            include_flagged=picture.is_flagged_but_kept,
            fingerprint=picture.fingerprint if self._engine.status.is_cluster else "",
        )
        images: list[PaintedImage] = []

        def on_event(event: JobEvent) -> None:
            if isinstance(event, ImageDone):
                images.append(event.image)

        ending = await self._engine.submit(paint, on_event, files)
        if isinstance(ending, Failed):
            raise BotError(ending.reason)
        if not isinstance(ending, Completed) or not images:
            raise BotError("The engine stopped.")
        return images[0]

    async def _save(self, picture: Picture, png: bytes) -> None:
        """Write the file, but leave none of a picture that was deleted meanwhile."""
        try:
            path = await asyncio.to_thread(
                self._storage.save_picture, picture.job_id, picture.nth, png
            )
        except OSError as error:
            log.warning("a picture is not stored again", extra={"reason": str(error)})
            return
        current = await retry_until_written(lambda: self._jobs.picture(picture.id))
        if current is None or current.unavailable_reason is not None:
            await asyncio.to_thread(self._storage.delete_file, path)
            raise FileMissing(rules.UNKNOWN_PICTURE)


def _is_same(picture: Picture, image: PaintedImage) -> bool:
    """Whether the new image has the recorded pixels; of an old picture without their digest, those
    of the same software and hardware."""
    if picture.sha256 is None:
        return picture.fingerprint == image.fingerprint
    return picture.sha256 == image.sha256
