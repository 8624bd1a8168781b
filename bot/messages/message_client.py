"""Create, edit and delete messages of ours: by interaction token, or else in the channel."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, TypeAlias, TypeVar, cast

import discord
from discord.http import Route

from bot.domain.job import ResponseTarget
from bot.errors import NETWORK_ERRORS, DeliveryFailed
from bot.messages.discord_errors import (
    DISCORD_ERRORS,
    EMPTY_RESPONSE_ERRORS,
    Meaning,
    MessageGone,
    TextBlocked,
    TokenExpired,
    describe,
    meaning,
    translated_errors,
)
from bot.messages.message_content import MessageContent
from bot.messages.temporary_replies import TemporaryReplies
from bot.messages.upload_limits import UploadLimits
from bot.messages.vote_reader import VoteReader

_HISTORY_LIMIT: Final = 100
"""The most messages of one page; a response follows its interaction closely."""
TOKEN_SECONDS: Final = 14 * 60
"""An interaction token is valid for 15 minutes; one minute is left for clock differences."""


class _OriginalResponse:
    """Formatted as `@original`. discord.py would percent-encode a string in a path."""

    def __str__(self) -> str:
        return "@original"


_PLACEHOLDER: Final = "…"
"""The content of a public response that is about to be deleted."""
ORIGINAL_RESPONSE: Final = cast("int", _OriginalResponse())
"""The message id of an original response in webhook routes; discord.py only formats it."""
_LOOK_SECONDS: Final = 1.0
"""To look whether a message exists, while Discord waits three seconds for a response."""
_MAX_PRESSED: Final = 500
"""Messages whose pressed buttons are remembered."""
Components: TypeAlias = list[Any]
"""As Discord's JSON has them."""
log = logging.getLogger(__name__)

T = TypeVar("T")


async def retry_once(send: Callable[[], Awaitable[T]]) -> T:
    """Repeat a request once after a network error, because it may not have reached Discord."""
    try:
        return await send()
    except NETWORK_ERRORS:
        return await send()


class MessageClient:
    """Writes job messages. Never pings anybody: the client's default allowed mentions are none."""

    def __init__(self, client: discord.Client) -> None:
        self._client = client
        self.upload_limits = UploadLimits(client)
        self.temporary_replies = TemporaryReplies(client, self.delete)
        self.vote_reader = VoteReader(client)
        self._pressed: OrderedDict[int, set[str]] = OrderedDict()
        """The custom ids of buttons that were pressed lately, by message."""

    async def upsert(self, target: ResponseTarget, content: MessageContent, *, nonce: str) -> int:
        """Edit the message at this target, or send a new one; return its id.

        Uses the interaction token if the target has one, else the channel. A new message carries
        the nonce, so that a repeated call does not send a second one. An archived thread is opened;
        if the bot may not, the content is sent as a new message, which opens it too, and the old
        one is deleted. If the server blocks the text, that without the prompt is shown. Raises
        TokenExpired, MessageGone, ContentRejected or DeliveryFailed.
        """
        try:
            return await self._upsert_in_open_thread(target, content, nonce)
        except TextBlocked as error:
            if content.without_prompt is None:
                raise
            log.info("the text is blocked", extra={"reason": str(error)})
        hidden = content.with_prompt_hidden(content.without_prompt)
        return await self._upsert_in_open_thread(target, hidden, nonce)

    async def _upsert_in_open_thread(
        self, target: ResponseTarget, content: MessageContent, nonce: str
    ) -> int:
        with translated_errors(by_token=target.token is not None):
            try:
                return await self._upsert(target, content, nonce)
            except DISCORD_ERRORS as error:
                if meaning(error) is not Meaning.ARCHIVED:
                    raise
            if await self._open_thread(target.channel_id):
                return await self._upsert(target, content, nonce)
            message_id = await self._send_once(target, content, nonce)
        if target.message_id is not None:
            await self.delete(target.channel_id, target.message_id)
        return message_id

    async def _upsert(self, target: ResponseTarget, content: MessageContent, nonce: str) -> int:
        if target.token is not None:
            return await self._edit_original_response(target, content)
        if target.message_id is not None:
            return await self._edit(target.channel_id, target.message_id, content)
        return await self._send_once(target, content, nonce)

    async def _open_thread(self, channel_id: int) -> bool:
        """Unarchive a thread; False if Discord does not allow it."""
        route = Route("PATCH", "/channels/{channel_id}", channel_id=channel_id)
        try:
            await self._client.http.request(route, json={"archived": False})
        except DISCORD_ERRORS as error:
            log.info("thread stays archived", extra={"reason": describe(error)})
            return False
        return True

    async def respond_ephemeral(self, target: ResponseTarget, sentence: str) -> None:
        """Send an ephemeral followup by the interaction token. Raises as `upsert` does.

        The original response is edited first: while it is deferred, the first followup would
        replace it and be as public as it is. If somebody deleted it meanwhile, the followup is sent
        all the same; Discord may refuse the first one as an edit of the deleted response.
        """
        webhook, content = self._webhook(target), MessageContent(content=_PLACEHOLDER)
        with translated_errors(by_token=True):
            await self._unless_gone(target, lambda: self._edit_original_response(target, content))
            is_sent = await self._unless_gone(
                target, lambda: webhook.send(sentence, ephemeral=True, wait=True)
            )
            if not is_sent:
                await self._unless_gone(target, lambda: self._delete_response(target))
                await webhook.send(sentence, ephemeral=True, wait=True)

    async def edit_ephemeral(self, target: ResponseTarget, sentence: str) -> None:
        """Edit the original response, which is ephemeral. Raises as `upsert` does."""
        content = MessageContent(content=sentence)
        with translated_errors(by_token=True):
            await retry_once(lambda: self._edit_original_response(target, content))

    async def delete_response(self, target: ResponseTarget) -> None:
        """Delete the public message by the interaction token, or else by its id in the channel.

        An archived thread is opened for it. Raises as `upsert` does, but not if there is none.
        """
        with translated_errors(by_token=target.token is not None):
            await self._unless_gone(target, lambda: self._delete_response(target))

    async def _unless_gone(
        self, target: ResponseTarget, request: Callable[[], Awaitable[object]]
    ) -> bool:
        """Repeat a request once if it may not have arrived; False if its message is gone."""
        try:
            await self._in_open_thread(target.channel_id, lambda: retry_once(request))
        except DISCORD_ERRORS as error:
            if meaning(error) is not Meaning.GONE:
                raise
            return False
        return True

    async def _delete_response(self, target: ResponseTarget) -> None:
        if target.token is not None:
            await self._webhook(target).delete_message(ORIGINAL_RESPONSE)
        elif target.message_id is not None:
            await self._partial_message(target.channel_id, target.message_id).delete()

    async def delete(self, channel_id: int, message_id: int) -> bool:
        """Delete a message of ours; True if there is no such message now, also if there was none.

        An archived thread is opened for it. With the first message of a forum post, the whole post
        is deleted if the bot may. Logs Discord's reason if it is False.
        """
        message = self._partial_message(channel_id, message_id)
        try:
            if not (channel_id == message_id and await self._delete_post(channel_id)):
                await self._in_open_thread(channel_id, message.delete)
        except DISCORD_ERRORS as error:
            if meaning(error) is not Meaning.GONE:
                log.warning("Message %d is not deleted: %s", message_id, describe(error))
                return False
        return True

    async def delete_post(self, target: ResponseTarget) -> None:
        """Delete a message of ours, as `delete` does. Raises as `upsert` does, but not if there is
        none."""
        with translated_errors(by_token=False):
            if target.channel_id == target.message_id and await self._delete_post(
                target.channel_id
            ):
                return
        await self.delete_response(target)

    async def _delete_post(self, channel_id: int) -> bool:
        """Delete a post of a forum, unless it is gone; False if Discord does not allow it."""
        route = Route("DELETE", "/channels/{channel_id}", channel_id=channel_id)
        try:
            await self._client.http.request(route)
        except DISCORD_ERRORS as error:
            if meaning(error) is Meaning.RETRY:
                raise
            return meaning(error) is Meaning.GONE
        return True

    async def reset_menus(self, message: discord.Message) -> None:
        """Edit a public message of ours without a change; failures are logged.

        A client of Discord sends the same choice of a menu again only after its message was edited
        (discord-api-docs, issues 3441 and 4801).
        """
        components = [component.to_dict() for component in message.components]
        await self._edit_components(message, components)

    async def _edit_components(self, message: discord.Message, components: Components) -> None:
        path = "/channels/{channel_id}/messages/{message_id}"
        route = Route("PATCH", path, channel_id=message.channel.id, message_id=message.id)
        try:
            await self._client.http.request(route, json={"components": components})
        except DISCORD_ERRORS as error:
            log.info("components are not changed", extra={"reason": describe(error)})

    async def mark_pressed(self, message: discord.Message, custom_id: str) -> None:
        """Colour a button of a public message of ours; failures are logged.

        What was pressed a moment ago may not be in `message` yet.
        """
        pressed = self._pressed.setdefault(message.id, set())
        self._pressed.move_to_end(message.id)
        if len(self._pressed) > _MAX_PRESSED:
            self._pressed.popitem(last=False)
        pressed.add(custom_id)
        components = [component.to_dict() for component in message.components]
        if _colour(components, pressed):
            await self._edit_components(message, components)

    async def exists(self, channel_id: int, message_id: int) -> bool:
        """False if there is no such message of ours now; True if that cannot be told quickly."""
        try:
            async with asyncio.timeout(_LOOK_SECONDS):
                await self._partial_message(channel_id, message_id).fetch()
        except TimeoutError:
            return True
        except DISCORD_ERRORS as error:
            return meaning(error) is not Meaning.GONE
        return True

    async def _in_open_thread(self, channel_id: int, act: Callable[[], Awaitable[object]]) -> None:
        """Act, and once more after opening the thread if it is archived."""
        try:
            await act()
        except DISCORD_ERRORS as error:
            if meaning(error) is not Meaning.ARCHIVED:
                raise
            await self._open_thread(channel_id)
            await act()

    async def notify(self, user_id: int, text: str) -> bool:
        """Send a text to a user whom the bot cannot answer in the channel; False, after logging
        why, if Discord does not accept it."""
        try:
            dm = await self._client.create_dm(discord.Object(user_id))
            await dm.send(text)
        except DISCORD_ERRORS as error:
            log.warning("User %d got no reason: %s", user_id, describe(error))
            return False
        return True

    def _partial_message(self, channel_id: int, message_id: int) -> discord.PartialMessage:
        return self._client.get_partial_messageable(channel_id).get_partial_message(message_id)

    async def fetch_original(self, target: ResponseTarget) -> discord.Message:
        """The original response as it is now. Raises as `upsert` does."""
        with translated_errors(by_token=True):
            return await self._webhook(target).fetch_message(ORIGINAL_RESPONSE)

    async def fetch_response(self, target: ResponseTarget, interaction_id: int) -> discord.Message:
        """The public response to an interaction as it is now.

        It is found by the token, or else among the messages that followed the interaction. Raises
        MessageGone if it is not among the first of them, ContentRejected or DeliveryFailed.
        """
        with suppress(TokenExpired):
            return await self.fetch_original(target)
        channel = self._client.get_partial_messageable(target.channel_id)
        after = discord.Object(interaction_id)
        with translated_errors(by_token=False):
            async for message in channel.history(
                limit=_HISTORY_LIMIT, after=after, oldest_first=True
            ):
                metadata = message.interaction_metadata
                if metadata is not None and metadata.id == interaction_id:
                    return message
        raise MessageGone("The response is not among the messages after the interaction.")

    def _webhook(self, target: ResponseTarget) -> discord.Webhook:
        application_id = target.application_id or self._client.application_id or 0
        webhook = discord.Webhook.partial(application_id, target.token or "", client=self._client)
        webhook.type = discord.WebhookType.application  # required for ephemeral messages
        webhook.proxy = self._client.http.proxy  # partial() leaves it out
        return webhook

    async def _edit_original_response(self, target: ResponseTarget, content: MessageContent) -> int:
        attachments = _attachments(content)
        with _empty_responses():
            message = await self._webhook(target).edit_message(
                ORIGINAL_RESPONSE,
                content=content.content,
                view=_view(content),
                attachments=attachments,
            )
        return message.id

    async def _edit(self, channel_id: int, message_id: int, content: MessageContent) -> int:
        channel = self._client.get_partial_messageable(channel_id)
        attachments = _attachments(content)
        with _empty_responses():
            message = await channel.get_partial_message(message_id).edit(
                content=content.content, view=_view(content), attachments=attachments
            )
        return message.id

    async def _send_once(self, target: ResponseTarget, content: MessageContent, nonce: str) -> int:
        """If the nonce was used before, Discord returns the older message, unchanged."""
        message = await self._send(target, content, nonce)
        if message.content == content.content:
            return message.id
        return await self._edit(target.channel_id, message.id, content)

    async def _send(
        self, target: ResponseTarget, content: MessageContent, nonce: str
    ) -> discord.Message:
        channel = self._client.get_partial_messageable(target.channel_id)
        options: dict[str, Any] = {}  # discord.py does not accept None for a reference
        if target.reply_to_id is not None:
            options["reference"] = discord.MessageReference(
                message_id=target.reply_to_id,
                channel_id=target.channel_id,
                guild_id=target.guild_id,
                fail_if_not_exists=False,
            )
        return await channel.send(
            content.content,
            files=[file.as_file() for file in content.files or ()],
            view=content.view or discord.utils.MISSING,
            nonce=nonce,
            **options,
        )


def _colour(components: Components, pressed: Collection[str]) -> bool:
    """Make these buttons blue; whether one of them was not."""
    changed = False
    for row in components:
        for item in row.get("components", ()):
            is_button = item["type"] == discord.ComponentType.button.value
            if is_button and item.get("custom_id") in pressed:
                changed |= item["style"] != discord.ButtonStyle.primary.value
                item["style"] = discord.ButtonStyle.primary.value
    return changed


def _view(content: MessageContent) -> discord.ui.View | None:
    """Of an existing message."""
    return discord.utils.MISSING if content.keeps_view else content.view


def _attachments(content: MessageContent) -> list[discord.Attachment | discord.File]:
    if content.files is None:
        return discord.utils.MISSING  # type: ignore[no-any-return] # its own type is Any
    return [file.as_file() for file in content.files]


@contextmanager
def _empty_responses() -> Iterator[None]:
    try:
        yield
    except EMPTY_RESPONSE_ERRORS as error:
        raise DeliveryFailed("Discord's response was empty.") from error
