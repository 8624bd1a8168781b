"""Read from Discord who voted: it repeats no reactions of the time when the bot was away."""

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

import discord

from bot.messages.discord_errors import DISCORD_ERRORS, describe

VOTE: Final = "👍"
_MAX_MESSAGES: Final = 300
"""Of a channel, the newest: three requests."""
MAX_READ: Final = 20
"""Messages whose voters are read: two requests each, and one for each other colour of the hand."""
_MAX_VOTERS: Final = 100
log = logging.getLogger(__name__)


class MessageVotes(NamedTuple):
    """The votes on a message as Discord has them now."""

    message_id: int
    created_at: float
    """Of the message, in seconds since 1970; Discord does not tell that of a reaction."""
    user_ids: frozenset[int]
    """Without bots."""
    is_complete: bool
    """Whether they are all; of more, the first ones are read."""


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

    def changed(
        self, messages: Sequence[discord.Message], counts: Mapping[int, int]
    ) -> list[discord.Message]:
        """Up to MAX_READ of these messages whose number of votes is not that of `counts`."""
        changed = [item for item in messages if vote_count(item) != counts.get(item.id, 0)]
        return changed[:MAX_READ]

    async def votes(self, message: discord.Message) -> MessageVotes | None:
        """The votes on a message now; None if Discord does not tell."""
        voters, is_complete = set[int](), True
        try:
            current = await message.fetch()
            for reaction in filter(_is_vote, current.reactions):
                users = [user async for user in reaction.users(limit=_MAX_VOTERS)]
                voters.update(user.id for user in users if not user.bot)
                is_complete = is_complete and len(users) < _MAX_VOTERS
        except DISCORD_ERRORS as error:
            log.info("Votes are not caught up: %s", describe(error))
            return None
        return MessageVotes(
            message.id, message.created_at.timestamp(), frozenset(voters), is_complete
        )


def vote_count(message: discord.Message) -> int:
    """How many 👍 a message has, whatever the colour of the hands."""
    return sum(reaction.count for reaction in message.reactions if _is_vote(reaction))


def _is_vote(reaction: discord.Reaction) -> bool:
    return str(reaction.emoji)[:1] == VOTE
