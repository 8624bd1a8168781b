"""Send the pictures of a job to one user."""

import asyncio
import logging
from functools import partial
from typing import Final

import discord
import msgspec

from bot.db.connection import retry_until_written
from bot.db.deliveries import DeliveryStore
from bot.db.jobs import JobStore
from bot.domain import restoration
from bot.domain.clock import Clock
from bot.domain.delivery import Delivery
from bot.domain.nsfw import NsfwPolicy
from bot.domain.picture import Picture
from bot.domain.visibility import VisiblePictures, visible_in
from bot.errors import DeliveryFailed, Refused
from bot.i18n import _
from bot.messages import alt_texts, captions, picture_files
from bot.messages.discord_errors import DISCORD_ERRORS, Meaning, describe, dm_refusal, meaning
from bot.messages.message_client import retry_once
from bot.messages.message_content import OutgoingFile
from bot.messages.upload_limits import UploadLimits
from bot.services.input_files import InputFiles
from bot.storage import FileStorage
from engine.contract import sha256

log = logging.getLogger(__name__)
_MAX_NONCE: Final = 25


class DirectMessages:
    """A sender of pictures, in as many messages as the files need."""

    def __init__(
        self,
        client: discord.Client,
        jobs: JobStore,
        deliveries: DeliveryStore,
        storage: FileStorage,
        input_files: InputFiles,
        upload_limits: UploadLimits,
        clock: Clock,
    ) -> None:
        self._client = client
        self._jobs = jobs
        self._deliveries = deliveries
        self._storage = storage
        self._input_files = input_files
        self._upload_limits = upload_limits
        self._clock = clock

    async def send(self, delivery: Delivery, *, is_first: bool = False) -> bool:
        """As a Sender does. A repeated attempt sends no second message.

        Flagged pictures are withheld, whatever the channel allows that they were requested in.
        Raises Refused if Discord does not accept a message.
        """
        recipient_id = delivery.recipient_id or 0
        try:
            await self._send(delivery, recipient_id)
        except DISCORD_ERRORS as error:
            log.info("no direct message", extra={"reason": describe(error)})
            if meaning(error) is Meaning.RETRY and not is_first:
                raise DeliveryFailed(describe(error)) from error
            refusal = dm_refusal(error)
            reason = (
                _(refusal)
                if refusal
                else (
                    _("Discord has a problem (please try again later)")
                    if meaning(error) is Meaning.RETRY
                    else _("Discord did not accept them")
                )
            )
            raise Refused(
                _("<@{recipient_id}>, {reason}, so I could not send the pictures.").format(
                    recipient_id=recipient_id, reason=reason
                )
            ) from error
        return True

    async def explain(self, delivery: Delivery, reason: str) -> bool:  # a Sender's
        """False: a user who gets no pictures gets no reason either."""
        log.warning("no direct message", extra={"job": delivery.job_id})
        return False

    async def _send(self, delivery: Delivery, recipient_id: int) -> None:
        visible = visible_in(await self._pictures(delivery), NsfwPolicy.BLOCK)
        requester = restoration.of_delivery(delivery)
        await self._input_files.require(visible.pictures, requester)
        files, notes = await self._files(visible, self._upload_limits.limit(delivery.target))
        dm = await self._client.create_dm(discord.Object(recipient_id))
        content: str | None = captions.direct_message(visible.pictures, notes)
        for index, batch in enumerate(picture_files.batch_by_size(files)):
            nonce = _nonce(delivery.request or "", index)
            message = await retry_once(partial(_send_files, dm, content, batch, nonce))
            target = msgspec.structs.replace(delivery.target, channel_id=dm.id)
            sent = msgspec.structs.replace(delivery, target=target)
            await retry_until_written(
                partial(self._deliveries.record, sent, message.id, now=self._clock())
            )
            if batch and any(picture.is_removed for picture in await self._pictures(delivery)):
                await message.delete()  # moderators removed the pictures in the meantime
                return
            content = None

    async def _pictures(self, delivery: Delivery) -> list[Picture]:
        pictures = await self._jobs.pictures(delivery.job_id)
        return [picture for picture in pictures if delivery.nth in (None, picture.nth)]

    async def _files(
        self, visible: VisiblePictures, limit: int
    ) -> tuple[list[OutgoingFile], list[str]]:
        """With what the message says of their formats."""
        files, notes = [], dict[str, None]()
        for index, picture in enumerate(visible.pictures):
            if picture.unavailable_reason is None:
                fitted = await asyncio.to_thread(
                    picture_files.picture_file, self._storage, visible, index, limit
                )
                name, alt_text = f"{picture.id}.{fitted.suffix}", alt_texts.of_pictures([picture])
                files.append(OutgoingFile(name, fitted.data, alt_text))
                notes |= {fitted.note: None} if fitted.note else {}
        return files, list(notes)


async def _send_files(
    dm: discord.DMChannel, content: str | None, files: list[OutgoingFile], nonce: str
) -> discord.Message:
    return await dm.send(content, files=[file.as_file() for file in files], nonce=nonce)


def _nonce(idempotency_key: str, index: int) -> str:
    """The same for a repeated request, so that Discord drops the second message."""
    return sha256(f"{idempotency_key}:{index}".encode())[:_MAX_NONCE]
