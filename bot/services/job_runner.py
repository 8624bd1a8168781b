"""The work on one job: its sketch made ready, its recipes painted, its pictures kept."""

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol
from weakref import WeakValueDictionary

import msgspec

from bot.attachments import sanitize
from bot.attachments.sandbox import Sandbox
from bot.db.database import insist
from bot.db.erasure import Leaving, Privacy, Removal
from bot.db.jobs import Ledger
from bot.db.usage import Charge, Charges
from bot.domain import cost_model, rules
from bot.domain.job import Job, Progress, Sketch, Status
from bot.domain.kinds.imagine import with_sketch
from bot.domain.limits import Limits
from bot.domain.picture import Picture, picture_id
from bot.engine_client.base import EngineClient, EngineDied, ProgressCallback
from bot.errors import BotError, FatalError, Refused
from bot.services.outbox import Notifier, Outbox
from bot.storage import FileStorage, source_name
from engine.contract import (
    Cancelled,
    Ending,
    Failed,
    Paint,
    Painted,
    PaintedImage,
    Queued,
    Recipe,
    Stepped,
)

log = logging.getLogger(__name__)


class AttachmentFetcher(Protocol):
    """Gets attachments."""

    async def fetch(self, url: str) -> bytes:
        """The file at this address. Raises BotError, in words for the person."""


class JobRunner:
    """Has no memory of its own: all that counts is in the ledger."""

    def __init__(
        self,
        ledger: Ledger,
        charges: Charges,
        privacy: Privacy,
        engine: EngineClient,
        archive: FileStorage,
        fetcher: AttachmentFetcher,
        sandbox: Sandbox,
        outbox: Outbox,
        courier: Notifier,
        *,
        limits: Limits,
        clock: Callable[[], float],
    ) -> None:
        self._ledger = ledger
        self._charges = charges
        self._privacy = privacy
        self._engine = engine
        self._archive = archive
        self._fetcher = fetcher
        self._sandbox = sandbox
        self._outbox = outbox
        self._courier = courier
        self._limits = limits
        self._clock = clock
        self._sketching: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()
        """One sketch of each person at a time: files that take long hold up nobody else's."""
        self._fetching = asyncio.Semaphore(4)  # so that one slow file does not hold up the others
        self._decoding = asyncio.Semaphore(2)  # each may take a gigabyte, or its time

    async def prepare(self, job: Job) -> None:
        """Fetch and clean the sketch, if any, and queue the job."""
        try:
            ready = await self._with_sketch(job, job.sketch) if job.sketch else job.recipes
        except FatalError:  # no sketch is to blame for a damaged record
            raise
        except BotError as error:
            await self._outbox.end(job.id, Status.REFUSED, str(error))
            return
        await insist(lambda: self._ledger.queue(job.id, ready))

    async def _with_sketch(self, job: Job, sketch: Sketch) -> tuple[Recipe, ...]:
        own = self._sketching.setdefault(job.person, asyncio.Lock())
        async with own, self._fetching:
            data = await self._fetcher.fetch(sketch.url)
            async with self._decoding:
                cleaned = await sanitize.clean(data, self._sandbox)
        name = await asyncio.to_thread(source_name, cleaned.png)
        removal = Removal(Leaving.SKETCH, name)
        await insist(lambda: self._privacy.doubt(removal))  # until the job is queued with it
        source = await asyncio.to_thread(self._kept_sketch, cleaned.png)
        await insist(lambda: self._privacy.doubt(removal))  # the job may have ended meanwhile
        return with_sketch(
            job.recipes,
            self._engine.model,
            source=source,
            strength=sketch.strength,
            size=(cleaned.width, cleaned.height),
            keep_size=sketch.keep_size,
        )

    def _kept_sketch(self, png: bytes) -> str:
        try:
            return self._archive.save_source(png)
        except OSError as error:
            log.exception("The sketch could not be written.")
            reason = f"The sketch could not be kept on the bot's disk ({error.strerror})."
            raise BotError(reason) from error

    async def paint(self, job: Job, *, had: float = 0.0) -> Ending | None:
        """Have a claimed job painted; None if it waits again or has ended already.

        `had` is the seconds of the engine that its person had of late.
        """
        try:
            rules.check_model(job.recipes[0], self._engine.model)
            if job.crashes >= self._limits.crashes:
                raise Refused(_given_up(job.crashes))
            return await self._engine.submit(await self._order(job, had), self._watcher(job))
        except EngineDied:
            await insist(lambda: self._ledger.requeue(job.id, job.attempt, crashed=True))
        except BotError as error:
            await self.delete_files(job.id)
            await self._outbox.end(job.id, Status.FAILED, str(error))
        except asyncio.CancelledError:
            await self._ledger.requeue(job.id, job.attempt, crashed=False)
            raise
        return None

    async def _order(self, job: Job, had: float) -> Paint:
        name = job.recipes[0].source
        source = await asyncio.to_thread(self._archive.source, name) if name else None
        return Paint(
            job=job.id,
            attempt=job.attempt,
            recipes=job.recipes,
            source=source,
            adaptive=self._limits.adaptive,
            include_flagged=job.reveal,
            owner=str(job.person),
            prior_seconds=had,
        )

    def _watcher(self, job: Job) -> ProgressCallback:
        def tell(event: Queued | Stepped) -> None:
            if isinstance(event, Stepped) and event.step < event.steps:
                percent = 100 * event.step // event.steps
                self._courier.show(job, Progress(percent=percent, preview=event.preview))

        return tell

    async def settle(self, job: Job, ending: Ending) -> None:
        """Record what came of this attempt, unless a newer one counts, and deliver it."""
        if isinstance(ending, Failed) and ending.init_image_flagged:
            await self._drop_sketch(job)
            await self._outbox.end(job.id, Status.REFUSED, ending.reason)
        elif isinstance(ending, Failed):
            await self._outbox.end(job.id, Status.FAILED, ending.reason)
        elif isinstance(ending, Painted):
            await self._keep(job, ending)
        elif not await self._outbox.end(job.id, Status.CANCELLED):
            await self._charge(self._price(job, ending))  # a person stopped it

    async def _drop_sketch(self, job: Job) -> None:
        for source in {recipe.source for recipe in job.recipes if recipe.source}:
            await asyncio.to_thread(self._archive.delete_source, source)

    async def _keep(self, job: Job, painted: Painted) -> None:
        try:
            pictures = await asyncio.to_thread(self._saved, job, painted)
        except OSError as error:
            log.exception("The pictures could not be written.")
            await self.delete_files(job.id)
            reason = f"The pictures could not be kept on the bot's disk ({error.strerror})."
            await self._outbox.end(job.id, Status.FAILED, reason)
            return
        price, now = self._price(job, painted), self._clock()
        await insist(lambda: self._ledger.finish(job.id, job.attempt, pictures, now, price))
        current = await insist(lambda: self._ledger.job(job.id))
        if current is not None and current.status is Status.DONE:
            await self._outbox.deliver(job.id)
            return
        await self.delete_files(job.id)  # it has ended meanwhile, without pictures
        if current is not None and current.status is Status.CANCELLED:
            await self._charge(price)

    def _price(self, job: Job, ending: Painted | Cancelled) -> Charge:
        return Charge(
            job=job.id,
            attempt=job.attempt,
            person=job.person,
            seconds=ending.engine_seconds,
            at=self._clock(),
            revision=job.recipes[0].revision,
            pixels=cost_model.pixels(job.recipes),
            work=cost_model.work(job.recipes) if isinstance(ending, Painted) else None,
        )

    async def _charge(self, price: Charge) -> None:
        """What was used is paid for, though there are no pictures."""
        await insist(lambda: self._charges.add(price))

    async def delete_files(self, job: str) -> None:
        """Forget what was painted for a job that ends without pictures."""
        await asyncio.to_thread(self._archive.delete_pictures, job)

    def _saved(self, job: Job, painted: Painted) -> list[Picture]:
        pairs = zip(job.recipes, painted.pictures, strict=True)
        return [self._save(job, nth, *pair) for nth, pair in enumerate(pairs, start=1)]

    def _save(self, job: Job, nth: int, recipe: Recipe, painting: PaintedImage) -> Picture:
        wanted = painting.png and (job.reveal or not painting.flagged)
        kept = self._archive.save_picture(job.id, nth, painting.png) if wanted else None
        return Picture(
            id=picture_id(job.id, nth),
            job=job.id,
            nth=nth,
            recipe=msgspec.structs.replace(recipe, row_class=painting.row_class),
            sha256=painting.sha256 or None,
            path=kept,
            blocked=painting.flagged and kept is None,
            restricted=painting.flagged and kept is not None,
            verdicts=painting.verdicts,
            failed=painting.failed,
            fingerprint=painting.fingerprint,
        )


def _given_up(crashes: int) -> str:
    return f"The engine, or I with it, died {crashes} times over this, so I give it up."
