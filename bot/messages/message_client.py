"""One message of ours on Discord: made, edited and deleted by whichever way still works."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from typing import Any, Final, cast

import discord
import msgspec

from bot.domain.job import Address
from bot.errors import NETWORK_ERRORS, DeliveryFailed

TOKEN_SECONDS: Final = 14 * 60
"""An interaction's token works for 15 minutes; the last one is left to slow clocks."""
ORIGINAL: Final = cast("int", "@original")  # discord.py puts it into the address as it is
_UNKNOWN_MESSAGE: Final = 10008
_SERVER_TROUBLE: Final = 500
_TOO_MANY: Final = 429
_CONTENT_TROUBLE: Final = (400, 413)
_TOKEN_TROUBLE: Final = (401, 403, 404)
log = logging.getLogger(__name__)


class Gone(Exception):
    """The message was deleted, or may not be touched: there is nothing left to show."""


class Stale(Exception):
    """The interaction's token works no more; the message may be reached without it."""


class Indigestible(Exception):
    """Discord does not take this content, though it would take other content."""


class Upload(msgspec.Struct, frozen=True):
    """A file for a message."""

    name: str
    data: bytes
    description: str | None = None
    spoiler: bool = False
    """Discord blurs it until somebody clicks on it."""

    def as_file(self) -> discord.File:
        """As discord.py wants it; it can be sent once only."""
        return discord.File(
            BytesIO(self.data), self.name, spoiler=self.spoiler, description=self.description
        )


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """What a message is to say."""

    content: str
    view: discord.ui.View | None = None
    uploads: Sequence[Upload] | None = ()
    """None leaves the message's files as they are."""


class Mailbox:
    """Writes to the messages of jobs. Pings nobody, ever: the client's default says so."""

    def __init__(self, client: discord.Client) -> None:
        self._client = client

    async def put(self, address: Address, draft: Draft, *, fresh: bool, nonce: str) -> int:
        """Make the message at this address say so; returns its id.

        By the interaction's token while it is `fresh`, else as the channel's message, else as a
        new message that the nonce makes one of a kind. Raises Stale, Gone, Indigestible or
        DeliveryFailed.
        """
        with _translated(by_token=fresh):
            if fresh:
                return await self._edit_answer(address, draft)
            if address.message is not None:
                return await self._edit(address.channel, address.message, draft)
            return await self._send_once(address, draft, nonce)

    async def whisper(self, address: Address, sentence: str, placeholder: str) -> None:
        """Tell the person alone, by the interaction's token. Raises as `put` does.

        The answer is edited first: while it still loads, a followup would take its place, and be
        as public as it is.
        """
        with _translated(by_token=True):
            await self._edit_answer(address, Draft(content=placeholder))
            await self._webhook(address).send(sentence, ephemeral=True, wait=True)

    async def take_away(self, address: Address) -> None:
        """Delete the public answer: by the interaction's token, or without it as the channel's
        message, if that is known. Raises as `put` does."""
        with _translated(by_token=address.token is not None):
            if address.token is not None:
                await self._webhook(address).delete_message(ORIGINAL)
            elif address.message is not None:
                place = self._client.get_partial_messageable(address.channel)
                await place.get_partial_message(address.message).delete()

    async def original(self, address: Address) -> discord.Message:
        """The interaction's public answer as it is now. Raises as `put` does."""
        with _translated(by_token=True):
            return await self._webhook(address).fetch_message(ORIGINAL)

    async def is_answered(self, address: Address) -> bool:
        """Has the interaction an answer? In doubt yes, for then somebody may wait for more."""
        try:
            await self._webhook(address).fetch_message(ORIGINAL)
        except discord.HTTPException as error:
            log.info("An interaction has no answer: %s", error)
            return isinstance(_judged(error), DeliveryFailed)
        except NETWORK_ERRORS as error:
            log.info("An interaction's answer cannot be looked up: %r", error)
        return True

    def _webhook(self, address: Address) -> discord.Webhook:
        application = address.application or self._client.application_id or 0
        webhook = discord.Webhook.partial(application, address.token or "", client=self._client)
        webhook.type = discord.WebhookType.application  # else it may not whisper
        return webhook

    async def _edit_answer(self, address: Address, draft: Draft) -> int:
        message = await self._webhook(address).edit_message(
            ORIGINAL, content=draft.content, view=draft.view, attachments=_files(draft)
        )
        return message.id

    async def _edit(self, channel: int, message: int, draft: Draft) -> int:
        partial = self._client.get_partial_messageable(channel).get_partial_message(message)
        edited = await partial.edit(
            content=draft.content, view=draft.view, attachments=_files(draft)
        )
        return edited.id

    async def _send_once(self, address: Address, draft: Draft, nonce: str) -> int:
        """If the nonce was used before, Discord gives us that older message, as it was."""
        sent = await self._send(address, draft, nonce)
        if sent.content == draft.content:
            return sent.id
        return await self._edit(address.channel, sent.id, draft)

    async def _send(self, address: Address, draft: Draft, nonce: str) -> discord.Message:
        place = self._client.get_partial_messageable(address.channel)
        options: dict[str, Any] = {}  # discord.py takes no None for them
        if address.reply_to is not None:
            options["reference"] = discord.MessageReference(
                message_id=address.reply_to,
                channel_id=address.channel,
                guild_id=address.guild,
                fail_if_not_exists=False,
            )
        return await place.send(
            draft.content,
            files=[upload.as_file() for upload in draft.uploads or ()],
            view=draft.view or discord.utils.MISSING,
            nonce=nonce,
            **options,
        )


def _files(draft: Draft) -> list[discord.Attachment | discord.File]:
    if draft.uploads is None:
        return discord.utils.MISSING  # type: ignore[no-any-return]
    return [upload.as_file() for upload in draft.uploads]


@contextmanager
def _translated(*, by_token: bool) -> Iterator[None]:
    try:
        yield
    except discord.HTTPException as error:
        if by_token and error.code != _UNKNOWN_MESSAGE and error.status in _TOKEN_TROUBLE:
            raise Stale(str(error)) from error
        raise _judged(error) from error
    except NETWORK_ERRORS as error:
        raise DeliveryFailed(f"Discord cannot be reached ({error!r}).") from error


def _judged(error: discord.HTTPException) -> Gone | Indigestible | DeliveryFailed:
    if error.status >= _SERVER_TROUBLE or error.status == _TOO_MANY:
        return DeliveryFailed(f"Discord is in trouble ({error}).")
    if error.status in _CONTENT_TROUBLE:
        return Indigestible(str(error))
    return Gone(str(error))
