"""Read from Discord who voted: it repeats no reactions of the time when the bot was away."""

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Final, NamedTuple

import discord

from bot.messages.discord_errors import DISCORD_ERRORS, describe

VOTE: Final = "👍"
_MAX_MESSAGES: Final = 300
"""Of a channel, the newest: three requests."""
_MAX_READ: Final = 20
"""Messages whose voters are read: a request each, and for each colour of the hand."""
_MAX_VOTERS: Final = 100
log = logging.getLogger(__name__)


class MessageVotes(NamedTuple):
    """The votes on a message as Discord has them now."""

    message_id: int
    created_at: float
    """Of the message, in seconds since 1970; Discord does not tell that of a reaction."""
    user_ids: frozenset[int]
    """Without bots."""


class VoteReader:
    """Reads reactions with a bounded number of requests."""

    def __init__(self, client: discord.Client) -> None:
        self._client = client

    async def messages(self, channel_id: int, since: datetime) -> list[discord.Message]:
        """The bot's own messages in a channel of the time since then; none if Discord refuses."""
        me, messages = self._client.user, list[discord.Message]()
        channel = self._client.get_partial_messageable(channel_id)
        try:
            async for message in channel.history(limit=_MAX_MESSAGES):
                if message.created_at < since:
                    break
                if me is not None and message.author.id == me.id:
                    messages.append(message)
        except DISCORD_ERRORS as error:
            log.info("Votes are not caught up: %s", describe(error))
        return messages

    async def changed(
        self, messages: list[discord.Message], counts: Mapping[int, int]
    ) -> list[MessageVotes]:
        """The votes on the messages whose number is not that of `counts`, by message; without those
        that Discord does not tell."""
        changed = [item for item in messages if vote_count(item) != counts.get(item.id, 0)]
        votes = []
        for message in changed[:_MAX_READ]:
            try:
                voters = await _voters(message)
            except DISCORD_ERRORS as error:
                log.info("Votes are not caught up: %s", describe(error))
                break
            votes.append(MessageVotes(message.id, message.created_at.timestamp(), voters))
        return votes


def vote_count(message: discord.Message) -> int:
    """How many 👍 a message has, whatever the colour of the hands."""
    return sum(reaction.count for reaction in message.reactions if _is_vote(reaction))


def _is_vote(reaction: discord.Reaction) -> bool:
    return str(reaction.emoji)[:1] == VOTE


async def _voters(message: discord.Message) -> frozenset[int]:
    return frozenset(
        [
            user.id
            for reaction in message.reactions
            if _is_vote(reaction)
            async for user in reaction.users(limit=_MAX_VOTERS)
            if not user.bot
        ]
    )
