"""👍 on a picture is a vote for it, which /breed counts; it ends with the reaction."""

import logging
from typing import Final

import discord

from bot.context import BotClient
from bot.errors import BotError
from bot.features.exports import Exports, ReactionClear
from bot.features.reaction_events import Reaction, emoji_of, is_by_bot
from bot.features.restrictions import check_reaction

_VOTE: Final = "👍"
log = logging.getLogger(__name__)


async def on_add(client: BotClient, reaction: Reaction) -> None:
    """Count a vote. What cannot be counted is ignored: nobody waits for an answer."""
    if _base(reaction) != _VOTE or is_by_bot(client, reaction):
        return
    async with client.services.votes.lock(reaction.message_id):
        try:
            await _add(client, reaction)
        except BotError as error:
            log.info("A vote of %d is not counted: %s", reaction.user_id, error)


async def _add(client: BotClient, reaction: Reaction) -> None:
    result = await client.services.job_finder.by_message(reaction.message_id)
    if result is not None:
        check_reaction(client, reaction)
        moderation = client.services.moderation
        await moderation.check_not_blocked(reaction.guild_id, reaction.user_id)
        await client.services.votes.add(result, reaction.message_id, reaction.user_id)


async def on_remove(client: BotClient, reaction: Reaction) -> None:
    """Take a vote back."""
    if _base(reaction) == _VOTE:
        async with client.services.votes.lock(reaction.message_id):
            await client.services.votes.remove(reaction.message_id, reaction.user_id)


async def on_clear(client: BotClient, event: ReactionClear) -> None:
    """Take back all votes on a message."""
    if isinstance(event, discord.RawReactionClearEvent) or _base(event) == _VOTE:
        async with client.services.votes.lock(event.message_id):
            await client.services.votes.remove(event.message_id)


def _base(reaction: Reaction | discord.RawReactionClearEmojiEvent) -> str:
    """The emoji, whatever the colour of its hand."""
    return emoji_of(reaction)[:1]


exports: Final = Exports(
    reactions={_VOTE: "Vote for it; /breed crosses the favourites of a day"},
    on_reaction_add=(on_add,),
    on_reaction_remove=(on_remove,),
    on_reaction_clear=(on_clear,),
)
