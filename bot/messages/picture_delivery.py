"""Show single pictures at full size, as the responses to interactions."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Final

from bot.db.connection import DatabaseUnavailable, retry_until_written
from bot.db.job_messages import JobMessageStore
from bot.db.jobs import JobStore
from bot.db.pending_interactions import PendingInteractionStore
from bot.domain import rules
from bot.domain.job import ResponseTarget
from bot.domain.pending_interaction import PendingInteraction
from bot.domain.picture import Picture
from bot.errors import NETWORK_ERRORS, DeliveryFailed, Refused
from bot.messages import captions, picture_files
from bot.messages.action_views import ActionViews
from bot.messages.channels import ChannelResolver
from bot.messages.discord_errors import ContentRejected, MessageGone
from bot.messages.message_client import MessageClient, MessageContent, OutgoingFile
from bot.messages.token_fallback import with_token_fallback
from bot.storage import FileMissing, FileStorage

Refuse = Callable[[str], Awaitable[bool]]
"""Shows a reason to the user; False if Discord did not accept it."""
_RETRY_SECONDS: Final = 30.0
log = logging.getLogger(__name__)


class PictureDelivery:
    """Completes deferred interactions with pictures; a restart loses none that was added."""

    def __init__(
        self,
        messages: MessageClient,
        jobs: JobStore,
        job_messages: JobMessageStore,
        pending_interactions: PendingInteractionStore,
        storage: FileStorage,
        channels: ChannelResolver,
        views: ActionViews,
    ) -> None:
        self._messages = messages
        self._jobs = jobs
        self._job_messages = job_messages
        self._pending_interactions = pending_interactions
        self._storage = storage
        self._channels = channels
        self._views = views
        self._in_progress: set[int] = set()
        """Ids of the interactions that this process is completing."""

    @asynccontextmanager
    async def adding(self, pending: PendingInteraction) -> AsyncIterator[None]:
        """Store an interaction before it is deferred and completed in the body."""
        with self._mark_in_progress(pending):
            await self._add(pending)
            yield

    @contextmanager
    def _mark_in_progress(self, pending: PendingInteraction) -> Iterator[None]:
        self._in_progress.add(pending.interaction_id)
        try:
            yield
        finally:
            self._in_progress.discard(pending.interaction_id)

    async def _add(self, pending: PendingInteraction) -> None:
        """A failure is only logged."""
        try:
            await self._pending_interactions.add(pending)
        except DatabaseUnavailable as error:
            extra = {"job": pending.job_id, "reason": str(error)}
            log.warning("the interaction could not be stored", extra=extra)

    async def deliver(
        self,
        pending: PendingInteraction,
        message_id: int,
        refuse: Refuse,
        *,
        has_picture: bool = False,
    ) -> None:
        """Show the picture on the response, and delete the stored interaction.

        If there is nothing to show, `refuse` is called with the reason; if that fails, the
        interaction stays stored. `has_picture` is True if the response shows the picture already.
        Raises MessageGone, ContentRejected or DeliveryFailed.
        """
        try:
            await self._show(pending, message_id, has_picture=has_picture)
        except (Refused, FileMissing) as error:
            if not await refuse(str(error)):
                return
        await retry_until_written(
            lambda: self._pending_interactions.complete(pending.interaction_id)
        )

    async def run(self) -> None:
        """Complete interactions again and again whose pictures could not be sent."""
        while True:
            await asyncio.sleep(_RETRY_SECONDS)
            await self.deliver_pending()

    async def deliver_pending(self) -> None:
        """Complete the stored interactions, whose responses may still be empty.

        Not those that are being completed: they would be edited twice.
        """
        for pending in await retry_until_written(self._pending_interactions.pending):
            if pending.interaction_id in self._in_progress:
                continue
            try:
                with self._mark_in_progress(pending):
                    await self._deliver_again(pending)
            except (DeliveryFailed, DatabaseUnavailable) as error:
                extra = {"job": pending.job_id, "reason": str(error)}
                log.warning("a message may stay empty", extra=extra)
            except Exception:  # an unexpected error affects this interaction alone
                log.exception("a message may stay empty", extra={"job": pending.job_id})

    async def _deliver_again(self, pending: PendingInteraction) -> None:
        """Deliver to the response as it is now, if it exists."""
        try:
            message = await self._messages.fetch_response(_target(pending), pending.interaction_id)
            refuse = partial(self._show_reason, pending, message.id)
            has_picture = bool(message.attachments)
            await self.deliver(pending, message.id, refuse, has_picture=has_picture)
        except (MessageGone, ContentRejected) as error:
            extra = {"job": pending.job_id, "reason": str(error)}
            log.info("the interaction can no longer be completed", extra=extra)
            await self._pending_interactions.complete(pending.interaction_id)

    async def _show(
        self, pending: PendingInteraction, message_id: int, *, has_picture: bool
    ) -> None:
        """Raises Refused or FileMissing if there is nothing to show."""
        try:
            await asyncio.gather(
                retry_until_written(
                    lambda: self._job_messages.link(message_id, pending.job_id, pending.nth)
                ),
                *([] if has_picture else [self._upload(pending, message_id)]),
            )
        except MessageGone:  # moderators may have removed the picture and this message
            rules.check_not_removed(await self._pictures(pending))
            raise
        rules.check_not_removed(await self._pictures(pending))

    async def _upload(self, pending: PendingInteraction, message_id: int) -> None:
        pictures = await self._pictures(pending)
        if not pictures:
            raise Refused(rules.UNKNOWN_PICTURE)
        [picture] = pictures
        job = await self._jobs.job(picture.job_id)
        if job is None:
            raise Refused(rules.UNKNOWN_PICTURE)
        view = self._views.picture_view(picture, job)

        async def send(target: ResponseTarget) -> None:
            file = await self._file(picture, target)
            content = MessageContent(
                content=captions.full_size(picture),
                without_prompt=captions.full_size(picture, has_prompt=False),
                view=view,
                files=[file],
            )
            nonce = f"{pending.interaction_id}"
            try:
                await self._messages.upsert(target, content, nonce=nonce)
            except DeliveryFailed as error:
                if not isinstance(error.__cause__, NETWORK_ERRORS):
                    raise
                await self._messages.upsert(target, content, nonce=nonce)  # the first may be lost

        await with_token_fallback(_target(pending, message_id), send)

    async def _file(self, picture: Picture, target: ResponseTarget) -> OutgoingFile:
        """The picture as visible in the channel, whose settings are fetched again."""
        visible = await self._channels.visible_in([picture], target.channel_id)
        rules.check_viewable(visible.pictures[0])
        limit = self._messages.upload_limits.limit(target)
        suffix, data = await asyncio.to_thread(
            picture_files.picture_file, self._storage, visible, limit=limit
        )
        alt_text = captions.alt_text([picture])
        return OutgoingFile(f"{picture.id}.{suffix}", data, alt_text, visible.needs_spoiler)

    async def _show_reason(self, pending: PendingInteraction, message_id: int, reason: str) -> bool:
        """In public, for a response from before a restart; that of a removed picture is deleted."""
        if any(picture.is_removed for picture in await self._pictures(pending)):
            target = _target(pending, message_id)
            await with_token_fallback(target, self._messages.delete_response)
        else:
            content, nonce = MessageContent(content=reason), f"{pending.interaction_id}"
            await with_token_fallback(
                _target(pending, message_id),
                lambda target: self._messages.upsert(target, content, nonce=nonce),
            )
        return True

    async def _pictures(self, pending: PendingInteraction) -> list[Picture]:
        """The requested picture, if it exists."""
        pictures = await self._jobs.pictures(pending.job_id)
        return [picture for picture in pictures if picture.nth == pending.nth]


def _target(pending: PendingInteraction, message_id: int | None = None) -> ResponseTarget:
    return ResponseTarget(
        channel_id=pending.channel_id,
        application_id=pending.application_id,
        token=pending.token,
        message_id=message_id,
    )
