"""Paints pictures again whose files are gone, with the pixels that are recorded."""

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Final
from weakref import WeakValueDictionary

import msgspec

from bot.db.connection import retry_until_written
from bot.db.jobs import JobStore
from bot.db.usage import UsageStore
from bot.domain import rules
from bot.domain.clock import Clock
from bot.domain.job import Job, RequestContext, ResponseTarget
from bot.domain.kinds import replay
from bot.domain.picture import Picture
from bot.domain.restoration import Requester
from bot.engine_client.base import EngineClient, EngineDied
from bot.errors import BotError
from bot.i18n import N_
from bot.prompt_filter.filter import find_violation_in
from bot.services.charging import usage_record
from bot.services.quota_service import QuotaService
from bot.services.scheduler import JobScheduler
from bot.services.seat_claims import SeatClaim
from bot.storage import FileStorage
from engine.contract import (
    Capture,
    Completed,
    Ending,
    Failed,
    ImageDone,
    JobEvent,
    Paint,
    PaintedImage,
    Work,
)

_GONE: Final = N_("The picture's file is gone from the data folder.")
_GONE_FORBIDDEN: Final = N_(
    "The picture's file is gone from the data folder. Its prompt is not allowed any more."
)
_GONE_WAITING: Final = N_(
    "The picture's file is gone from the data folder. It can be painted again when the "
    "engine is running."
)
_GONE_STOPPED: Final = N_("The picture's file is gone from the data folder. The engine stopped.")
OTHER_PIXELS: Final = N_(
    "The picture's file is gone from the data folder, and it could not be restored to the "
    "bit on this engine: painted again, it has other pixels."
)
_WITHHELD: Final = N_(
    "The picture's file is gone from the data folder, and painted again it is withheld "
    "by the safety check."
)
ReadInputs = Callable[[str, Sequence[Work], Requester], Awaitable[Mapping[str, bytes]]]
"""The input images of works of the job of this id, by their digests."""
log = logging.getLogger(__name__)


class PictureRestorer:
    """What is painted again waits in the queue like a job of the user who needs it, counts like one
    in the limits, and is charged."""

    def __init__(
        self,
        jobs: JobStore,
        usage: UsageStore,
        engine: EngineClient,
        storage: FileStorage,
        scheduler: JobScheduler,
        quota: QuotaService,
        clock: Clock,
    ) -> None:
        self._jobs = jobs
        self._usage = usage
        self._engine = engine
        self._storage = storage
        self._scheduler = scheduler
        self._quota = quota
        self._clock = clock
        self._locks: WeakValueDictionary[tuple[str, bool], asyncio.Lock] = WeakValueDictionary()
        """By picture, because several users may look at it at once, and by whether the requester
        has a seat: a running job must not wait for what waits for a seat."""
        self._admitting = asyncio.Lock()

    def check(self, picture: Picture) -> None:
        """Raise BotError, with a sentence for the user, if this picture cannot be painted again."""
        if find_violation_in(picture.recipe.prompts, words=()) is not None:
            raise BotError(_GONE_FORBIDDEN)
        if not self._engine.status.is_available:
            raise BotError(_GONE_WAITING)
        try:
            rules.check_models([picture.recipe], self._engine.models)
        except BotError as error:
            raise BotError(f"{_GONE} {error}") from error
        if picture.differs_on == self._fingerprint(picture):
            raise BotError(OTHER_PIXELS)

    async def restore(
        self, pictures: Sequence[Picture], read: ReadInputs, requester: Requester
    ) -> list[str]:
        """Paint pictures of one job, all at once, and store them, unless their files are there.

        `read` reads the inputs of their recipes. Returns why some are not stored, each as a
        sentence for the user. What was painted until this is cancelled is stored, too. Raises
        Refused or FileMissing as `read` does.
        """
        async with AsyncExitStack() as stack:
            for picture_id in sorted(picture.id for picture in pictures):
                key = picture_id, requester.has_seat
                lock = self._locks.setdefault(key, asyncio.Lock())
                await stack.enter_async_context(lock)
            missing, reasons = await self._missing(pictures)
            if missing:
                works = [picture.recipe for picture in missing]
                files = await read(missing[0].job_id, works, requester)
                reasons += await self._paint_all(missing, files, requester)
            return list(dict.fromkeys(reasons))

    async def _missing(self, pictures: Sequence[Picture]) -> tuple[list[Picture], list[str]]:
        """Those to paint, as they are now, and why others are not."""
        missing, reasons = list[Picture](), list[str]()
        for picture in pictures:
            if await asyncio.to_thread(self._storage.has_picture, picture.path or ""):
                continue
            current = await retry_until_written(partial(self._jobs.picture, picture.id))
            if current is None or current.unavailable_reason is not None:
                reasons.append(rules.UNKNOWN_PICTURE)
                continue
            try:
                self.check(current)
            except BotError as error:
                reasons.append(str(error))
            else:
                missing.append(current)
        return missing, reasons

    async def _paint_all(
        self, pictures: Sequence[Picture], files: Mapping[str, bytes], requester: Requester
    ) -> list[str]:
        images, reasons = dict[str, PaintedImage](), list[str]()
        try:
            await self._paint(pictures, files, requester, images)
        except (BotError, EngineDied) as error:
            reasons.append(f"{_GONE} {error}")
            log.warning("a picture is not restored", extra={"reason": str(error)})
        else:
            if len(images) < len(pictures):
                reasons.append(_GONE_STOPPED)
        finally:
            painted = [picture for picture in pictures if picture.id in images]
            for picture in painted:
                reason = await self._store(picture, images[picture.id])
                reasons += [] if reason is None else [reason]
        return reasons

    async def _paint(
        self,
        pictures: Sequence[Picture],
        files: Mapping[str, bytes],
        requester: Requester,
        images: dict[str, PaintedImage],
    ) -> None:
        """Add what is painted to `images`, by the ids of the pictures. Raises BotError."""
        job = self._job(pictures, requester)
        fingerprint = pictures[0].fingerprint if self._engine.status.is_cluster else ""
        paint = Paint(
            job=job.id,
            attempt=job.attempt,
            recipes=job.recipes,
            inputs=tuple(files),
            capture=Capture(previews=False),
            include_flagged=any(picture.is_flagged_but_kept for picture in pictures),
            owner=str(requester.user_id),
            prior_seconds=self._scheduler.virtual_time(requester.user_id),
            fingerprint=fingerprint,
        )

        def on_event(event: JobEvent) -> None:
            if isinstance(event, ImageDone):
                images[pictures[event.index].id] = event.image

        claim = await self._claim(job, requester)
        log.info("lost pictures queued", extra={"pictures": len(pictures)})
        async with claim as seat:
            ending = await self._engine.submit(paint, on_event, files)
            seat.engine_seconds = ending.engine_seconds
        if images or not isinstance(ending, Failed):
            await self._charge(job, ending)
        if isinstance(ending, Failed):
            raise BotError(ending.reason)

    def _job(self, pictures: Sequence[Picture], requester: Requester) -> Job:
        """What the queue, the limits and the usage see: a job that is not stored."""
        return Job(
            id=uuid.uuid4().hex[:16],
            idempotency_key="",
            kind=replay.KIND,
            user_id=requester.user_id,
            target=ResponseTarget(channel_id=0, guild_id=requester.guild_id),
            recipes=tuple(picture.recipe for picture in pictures),
            attempt=1,
            created_at=self._clock(),
        )

    async def _claim(self, job: Job, requester: Requester) -> SeatClaim:
        """Raises Refused if the user may not have more work done now.

        Of the roles of a user who looks at a picture only @everyone is known, which has the id of
        the guild.
        """
        claims = self._scheduler.claims
        if requester.has_seat:
            return claims.share(job)
        if requester.is_admitted:
            return claims.claim(job)
        guild_id = requester.guild_id
        context = RequestContext(
            idempotency_key=job.idempotency_key,
            user_id=job.user_id,
            target=job.target,
            role_ids=() if guild_id is None else (guild_id,),
        )
        async with self._admitting:  # the quota counts what is claimed
            limits = await self._quota.check(context)
            return claims.claim(msgspec.structs.replace(job, max_concurrent=limits.max_running))

    async def _charge(self, job: Job, ending: Ending) -> None:
        is_sample = isinstance(ending, Completed)
        record = usage_record(job, job.recipes, ending, now=self._clock(), is_sample=is_sample)
        await retry_until_written(lambda: self._usage.add(record))

    def _fingerprint(self, picture: Picture) -> str:
        """The software and hardware that would paint a picture now."""
        heartbeat = self._engine.status.heartbeat
        replicas = (heartbeat.replicas if heartbeat is not None else None) or ()
        if any(replica.fingerprint == picture.fingerprint for replica in replicas):
            return picture.fingerprint
        recipe, models = picture.recipe.recipe, self._engine.models
        cards = (card for card in models if card.revision == recipe.revision)
        return next(cards, models[0]).fingerprint

    async def _store(self, picture: Picture, image: PaintedImage) -> str | None:
        """Write the file of a picture; returns why not, as a sentence for the user."""
        if image.failed is not None:
            return f"{_GONE} {image.failed}"
        if not _is_same(picture, image):
            fingerprint = self._fingerprint(picture)
            await retry_until_written(lambda: self._jobs.set_differing(picture.id, fingerprint))
            log.warning("picture not restored: other pixels", extra={"picture": picture.id})
            return OTHER_PIXELS
        if not image.png or (image.flagged and not picture.is_flagged_but_kept):
            return _WITHHELD
        try:
            path = await asyncio.to_thread(
                self._storage.save_picture, picture.job_id, picture.nth, image.png
            )
        except OSError as error:
            return N_(
                "The picture's file is gone from the data folder, and cannot be stored again "
                "({error})."
            ).format(error=error.strerror)
        current = await retry_until_written(lambda: self._jobs.picture(picture.id))
        if current is None or current.unavailable_reason is not None:  # deleted meanwhile
            await asyncio.to_thread(self._storage.delete_file, path)
            return rules.UNKNOWN_PICTURE
        log.info("picture restored", extra={"picture": picture.id})
        return None


def _is_same(picture: Picture, image: PaintedImage) -> bool:
    """Whether the new image has the recorded pixels; of an old picture without their digest, those
    of the same software and hardware."""
    if picture.sha256 is None:
        return picture.fingerprint == image.fingerprint
    return picture.sha256 == image.sha256
