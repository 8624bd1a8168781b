"""What the features that handle reactions have in common."""

from contextlib import AbstractAsyncContextManager
from typing import Final, TypeAlias

import discord

from bot.context import BotClient
from bot.domain.job import RequestContext, ResponseTarget
from bot.features import public_replies
from bot.features.public_replies import ReplyAddress
from bot.features.responses import role_ids
from bot.messages import channels

Reaction: TypeAlias = discord.RawReactionActionEvent

_VARIATION_SELECTOR: Final = "\ufe0f"
"""Selects the colour form of an emoji; some clients send it and some do not."""


def emoji_of(reaction: Reaction | discord.RawReactionClearEmojiEvent) -> str:
    """The emoji without a variation selector; of a custom emoji, its name."""
    return reaction.emoji.name.replace(_VARIATION_SELECTOR, "")


def idempotency_key(reaction: Reaction) -> str:
    """The same for a repeated event, and for the same reaction of the same user."""
    return f"reaction:{reaction.message_id}:{reaction.user_id}:{emoji_of(reaction)}"


def is_by_bot(client: BotClient, reaction: Reaction) -> bool:
    """Whether this bot or another one reacted."""
    is_own = client.user is not None and reaction.user_id == client.user.id
    return is_own or (reaction.member is not None and reaction.member.bot)


def request_context(client: BotClient, reaction: Reaction) -> RequestContext:
    """A request for pictures, which are shown in a reply to the message of the reaction."""
    return RequestContext(
        idempotency_key=idempotency_key(reaction),
        user_id=reaction.user_id,
        channel=channels.from_channel(client.get_channel(reaction.channel_id)),
        target=ResponseTarget(
            channel_id=reaction.channel_id,
            guild_id=reaction.guild_id,
            reply_to_id=reaction.message_id,
        ),
        role_ids=role_ids(reaction.member),
    )


def _address(reaction: Reaction) -> ReplyAddress:
    return ReplyAddress(reaction.channel_id, reaction.message_id, reaction.user_id)


async def reply_temporarily(client: BotClient, reaction: Reaction, text: str) -> None:
    """Reply in public to the message of the reaction, for some seconds."""
    await public_replies.reply_temporarily(client, _address(reaction), text)


async def answer_privately(client: BotClient, reaction: Reaction, text: str) -> None:
    """Tell the user who reacted, by direct message or, if it is refused, by a short reply."""
    if not await client.services.message_client.notify(reaction.user_id, text):
        await reply_temporarily(client, reaction, f"<@{reaction.user_id}>: {text}")


def handle_errors(client: BotClient, reaction: Reaction) -> AbstractAsyncContextManager[None]:
    """As in `public_replies`, for the user who reacted."""
    action = f"The reaction {emoji_of(reaction)}"
    return public_replies.handle_errors(client, _address(reaction), action)
