"""Polls on Discord about which pictures to cross, and the messages around them."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final, NamedTuple

import discord

from bot.domain.job import ResponseTarget
from bot.domain.polls import Poll
from bot.domain.votes import Favourite
from bot.i18n import N_, _, pgettext
from bot.messages import captions
from bot.messages.components import VERSION, button, stateless_view
from bot.messages.discord_errors import translated_errors
from bot.messages.message_client import MessageClient
from bot.messages.message_content import MessageContent

_QUESTION: Final = N_("Which pictures shall be crossed?")
PATTERN: Final = rf"{VERSION}:endpoll:(?P<message>[0-9]{{1,20}})"
_MAX_ANSWER: Final = 55
_MAX_WORDS: Final = 60
_MAX_ALT_TEXT: Final = 1000
_KEYCAP: Final = "\ufe0f\u20e3"
_EMOJI: Final = (*(f"{digit}{_KEYCAP}" for digit in range(1, 10)), "🔟")


class PollState(NamedTuple):
    """What a poll has come to."""

    has_ended: bool
    votes: Mapping[int, int]
    """By the number of the answer, from 1; exact once the poll has ended."""


class PollMessages:
    """Sends, reads and ends polls. Errors are those of `translated_errors`."""

    def __init__(self, client: discord.Client, messages: MessageClient) -> None:
        self._client = client
        self._messages = messages

    async def send(
        self, target: ResponseTarget, favourites: Sequence[Favourite], hours: int, nonce: str
    ) -> int:
        """Send a poll about these pictures as a reply to a message; the id of the new message."""
        poll = discord.Poll(_(_QUESTION), timedelta(hours=hours), multiple=True)
        for emoji, favourite in zip(_EMOJI, favourites, strict=False):
            poll.add_answer(text=_answer(favourite), emoji=emoji)
        channel = self._client.get_partial_messageable(target.channel_id)
        reference = discord.MessageReference(
            message_id=target.reply_to_id or 0,
            channel_id=target.channel_id,
            guild_id=target.guild_id,
            fail_if_not_exists=False,
        )
        with translated_errors(by_token=False):
            message = await channel.send(poll=poll, nonce=nonce, reference=reference)
        return message.id

    async def state(self, poll: Poll) -> PollState | None:
        """What a poll has come to; None if its message has none."""
        channel = self._client.get_partial_messageable(poll.channel_id)
        with translated_errors(by_token=False):
            found = (await channel.fetch_message(poll.message_id)).poll
        if found is None:
            return None
        votes = {answer.id: answer.vote_count for answer in found.answers}
        return PollState(found.is_finalised(), votes)

    async def end(self, poll: Poll) -> None:
        """End a poll now; Discord then sends its result as a message."""
        channel = self._client.get_partial_messageable(poll.channel_id)
        with translated_errors(by_token=False):
            await channel.get_partial_message(poll.message_id).end_poll()

    async def explain(self, poll: Poll, sentence: str) -> None:
        """Reply to a poll that has no result."""
        target = ResponseTarget(
            channel_id=poll.channel_id, guild_id=poll.guild_id, reply_to_id=poll.message_id
        )
        content = MessageContent(content=sentence)
        await self._messages.upsert(target, content, nonce=f"poll{poll.message_id}")


def ballot(favourites: Sequence[Favourite], winners: int) -> str:
    """The text above a poll: its pictures, by the numbers of their answers."""
    lines = [
        f"**{number}** {captions.escape(favourite.picture.recipe.prompt, _MAX_WORDS)}"
        for number, favourite in enumerate(favourites, 1)
    ]
    heading = _(
        "Vote below: when the poll ends, I cross the {count} pictures with the most votes."
    ).format(count=winners)
    return "\n".join([heading, *lines])


def alt_text(favourites: Sequence[Favourite]) -> str:
    """Of the numbered pictures."""
    words = (" ".join(favourite.picture.recipe.prompt.split()) for favourite in favourites)
    return "; ".join(f"{number}: {text}" for number, text in enumerate(words, 1))[:_MAX_ALT_TEXT]


def end_view(message_id: int) -> discord.ui.View:
    """The button that ends a poll."""
    return stateless_view(
        [button(pgettext("button", "End the poll now"), f"{VERSION}:endpoll:{message_id}")]
    )


def _answer(favourite: Favourite) -> str:
    words = " ".join(favourite.picture.recipe.prompt.split()) or _("without words")
    return words if len(words) <= _MAX_ANSWER else f"{words[: _MAX_ANSWER - 1]}…"
