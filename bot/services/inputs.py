"""Fetches the attachments of jobs and makes init images of them."""

import asyncio
import logging
from typing import Protocol
from weakref import WeakValueDictionary

from bot.attachments.sandbox import Sandbox
from bot.attachments.sanitize import sanitize
from bot.db.file_deletions import FileDeletion, FileDeletionStore, FileKind
from bot.domain import rules
from bot.domain.job import Job, Sketch
from bot.domain.kinds.imagine import with_init_image
from bot.engine_client.base import EngineClient
from bot.errors import BotError
from bot.storage import FileStorage
from engine.contract import Recipe, card_for, sha256

log = logging.getLogger(__name__)


class AttachmentFetcher(Protocol):
    """Downloads attachments."""

    async def fetch(self, url: str) -> bytes:
        """The file at this address. Raises BotError, with a sentence for the user."""


class InputService:
    """Downloads, sanitizes and stores attachments, a few at a time."""

    def __init__(
        self,
        file_deletions: FileDeletionStore,
        engine: EngineClient,
        storage: FileStorage,
        fetcher: AttachmentFetcher,
        sandbox: Sandbox,
    ) -> None:
        self._file_deletions = file_deletions
        self._engine = engine
        self._storage = storage
        self._fetcher = fetcher
        self._sandbox = sandbox
        self._user_locks: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()
        """One attachment of each user at a time, so that a slow one does not delay other users."""
        self._downloads = asyncio.Semaphore(4)
        self._decoders = asyncio.Semaphore(2)  # each may use a gigabyte of memory

    async def resolve(self, job: Job) -> tuple[Recipe, ...]:
        """The recipes of a job, completed with its attachment if it has one.

        Raises BotError, with a sentence for the user.
        """
        if job.sketch is None:
            return job.recipes
        return await self._with_init_image(job, job.sketch)

    async def _with_init_image(self, job: Job, sketch: Sketch) -> tuple[Recipe, ...]:
        rules.check_models(job.recipes, self._engine.models)
        user_lock = self._user_locks.setdefault(job.user_id, asyncio.Lock())
        async with user_lock, self._downloads:
            data = await self._fetcher.fetch(sketch.url)
            async with self._decoders:
                image = await sanitize(data, self._sandbox)
        name = await asyncio.to_thread(sha256, image.png)
        async with self._file_deletions.writing(FileDeletion(FileKind.SKETCH, name)):
            source = await asyncio.to_thread(self._store, image.png)
        return with_init_image(
            job.recipes,
            card_for(job.recipes[0], self._engine.models),
            source=source,
            strength=sketch.strength,
            size=(image.width, image.height),
            keep_size=sketch.keep_size,
        )

    def _store(self, png: bytes) -> str:
        try:
            return self._storage.save_source(png)
        except OSError as error:
            log.exception("The sketch could not be written.")
            reason = f"The sketch could not be written to the bot's disk ({error.strerror})."
            raise BotError(reason) from error
