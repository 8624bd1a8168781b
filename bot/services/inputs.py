"""Fetches the attachments of jobs and makes init images of them."""

import asyncio
import logging
from typing import Protocol
from weakref import WeakValueDictionary

from bot.attachments.sandbox import Sandbox
from bot.attachments.sanitize import sanitize
from bot.db.connection import retry_until_written
from bot.db.file_deletions import FileDeletion, FileDeletionStore, FileKind
from bot.db.job_inputs import JobInputStore
from bot.domain import rules
from bot.domain.job import Job
from bot.domain.plan import Plan, PlanInput
from bot.domain.plan_inputs import with_input
from bot.engine_client.base import EngineClient
from bot.errors import BotError
from bot.services.input_files import InputFiles
from bot.storage import FileStorage
from engine.contract import Recipe, Work, sha256

log = logging.getLogger(__name__)


class AttachmentFetcher(Protocol):
    """Downloads attachments."""

    async def fetch(self, url: str) -> bytes:
        """The file at this address. Raises BotError, with a sentence for the user."""


class InputService:
    """Downloads, sanitizes and stores attachments, a few at a time."""

    def __init__(
        self,
        job_inputs: JobInputStore,
        file_deletions: FileDeletionStore,
        engine: EngineClient,
        storage: FileStorage,
        files: InputFiles,
        fetcher: AttachmentFetcher,
        sandbox: Sandbox,
    ) -> None:
        self._job_inputs = job_inputs
        self._file_deletions = file_deletions
        self._engine = engine
        self._storage = storage
        self._files = files
        self._fetcher = fetcher
        self._sandbox = sandbox
        self._user_locks: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()
        """One attachment of each user at a time, so that a slow one does not delay other users."""
        self._downloads = asyncio.Semaphore(4)
        self._decoders = asyncio.Semaphore(2)  # each may use a gigabyte of memory

    async def check(self, plan: Plan) -> None:
        """Raise Refused, with a sentence for the user, if a stored file that a plan needs is
        gone."""
        await self._files.check(plan)

    async def resolve(self, job: Job) -> tuple[tuple[Work, ...], tuple[str, ...]]:
        """The recipes of a job, completed with its inputs, and the digests of those that were
        fetched for it.

        Raises BotError, with a sentence for the user.
        """
        recipes: tuple[Work, ...] = job.recipes
        digests: list[str] = []
        pending = await retry_until_written(lambda: self._job_inputs.pending(job.id))
        if pending:
            rules.check_models(recipes, self._engine.models)
        for plan_input in pending:
            image, size = await self._fetch(job, plan_input)
            painted = [recipe for recipe in recipes if isinstance(recipe, Recipe)]
            recipes = with_input(painted, self._engine.models, plan_input, image, size)
            digests.append(image)
        return recipes, tuple(digests)

    async def _fetch(self, job: Job, plan_input: PlanInput) -> tuple[str, tuple[int, int]]:
        """Store the attachment; its digest, and its size in pixels."""
        user_lock = self._user_locks.setdefault(job.user_id, asyncio.Lock())
        async with user_lock, self._downloads:
            data = await self._fetcher.fetch(plan_input.url)
            async with self._decoders:
                image = await sanitize(data, self._sandbox)
        name = await asyncio.to_thread(sha256, image.png)
        async with self._file_deletions.writing(FileDeletion(FileKind.SKETCH, name)):
            await asyncio.to_thread(self._store, image.png)
        return name, (image.width, image.height)

    def _store(self, png: bytes) -> str:
        try:
            return self._storage.save_source(png)
        except OSError as error:
            log.exception("The sketch could not be written.")
            reason = f"The sketch could not be written to the bot's disk ({error.strerror})."
            raise BotError(reason) from error
