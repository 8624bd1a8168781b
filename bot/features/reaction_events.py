"""What the features that handle reactions have in common."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, TypeAlias

import discord

from bot.context import BotClient
from bot.domain.job import RequestContext, ResponseTarget
from bot.errors import BotError, PolicyViolation
from bot.features.permissions import CannotReply
from bot.features.responses import role_ids
from bot.messages import channels
from bot.messages.discord_errors import DISCORD_ERRORS, describe

Reaction: TypeAlias = discord.RawReactionActionEvent

_VARIATION_SELECTOR: Final = "\ufe0f"
"""Selects the colour form of an emoji; some clients send it and some do not."""
_POLICY_VIOLATION: Final = "This is not allowed here."
"""Shown in public instead of the message of a PolicyViolation, which is for its user alone."""
log = logging.getLogger(__name__)


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


async def reply_temporarily(client: BotClient, reaction: Reaction, text: str) -> None:
    """Reply in public to the message of the reaction, for some seconds."""
    await client.services.message_client.temporary_replies.send(
        reaction.channel_id, reaction.message_id, reaction.user_id, text
    )


async def answer_privately(client: BotClient, reaction: Reaction, text: str) -> None:
    """Tell the user who reacted, by direct message or, if it is refused, by a short reply."""
    if not await client.services.message_client.notify(reaction.user_id, text):
        await reply_temporarily(client, reaction, f"<@{reaction.user_id}>: {text}")


@asynccontextmanager
async def handle_errors(client: BotClient, reaction: Reaction) -> AsyncIterator[None]:
    """Tell the user why the body failed: in public and for some seconds, unless the bot may not
    post there."""
    emoji = emoji_of(reaction)
    try:
        yield
    except PolicyViolation as error:
        log.info("The reaction %s of %d is refused: %s", emoji, reaction.user_id, error)
        await reply_temporarily(client, reaction, _POLICY_VIOLATION)
    except CannotReply as error:
        await client.services.message_client.notify(reaction.user_id, str(error))
    except BotError as error:
        await reply_temporarily(client, reaction, str(error))
    except DISCORD_ERRORS as error:
        log.warning("The reaction %s failed: %s", emoji, describe(error))
