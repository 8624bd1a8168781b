"""Complete deferred interactions with files, such as single pictures at full size."""

import asyncio
import logging
from typing import Protocol

import msgspec

from bot.db.connection import retry_until_written
from bot.db.deliveries import DeliveryStore
from bot.domain.delivery import Delivery
from bot.domain.job import ResponseTarget
from bot.errors import NETWORK_ERRORS, DeliveryFailed, Refused
from bot.messages.discord_errors import ContentRejected, MessageGone
from bot.messages.message_client import MessageClient
from bot.messages.message_content import MessageContent
from bot.messages.token_fallback import with_token_fallback

log = logging.getLogger(__name__)


class ResponseContent(Protocol):
    """What the responses of one kind of delivery show."""

    async def build(self, delivery: Delivery, target: ResponseTarget) -> MessageContent:
        """The message to write at this target. Raises Refused or FileMissing if there is none."""

    async def check_not_removed(self, delivery: Delivery) -> None:
        """Raise Refused if moderators have removed what the message shows."""


class ResponseSender:
    """A sender of messages that are the responses to interactions."""

    def __init__(
        self, messages: MessageClient, deliveries: DeliveryStore, content: ResponseContent
    ) -> None:
        self._messages = messages
        self._deliveries = deliveries
        self._content = content

    async def send(self, delivery: Delivery, *, is_first: bool = False) -> bool:
        """As a Sender does. A response from before a restart may have its files already."""
        if is_first:
            await self._show(delivery)
            return True
        try:
            response = await self._messages.fetch_response(delivery.target, _request_id(delivery))
            current = _with_message(delivery, response.id)
            await self._show(current, has_files=bool(response.attachments))
        except (MessageGone, ContentRejected) as error:
            _log_end(delivery, error)
            return False
        return True

    async def explain(self, delivery: Delivery, reason: str) -> bool:
        """Write the reason in public; a response whose picture was removed is deleted instead."""
        try:
            response = await self._messages.fetch_response(delivery.target, _request_id(delivery))
            target = _with_message(delivery, response.id).target
            try:
                await self._content.check_not_removed(delivery)
            except Refused:
                await with_token_fallback(target, self._messages.delete_response)
            else:
                await self._upsert(delivery, target, MessageContent(content=reason))
        except (MessageGone, ContentRejected) as error:
            _log_end(delivery, error)
            return False
        return True

    async def _show(self, delivery: Delivery, *, has_files: bool = False) -> None:
        message_id = delivery.target.message_id
        steps = [] if has_files else [self._upload(delivery)]
        if message_id is not None:
            steps.append(
                retry_until_written(lambda: self._deliveries.set_message(delivery, message_id))
            )
        try:
            await asyncio.gather(*steps)
        except MessageGone:  # moderators may have removed the picture and this message
            await self._content.check_not_removed(delivery)
            raise
        await self._content.check_not_removed(delivery)

    async def _upload(self, delivery: Delivery) -> None:
        async def send(target: ResponseTarget) -> None:
            content = await self._content.build(delivery, target)
            try:
                await self._upsert_once(delivery, target, content)
            except DeliveryFailed as error:
                if not isinstance(error.__cause__, NETWORK_ERRORS):
                    raise
                await self._upsert_once(delivery, target, content)  # the first may be lost

        await with_token_fallback(delivery.target, send)

    async def _upsert(
        self, delivery: Delivery, target: ResponseTarget, content: MessageContent
    ) -> None:
        await with_token_fallback(
            target, lambda target: self._upsert_once(delivery, target, content)
        )

    async def _upsert_once(
        self, delivery: Delivery, target: ResponseTarget, content: MessageContent
    ) -> None:
        await self._messages.upsert(target, content, nonce=delivery.request or "")


def _request_id(delivery: Delivery) -> int:
    return int(delivery.request or 0)


def _with_message(delivery: Delivery, message_id: int) -> Delivery:
    target = msgspec.structs.replace(delivery.target, message_id=message_id)
    return msgspec.structs.replace(delivery, target=target)


def _log_end(delivery: Delivery, error: Exception) -> None:
    extra = {"job": delivery.job_id, "reason": str(error)}
    log.info("the interaction can no longer be completed", extra=extra)
