"""Show jobs on Discord: throttled edits while a job runs, then exactly one final message."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Self

import msgspec

from bot.aio import Sleep
from bot.db.connection import DatabaseUnavailable, retry_until_written
from bot.db.jobs import JobStore
from bot.domain.clock import Clock
from bot.domain.delivery import Delivery
from bot.domain.job import DeletionReason, Job, Progress, ResponseTarget, Status
from bot.domain.picture import Picture
from bot.domain.waits import Waits
from bot.errors import DeliveryFailed
from bot.i18n import ENGLISH, _, from_english, in_language
from bot.messages import alt_texts, captions, components
from bot.messages.channels import ChannelResolver
from bot.messages.discord_errors import ContentRejected, MessageGone, TokenExpired
from bot.messages.message_client import TOKEN_SECONDS, MessageClient
from bot.messages.message_content import MessageContent, OutgoingFile
from bot.messages.result_content import ResultContent
from bot.messages.throttle import NotShown, Throttle
from bot.messages.token_fallback import with_token_fallback, without_token
from bot.services.display_versions import DisplayVersions
from engine.log import log_context

EDIT_SECONDS: Final = 2.0
"""Between two edits of a message; Discord limits the rate of edits in a channel."""
OVERDUE_SECONDS: Final = 5.0
"""Between two searches for expected ends that have passed."""
LAST_WORD_SECONDS: Final = 30.0
"""Before a token expires without which the message cannot be edited."""
log = logging.getLogger(__name__)


class JobMessages:
    """Shows the progress and the final state of jobs.

    Use as `async with`, which ends the tasks that show progress.
    """

    def __init__(
        self,
        messages: MessageClient,
        jobs: JobStore,
        results: ResultContent,
        display_versions: DisplayVersions,
        channels: ChannelResolver,
        *,
        language: Callable[[Job], str] = lambda job: ENGLISH,
        clock: Clock,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._messages = messages
        self._jobs = jobs
        self._results = results
        self._display_versions = display_versions
        self._channels = channels
        self._language = language
        self._clock = clock
        self._monotonic = monotonic
        self._sleep = sleep
        self.waits = Waits()
        """What the messages of unfinished jobs show."""
        self._progress_throttles: dict[str, Throttle[Progress]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._privately_informed: set[str] = set()
        """Refused jobs whose user has the reason, but whose public response may still exist."""
        self.gone: asyncio.Queue[str] = asyncio.Queue()
        """Ids of unfinished jobs whose message is gone, so that nobody can see a result."""
        self._without_previews: set[str] = set()
        """Ids of jobs whose previews Discord does not accept."""
        self._next_progress = 0.0
        """On the monotonic clock: no progress is shown before it, because Discord asks for that."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def show(self, job: Job, progress: Progress) -> None:
        """Show the progress soon, unless a newer one replaces it."""
        throttle = self._progress_throttles.get(job.id)
        if throttle is None:
            throttle = Throttle(
                lambda newest: self._show(job.id, newest), EDIT_SECONDS, self._sleep
            )
            self._progress_throttles[job.id] = throttle
            task = asyncio.create_task(self._run(job.id, throttle))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        throttle.put(self.waits.update(job.id, progress, self._clock()))

    async def end_overdue(self) -> None:
        """Leave expected ends out of messages once they have passed; runs until it is cancelled."""
        while True:
            await self._sleep(OVERDUE_SECONDS)
            for job_id, progress in self.waits.end_overdue(self._clock()).items():
                if job_id in self._progress_throttles:
                    self._progress_throttles[job_id].put(progress)

    async def _run(self, job_id: str, throttle: Throttle[Progress]) -> None:
        with log_context(job=job_id):
            try:
                await throttle.run()
            except Exception:  # the result is delivered anyway
                log.exception("showing progress failed")

    async def _show(self, job_id: str, progress: Progress) -> bool:
        """False if no more progress can be shown. Raises NotShown if it can be tried again."""
        if self._monotonic() < self._next_progress:
            raise NotShown
        if job_id in self._without_previews:
            progress = msgspec.structs.replace(progress, preview=None)
        try:
            job = await self._jobs.job(job_id)
            if job is None or job.has_ended:
                self._forget(job_id)
                return False
            with in_language(self._language(job)):
                await self._with_token_fallback(
                    job, lambda job: self._upsert(job, _progress_content(job, progress))
                )
        except MessageGone as error:
            log.info("message gone", extra={"reason": str(error)})
            self._forget(job_id)
            self.gone.put_nowait(job_id)
            return False
        except ContentRejected as error:
            log.info("progress can no longer be shown", extra={"reason": str(error)})
            if progress.preview is None:
                return False
            self._without_previews.add(job_id)
            return await self._show(job_id, progress)
        except DeliveryFailed as error:
            self._next_progress = self._monotonic() + error.retry_after
            log.info("progress not shown", extra={"reason": str(error)})
            raise NotShown from error
        except DatabaseUnavailable as error:
            log.info("progress not shown", extra={"reason": str(error)})
            raise NotShown from error
        return True

    def _forget(self, job_id: str) -> Throttle[Progress] | None:
        """The throttle of a job that shows no more progress."""
        self._without_previews.discard(job_id)
        self.waits.remove(job_id)
        return self._progress_throttles.pop(job_id, None)

    async def send(self, delivery: Delivery, *, is_first: bool = False) -> bool:  # a Sender's
        """Show how the job ended, and no progress after it, as a Sender does."""
        pictures = await retry_until_written(lambda: self._jobs.pictures(delivery.job_id))
        return await self._deliver(delivery, lambda job: self._finish(job, pictures))

    async def explain(self, delivery: Delivery, reason: str) -> bool:
        """Show this sentence instead of how the job ended, as a Sender does."""
        return await self._deliver(
            delivery,
            lambda job: self._upsert(job, MessageContent(content=from_english(reason))),
        )

    async def _deliver(self, delivery: Delivery, send: Callable[[Job], Awaitable[None]]) -> bool:
        throttle = self._forget(delivery.job_id)
        if throttle is not None:
            await throttle.close()
        job = await retry_until_written(lambda: self._jobs.job(delivery.job_id))
        if job is None:
            return False
        try:
            with in_language(self._language(job)):
                await self._with_token_fallback(job, send)
        except (MessageGone, ContentRejected) as error:
            log.warning("the result cannot be shown", extra={"reason": str(error)})
            return False
        return True

    async def _with_token_fallback(self, job: Job, send: Callable[[Job], Awaitable[None]]) -> None:
        """A refused token is never used again: otherwise two messages could show the job."""
        await with_token_fallback(
            job.target,
            lambda target: send(msgspec.structs.replace(job, target=target)),
            on_refused=lambda: retry_until_written(lambda: self._jobs.clear_token(job.id)),
        )

    async def _finish(self, job: Job, pictures: Sequence[Picture]) -> None:
        if job.deletion_reason is not None:
            await self._replace_with_deleted_note(job, job.deletion_reason)
        elif job.status is Status.REFUSED and await self._respond_privately(job):
            await self._messages.delete_response(job.target)
            self._privately_informed.discard(job.id)
        else:
            missing = await self._display_versions.missing(job)
            await self._upsert_result(job, await self._content(job, pictures))
            if missing:  # nobody has to wait for the enlargement
                await self._enlarge(job, pictures, missing)
            current = await retry_until_written(lambda: self._jobs.job(job.id))
            if current is not None and current.deletion_reason is not None:  # since then
                await self._replace_with_deleted_note(current, current.deletion_reason)

    async def _enlarge(self, job: Job, pictures: Sequence[Picture], missing: Sequence[int]) -> None:
        """Replace the pictures of a result by their display versions; these are missing."""
        await self._display_versions.make(job)
        if await self._display_versions.missing(job) == missing:
            return
        current = await retry_until_written(lambda: self._jobs.job(job.id))
        if current is None or current.deletion_reason is not None:
            return
        target = msgspec.structs.replace(job.target, message_id=current.target.message_id)
        current = msgspec.structs.replace(current, target=target)
        try:
            content = await self._content(current, pictures)
            await self._upsert(current, msgspec.structs.replace(content, keeps_view=True))
        except (MessageGone, ContentRejected, TokenExpired) as error:
            log.info("the result is not shown enlarged", extra={"reason": str(error)})

    async def _respond_privately(self, job: Job) -> bool:
        """Send the reason to the user alone, once; False if the token is no longer valid."""
        if job.id not in self._privately_informed:
            if not self._token_valid(job):
                return False
            reason = from_english(job.failure_reason or "")
            await self._messages.respond_ephemeral(job.target, reason)
            self._privately_informed.add(job.id)
        return True

    async def _replace_with_deleted_note(self, job: Job, reason: DeletionReason) -> None:
        """Replace everything on a deleted job's message, if it has one."""
        if job.target.message_id is not None or self._token_valid(job):
            await self._upsert(job, MessageContent(content=reason.message))

    async def _content(self, job: Job, pictures: Sequence[Picture]) -> MessageContent:
        return await self._results.build(job, pictures, self._target(job))

    async def _upsert_result(self, job: Job, content: MessageContent) -> None:
        """If Discord rejects the grid, say so: the pictures can still be shown one by one.

        In a channel where the bot may write but not attach files, Discord's error is the same as
        if it could not write.
        """
        try:
            await self._upsert(job, content)
        except (MessageGone, ContentRejected) as error:
            if not content.files:
                raise
            log.warning("Discord does not take the pictures", extra={"reason": str(error)})
            await self._upsert(job, _without_files(content, _(captions.UPLOAD_REJECTED)))

    async def _upsert(self, job: Job, content: MessageContent) -> None:
        message_id = await self._messages.upsert(
            self._target(job), content, nonce=f"{job.id}:result"
        )
        if message_id != job.target.message_id:
            await retry_until_written(lambda: self._jobs.set_message(job.id, message_id))

    def _target(self, job: Job) -> ResponseTarget:
        """How the message of the job can be reached now.

        Raises MessageGone for one without a valid token that the channel must not show, because it
        is private, or cannot show, because the bot is not in it.
        """
        if self._token_valid(job):
            return job.target
        if job.plan.is_private or _is_in_private_channel(job):
            raise MessageGone("The token of the message has expired.")
        return without_token(job.target)

    def _token_valid(self, job: Job) -> bool:
        is_recent = self._clock() < job.created_at + TOKEN_SECONDS
        return is_recent and job.target.token is not None

    def is_out_of_time(self, job: Job) -> bool:
        """Whether the message of an unfinished job can soon, or already, not be edited.

        So it is LAST_WORD_SECONDS before the token expires, if the bot is no member of the guild or
        chat, or if the message is private.
        """
        is_token_only = _is_in_private_channel(job) or self._channels.is_token_only(
            job.target.guild_id
        )
        if not (job.plan.is_private or is_token_only):
            return False
        end = job.created_at + TOKEN_SECONDS - LAST_WORD_SECONDS
        return job.target.token is None or self._clock() >= end

    async def is_answered(self, job: Job) -> bool:
        """Whether the user has received the first response, and so may wait for this job.

        Stores the id of a response that the job does not know yet: without it, a response whose
        token Discord refuses later could not be edited.
        """
        if job.target.message_id is not None or job.target.token is None:
            return True
        try:
            response = await self._messages.fetch_original(job.target)
        except DeliveryFailed as error:
            log.info("first response unknown", extra={"job": job.id, "reason": str(error)})
            return True
        except (TokenExpired, MessageGone, ContentRejected) as error:
            log.info("no first response", extra={"job": job.id, "reason": str(error)})
            return False
        await retry_until_written(lambda: self._jobs.set_message(job.id, response.id))
        return True


def _is_in_private_channel(job: Job) -> bool:
    """Whether a job was requested in a group, or in direct messages of others."""
    return job.plan.is_token_only and job.target.guild_id is None


def _without_files(content: MessageContent, reason: str) -> MessageContent:
    text = content.without_prompt
    return MessageContent(
        content=f"{content.content}\n{reason}",
        without_prompt=None if text is None else f"{text}\n{reason}",
        view=content.view,
    )


def _progress_content(job: Job, progress: Progress) -> MessageContent:
    preview = progress.preview
    return MessageContent(
        content=captions.progress(job, progress),
        without_prompt=captions.progress(job, progress, has_prompt=False),
        view=components.cancel_view(job.id),
        files=None if preview is None else [_preview_file(job, preview)],
    )


def _preview_file(job: Job, preview: bytes) -> OutgoingFile:
    return OutgoingFile("preview.jpg", preview, alt_texts.of_preview(job))
