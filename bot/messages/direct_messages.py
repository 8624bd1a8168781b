"""Send the pictures of a job to one user."""

import asyncio
import logging
from functools import partial
from typing import Final

import discord

from bot.db.connection import retry_until_written
from bot.db.job_messages import JobMessageStore
from bot.domain.job import ShownJob
from bot.domain.nsfw import NsfwPolicy
from bot.domain.visibility import VisiblePictures, visible_in
from bot.errors import Refused
from bot.messages import captions, picture_files
from bot.messages.discord_errors import DISCORD_ERRORS, Meaning, describe, dm_refusal, meaning
from bot.messages.message_client import OutgoingFile, retry_once
from bot.services.job_finder import JobFinder
from bot.storage import FileStorage
from engine.contract import sha256

log = logging.getLogger(__name__)
_MAX_NONCE: Final = 25


class DirectMessages:
    """Sends pictures, and records which messages show them."""

    def __init__(
        self,
        client: discord.Client,
        job_finder: JobFinder,
        job_messages: JobMessageStore,
        storage: FileStorage,
    ) -> None:
        self._client = client
        self._job_finder = job_finder
        self._job_messages = job_messages
        self._storage = storage

    async def send(self, user_id: int, shown: ShownJob, idempotency_key: str) -> None:
        """Send what a message shows, in as many messages as the files need.

        Flagged pictures are withheld, whatever the channel of that message allows. A repeated
        call with the same key sends no second message. Raises Refused if Discord does not accept
        a message, or FileMissing.
        """
        pictures = await self._job_finder.pictures(shown)
        visible = visible_in(pictures, NsfwPolicy.BLOCK)
        files = await self._files(visible)
        try:
            dm = await self._client.create_dm(discord.Object(user_id))
            content: str | None = captions.direct_message(visible.pictures)
            for index, batch in enumerate(picture_files.batch_by_size(files)):
                nonce = _nonce(idempotency_key, index)
                message = await retry_once(partial(_send_files, dm, content, batch, nonce))
                await retry_until_written(
                    partial(self._job_messages.record_dm, shown.job.id, dm.id, message.id)
                )
                if batch and await self._are_removed(shown):
                    await message.delete()  # moderators removed the pictures in the meantime
                    return
                content = None
        except DISCORD_ERRORS as error:
            log.info("no direct message", extra={"reason": describe(error)})
            reason = dm_refusal(error) or (
                "Discord has a problem (please try again later)"
                if meaning(error) is Meaning.RETRY
                else "Discord did not accept them"
            )
            raise Refused(f"<@{user_id}>, {reason}, so I could not send the pictures.") from error

    async def notify(self, user_id: int, text: str) -> None:
        """Send a text to a user whom the bot cannot answer in the channel. Failures are logged."""
        try:
            dm = await self._client.create_dm(discord.Object(user_id))
            await dm.send(text)
        except DISCORD_ERRORS as error:
            log.warning("User %d got no reason: %s", user_id, describe(error))

    async def _files(self, visible: VisiblePictures) -> list[OutgoingFile]:
        files = []
        for index, picture in enumerate(visible.pictures):
            if picture.unavailable_reason is None:
                suffix, data = await asyncio.to_thread(
                    picture_files.picture_file, self._storage, visible, index
                )
                alt_text = captions.alt_text([picture])
                files.append(OutgoingFile(f"{picture.id}.{suffix}", data, alt_text))
        return files

    async def _are_removed(self, shown: ShownJob) -> bool:
        return any(picture.is_removed for picture in await self._job_finder.pictures(shown))


async def _send_files(
    dm: discord.DMChannel, content: str | None, files: list[OutgoingFile], nonce: str
) -> discord.Message:
    return await dm.send(content, files=[file.as_file() for file in files], nonce=nonce)


def _nonce(idempotency_key: str, index: int) -> str:
    """The same for a repeated request, so that Discord drops the second message."""
    return sha256(f"{idempotency_key}:{index}".encode())[:_MAX_NONCE]
