"""👍 on a picture is a vote for it, which /breed counts; it ends with the reaction."""

import asyncio
import logging
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

import discord

from bot.context import BotClient, Interaction, services
from bot.errors import BotError, Refused
from bot.features.exports import Exports, ReactionClear
from bot.features.reaction_events import Reaction, emoji_of, is_by_bot
from bot.features.restrictions import check_reaction
from bot.i18n import ENGLISH, N_, in_language
from bot.messages import channels
from bot.messages.vote_reader import VOTE, MessageVotes

_CATCH_UP_SECONDS: Final = 1.0
log = logging.getLogger(__name__)


async def on_add(client: BotClient, reaction: Reaction) -> None:
    """Count a vote. What cannot be counted is ignored: nobody waits for an answer."""
    if _base(reaction) != VOTE or is_by_bot(client, reaction):
        return
    async with client.services.votes.lock(reaction.message_id):
        try:
            with in_language(ENGLISH):  # of the log
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
    if _base(reaction) == VOTE:
        async with client.services.votes.lock(reaction.message_id):
            await client.services.votes.remove(reaction.message_id, reaction.user_id)


async def on_clear(client: BotClient, event: ReactionClear) -> None:
    """Take back all votes on a message."""
    if isinstance(event, discord.RawReactionClearEvent) or _base(event) == VOTE:
        async with client.services.votes.lock(event.message_id):
            await client.services.votes.remove(event.message_id)


async def catch_up(interaction: Interaction, days: int) -> None:
    """Count the votes of this channel that Discord did not tell, because the bot was away.

    Those are read on messages of these days. What takes longer than a second is counted for the
    next request: nobody has to wait, and Discord accepts no later response.
    """
    if channels.is_reached_by_token_only(interaction):
        return
    channel_id = interaction.channel_id or 0
    running = services(interaction).votes.running
    task = running.get(channel_id)
    if task is None or task.done():
        since = interaction.created_at - timedelta(days=days)
        work = _catch_up(interaction.client, channel_id, interaction.guild_id, since)
        task = running[channel_id] = asyncio.create_task(work)
    for done in (await asyncio.wait({task}, timeout=_CATCH_UP_SECONDS))[0]:
        done.result()


async def _catch_up(
    client: BotClient, channel_id: int, guild_id: int | None, since: datetime
) -> None:
    client.track_current_task()  # which also keeps a reference to the task
    reader, votes = client.services.message_client.vote_reader, client.services.votes
    try:
        messages = await reader.messages(channel_id, since)
        counts = await votes.counts([message.id for message in messages])
        for message in reader.changed(messages, counts):
            async with votes.lock(message.id):  # a reaction that comes while it is read counts
                read = await reader.votes(message)
                if read is None:
                    return
                await _synchronize(client, guild_id, read)
    except BotError as error:
        log.info("Votes are not caught up: %s", error)


async def _synchronize(client: BotClient, guild_id: int | None, read: MessageVotes) -> None:
    """Make the stored votes on a message those that Discord has."""
    votes = client.services.votes
    result = await client.services.job_finder.by_message(read.message_id)
    if result is None:
        return
    stored = await votes.voters(read.message_id)
    for user_id in stored - read.user_ids if read.is_complete else ():
        await votes.remove(read.message_id, user_id)
    for user_id in read.user_ids - stored:
        with suppress(Refused):
            await client.services.moderation.check_not_blocked(guild_id, user_id)
            await votes.add(result, read.message_id, user_id, read.created_at)


def _base(reaction: Reaction | discord.RawReactionClearEmojiEvent) -> str:
    """The emoji, whatever the colour of its hand."""
    return emoji_of(reaction)[:1]


exports: Final = Exports(
    reactions={VOTE: N_("Vote for it; /breed crosses the favourites of a day")},
    on_reaction_add=(on_add,),
    on_reaction_remove=(on_remove,),
    on_reaction_clear=(on_clear,),
)
