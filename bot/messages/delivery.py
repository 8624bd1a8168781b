"""A job's state onto Discord: throttled edits while it runs, then exactly one ending."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec

from bot.db.database import RecordTrouble, insist
from bot.db.jobs import Ledger
from bot.domain.job import Erasure, Job, Progress, Status
from bot.domain.picture import Picture
from bot.errors import DeliveryFailed
from bot.messages import captions, components, picture_files
from bot.messages.channels import Whereabouts
from bot.messages.message_client import (
    TOKEN_SECONDS,
    Draft,
    Gone,
    Indigestible,
    Mailbox,
    Stale,
    Upload,
)
from bot.messages.throttle import Throttle
from bot.storage import FileMissing, FileStorage
from engine.log import log_context

EDIT_SECONDS: Final = 2.0
"""Between two edits of a message; Discord slows down those who edit more often."""
log = logging.getLogger(__name__)


class Delivery:
    """The courier of the studio."""

    def __init__(
        self,
        mailbox: Mailbox,
        ledger: Ledger,
        archive: FileStorage,
        whereabouts: Whereabouts,
        *,
        clock: Callable[[], float],
        edit_seconds: float = EDIT_SECONDS,
    ) -> None:
        self._mailbox = mailbox
        self._ledger = ledger
        self._archive = archive
        self._whereabouts = whereabouts
        self._clock = clock
        self._edit_seconds = edit_seconds
        self._live: dict[str, Throttle[Progress]] = {}
        self._told: set[str] = set()
        """Jobs whose person was told in private, and whose public answer may still stand."""

    def show(self, job: Job, now: Progress) -> None:
        """Show how far the job is, soon, unless something newer comes first."""
        live = self._live.get(job.id)
        if live is None:
            with log_context(job=job.id):  # which its task remembers
                live = Throttle(lambda newest: self._show(job.id, newest), self._edit_seconds)
            self._live[job.id] = live
        live.put(now)

    async def _show(self, name: str, now: Progress) -> bool:
        """False when there will be no more to show."""
        try:
            job = await self._ledger.job(name)
            if job is None or job.ended:
                self._live.pop(name, None)
                return False
            await self._tell(job, lambda job: self._put(job, _progress(job, now)))
        except (Gone, Indigestible) as error:
            log.info("progress shown no more", extra={"reason": str(error)})
            return False
        except (DeliveryFailed, RecordTrouble) as error:
            log.info("progress not shown", extra={"reason": str(error)})
        return True

    async def deliver(self, job: Job, pictures: Sequence[Picture]) -> None:
        """Show the ending, and nothing after it. Raises DeliveryFailed if that may work later."""
        live = self._live.pop(job.id, None)
        if live is not None:
            await live.close()
        name = job.id
        known = await insist(lambda: self._ledger.job(name))
        job = known or job  # the record knows its message by now
        try:
            await self._tell(job, lambda job: self._end(job, pictures))
        except (Gone, Indigestible) as error:
            log.warning("nobody can see the ending", extra={"reason": str(error)})

    async def _tell(self, job: Job, say: Callable[[Job], Awaitable[None]]) -> None:
        """A token that Discord has refused is never used again: else two messages show the job."""
        try:
            await say(job)
        except Stale as error:
            log.info("token refused", extra={"reason": str(error)})
            await insist(lambda: self._ledger.forget_token(job.id))
            address = msgspec.structs.replace(job.address, token=None)
            await say(msgspec.structs.replace(job, address=address))

    async def _end(self, job: Job, pictures: Sequence[Picture]) -> None:
        if job.erased is not None:
            await self._efface(job, job.erased)
        elif job.status is Status.REFUSED and await self._whispered(job):
            await self._mailbox.take_away(job.address)
            self._told.discard(job.id)
        else:
            await self._put_ending(job, await self._ending(job, pictures))
            known = await insist(lambda: self._ledger.job(job.id))
            if known is not None and known.erased is not None:  # while it was on its way
                await self._efface(known, known.erased)

    async def _whispered(self, job: Job) -> bool:
        """Does the person know the reason, who alone may? They are told once."""
        if job.id not in self._told:
            if not self._fresh(job):
                return False
            starting = captions.progress(job, Progress())
            await self._mailbox.whisper(job.address, job.reason or "", starting)
            self._told.add(job.id)
        return True

    async def _efface(self, job: Job, erasure: Erasure) -> None:
        """Leave nothing of a deleted job on its message, if it has one."""
        if job.address.message is not None or self._fresh(job):
            await self._put(job, Draft(content=erasure.words))

    async def _ending(self, job: Job, pictures: Sequence[Picture]) -> Draft:
        showing = await self._whereabouts.showing(pictures, job.address.channel)
        content = captions.ending(job, showing.pictures)
        if job.status is not Status.DONE:
            return Draft(content=content)
        view = components.result_view(job.id, len(pictures))
        try:
            suffix, data = await asyncio.to_thread(picture_files.of_job, self._archive, showing)
        except FileMissing as error:
            return Draft(content=f"{content}\n{error}", view=view)
        alt_text = captions.alt_text(pictures)
        upload = Upload(f"{job.id}.{suffix}", data, alt_text, showing.spoiler)
        return Draft(content=content, view=view, uploads=[upload])

    async def _put_ending(self, job: Job, draft: Draft) -> None:
        """If Discord does not take the grid, say so: the pictures can be had one by one. Where the
        bot may write but attach nothing, Discord's answer is as if it might not write."""
        try:
            await self._put(job, draft)
        except (Gone, Indigestible) as error:
            if not draft.uploads:
                raise
            log.warning("Discord does not take the pictures", extra={"reason": str(error)})
            content = f"{draft.content}\n{captions.NOT_TAKEN}"
            await self._put(job, Draft(content=content, view=draft.view))

    async def _put(self, job: Job, draft: Draft) -> None:
        message = await self._mailbox.put(
            job.address, draft, fresh=self._fresh(job), nonce=f"{job.id}:result"
        )
        if message != job.address.message:
            await insist(lambda: self._ledger.place(job.id, message))

    def _fresh(self, job: Job) -> bool:
        young = self._clock() < job.created_at + TOKEN_SECONDS
        return young and job.address.token is not None

    async def is_answered(self, job: Job) -> bool:
        """Did the person get a first answer, so that somebody waits for this job?"""
        if job.address.message is not None or job.address.token is None:
            return True
        return await self._mailbox.is_answered(job.address)


def _progress(job: Job, now: Progress) -> Draft:
    return Draft(
        content=captions.progress(job, now),
        view=components.cancel_view(job.id),
        uploads=None if now.preview is None else [Upload("preview.jpg", now.preview)],
    )
