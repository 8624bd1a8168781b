"""Fetches the attachments of jobs and makes input images of them."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, Protocol
from urllib.parse import urlsplit
from weakref import WeakValueDictionary

from bot.attachments import sanitize
from bot.attachments.cell_mask import cell_mask
from bot.attachments.fit import fit_pixels
from bot.attachments.sandbox import Sandbox
from bot.attachments.sanitize import SanitizedImage
from bot.db.connection import retry_until_written
from bot.db.file_deletions import FileDeletion, FileDeletionStore, FileKind
from bot.db.job_inputs import JobInputStore
from bot.db.lineage import LineageStore
from bot.domain import restoration, rules
from bot.domain.job import Job
from bot.domain.job_input import InputRole, PlanInput
from bot.domain.plan import Edge, Plan
from bot.domain.plan_inputs import FetchedInput, edges_to_uploads, fitted_size, with_inputs
from bot.domain.restoration import Requester
from bot.engine_client.base import EngineClient
from bot.errors import BotError, Refused
from bot.i18n import _
from bot.services.input_files import InputFiles
from bot.services.uploaded_recipes import recipe_in
from bot.storage import FileStorage
from engine.contract import Recipe, Work, sha256
from engine.contract.images.decode_result import DecodeResult
from engine.contract.images.fit import Fit
from engine.contract.images.nouns import as_subject

_ATTACHMENT_PATHS: Final = ("/attachments/", "/ephemeral-attachments/")
"""Other files on the same hosts are copies of pictures on foreign ones."""
log = logging.getLogger(__name__)


class AttachmentFetcher(Protocol):
    """Downloads attachments."""

    async def fetch(self, url: str) -> bytes:
        """The file at this address. Raises BotError, with a sentence for the user."""

    def is_allowed(self, url: str) -> bool:
        """Whether files may be downloaded from this address."""


class OwnPicture(NamedTuple):
    """The picture of this bot that a file shows."""

    recipe: Recipe | None = None
    picture_id: str | None = None
    """None if it is not stored."""


NOT_OURS: Final = OwnPicture()


class ResolvedInputs(NamedTuple):
    """A job's recipes, completed with its inputs."""

    recipes: tuple[Work, ...]
    digests: tuple[str, ...] = ()
    """Of the files that were fetched for it."""
    edges: tuple[Edge, ...] = ()
    """To the pictures of this bot that its attachments show."""


class InputService:
    """Downloads, sanitizes and stores attachments, a few at a time."""

    def __init__(
        self,
        job_inputs: JobInputStore,
        lineage: LineageStore,
        file_deletions: FileDeletionStore,
        engine: EngineClient,
        storage: FileStorage,
        files: InputFiles,
        fetcher: AttachmentFetcher,
        sandbox: Sandbox,
    ) -> None:
        self._job_inputs = job_inputs
        self._lineage = lineage
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

    def is_attachment(self, url: str) -> bool:
        """Whether this is the address of a file that was uploaded to Discord."""
        path = urlsplit(url).path
        return self._fetcher.is_allowed(url) and path.startswith(_ATTACHMENT_PATHS)

    async def picture(self, plan_input: PlanInput, requester: Requester) -> SanitizedImage:
        """The picture at this address. Nothing is stored. Raises BotError, with a sentence for the
        user."""
        decoded, _ = await self._decoded(requester, plan_input)
        return await sanitize.picture(decoded)

    async def preview(self, plan: Plan, requester: Requester) -> SanitizedImage:
        """What the model will see of the sketch of a plan, which has one, at the size of its
        pictures.

        Nothing is stored. Raises BotError, with a sentence for the user.
        """
        plan_input = next(item for item in plan.inputs if item.role.has_size)
        decoded, _ = await self._decoded(requester, plan_input)
        recipes = [recipe for recipe in plan.recipes if isinstance(recipe, Recipe)]
        own_size = decoded.width, decoded.height
        size = fitted_size(recipes, self._engine.models, plan_input, own_size)
        fitted = await asyncio.to_thread(fit_pixels, decoded, size, plan_input.fit)
        return await sanitize.picture(fitted)

    async def resolve(self, job: Job) -> ResolvedInputs:
        """The recipes of a job, completed with its inputs, which are fetched.

        Raises BotError, with a sentence for the user.
        """
        pending = await retry_until_written(lambda: self._job_inputs.pending(job.id))
        if not pending:
            return ResolvedInputs(job.recipes)
        rules.check_models(job.recipes, self._engine.models)
        painted = [recipe for recipe in job.recipes if isinstance(recipe, Recipe)]
        fetched: dict[PlanInput, FetchedInput] = {}
        region_masks = {plan_input for plan_input in pending if plan_input.cells}
        for url in dict.fromkeys(item.url for item in pending if item not in region_masks):
            inputs = [plan_input for plan_input in pending if plan_input.url == url]
            fetched |= await self._fetch(restoration.of_job(job), painted, inputs)
        for mask in region_masks:
            size = next(item.size for item in fetched.values() if item.plan_input.role.has_size)
            decoded = await asyncio.to_thread(cell_mask, size, mask.cells)
            fetched[mask] = await self._stored(mask, decoded)
        completed = [fetched[plan_input] for plan_input in pending]
        recipes = with_inputs(painted, self._engine.models, completed)
        digests = tuple(item.image for item in completed)
        return ResolvedInputs(recipes, digests, tuple(edges_to_uploads(recipes, completed)))

    async def _fetch(
        self, requester: Requester, recipes: Sequence[Recipe], inputs: Sequence[PlanInput]
    ) -> Mapping[PlanInput, FetchedInput]:
        """Store what inputs of one address need."""
        decoded, own_picture = await self._decoded(requester, inputs[0])
        fetched = {}
        for plan_input in inputs:
            fitted = await self._fitted(plan_input, decoded, recipes)
            stored = await self._stored(plan_input, fitted, own_picture)
            fetched[plan_input] = stored._replace(size=(decoded.width, decoded.height))
        return fetched

    async def _decoded(
        self, requester: Requester, plan_input: PlanInput
    ) -> tuple[DecodeResult, OwnPicture]:
        """The pixels of an attachment or of an earlier picture."""
        if plan_input.picture_id is not None:  # no download, and it may have to be painted again
            data = await self._files.picture_of_id(plan_input.picture_id, requester)
            decoded = await sanitize.decode_stored(data, plan_input.noun)
            return decoded, await self._stored_picture(plan_input)
        user_lock = self._user_locks.setdefault(requester.user_id, asyncio.Lock())
        async with user_lock, self._downloads:
            data = await self._fetcher.fetch(plan_input.url)
            async with self._decoders:
                decoded = await sanitize.decode(data, self._sandbox, plan_input.noun)
        return decoded, await self._own_picture(data, decoded)

    async def _fitted(
        self, plan_input: PlanInput, decoded: DecodeResult, recipes: Sequence[Recipe]
    ) -> DecodeResult:
        """The pixels at the size of the pictures, unless the engine crops them to it."""
        if plan_input.fit is Fit.COVER:
            return decoded
        size = fitted_size(
            recipes, self._engine.models, plan_input, (decoded.width, decoded.height)
        )
        placeholder = plan_input.placeholder
        has_lines = any(item.image == placeholder for recipe in recipes for item in recipe.controls)
        return await asyncio.to_thread(
            fit_pixels, decoded, size, plan_input.fit, is_detailed=has_lines
        )

    async def _own_picture(self, data: bytes, decoded: DecodeResult) -> OwnPicture:
        """The picture of this bot that an upload shows. Raises Refused if it was removed."""
        pixels = await asyncio.to_thread(sha256, decoded.pixels)
        recipe = await asyncio.to_thread(recipe_in, data)
        original = await retry_until_written(lambda: self._lineage.original(pixels, recipe))
        if original is None:
            return OwnPicture(recipe)
        if original.is_removed:
            raise Refused(_(rules.REMOVED_UPLOAD))
        return OwnPicture(recipe or original.recipe.recipe, original.id)

    async def _stored_picture(self, plan_input: PlanInput) -> OwnPicture:
        """The recipe of an earlier picture that is mixed, for its noise; its edges are planned."""
        if plan_input.role is not InputRole.BLEND or plan_input.picture_id is None:
            return NOT_OURS
        return OwnPicture(await self._files.recipe_of(plan_input.picture_id))

    async def _stored(
        self, plan_input: PlanInput, decoded: DecodeResult, own_picture: OwnPicture = NOT_OURS
    ) -> FetchedInput:
        if plan_input.role.is_mask:
            needs_alpha = plan_input.role is InputRole.ALPHA
            image = await sanitize.mask(decoded, needs_alpha=needs_alpha)
        else:
            image = await sanitize.picture(decoded)
        name = await asyncio.to_thread(sha256, image.png)
        async with self._file_deletions.writing(FileDeletion(FileKind.SKETCH, name)):
            await asyncio.to_thread(self._store, image.png, plan_input.noun)
        return FetchedInput(plan_input, name, (image.width, image.height), *own_picture)

    def _store(self, png: bytes, noun: str) -> str:
        try:
            return self._storage.save_source(png)
        except OSError as error:
            log.error("An input image could not be written: %s", error)  # noqa: TRY400 # the traceback says nothing
            reason = _("{subject} could not be written to the bot's disk ({error}).").format(
                subject=as_subject(noun), error=error.strerror
            )
            raise BotError(reason) from error
