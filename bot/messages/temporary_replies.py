"""Public replies that delete themselves, for errors that cannot be shown to one user alone."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, Self

import discord

from bot.messages.discord_errors import DISCORD_ERRORS, describe

_VISIBLE_SECONDS: Final = 15.0
_CLOSE_SECONDS: Final = 1.0
"""For the deletions at shutdown; a supervisor may kill the process soon."""
Delete = Callable[[int, int], Awaitable[bool]]
"""Deletes the message in this channel with this id; False if it could not."""
log = logging.getLogger(__name__)


class TemporaryReplies:
    """Use as `async with`; the exit deletes the replies that are still visible."""

    def __init__(self, client: discord.Client, delete: Delete) -> None:
        self._client = client
        self._delete = delete
        self._closing = asyncio.Event()
        self._deletions: set[asyncio.Task[None]] = set()
        self._recent: set[tuple[int, int, str]] = set()
        """(message id, user id, text) of recent replies, so that none is repeated meanwhile."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closing.set()
        if self._deletions:
            late = (await asyncio.wait(self._deletions, timeout=_CLOSE_SECONDS))[1]
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def send(self, channel_id: int, message_id: int, user_id: int, text: str) -> None:
        """Reply to this message, unless the same reply to the same user is still visible."""
        key = (message_id, user_id, text)
        if key in self._recent:
            return
        self._recent.add(key)
        asyncio.get_running_loop().call_later(_VISIBLE_SECONDS, self._recent.discard, key)
        channel = self._client.get_partial_messageable(channel_id)
        reference = channel.get_partial_message(message_id).to_reference(fail_if_not_exists=False)
        try:
            reply = await channel.send(text, reference=reference)
        except DISCORD_ERRORS as error:
            log.warning("A temporary reply was not sent: %s", describe(error))
            self._recent.discard(key)
            return
        deletion = asyncio.create_task(self._delete_later(channel_id, reply.id))
        self._deletions.add(deletion)
        deletion.add_done_callback(self._deletions.discard)

    async def _delete_later(self, channel_id: int, message_id: int) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(_VISIBLE_SECONDS):
                await self._closing.wait()
        await self._delete(channel_id, message_id)
