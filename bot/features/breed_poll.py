"""Polls of /breed: members choose which of a channel's favourites are crossed."""

import asyncio
import io
import logging
import re
from collections.abc import Mapping, Sequence
from typing import Final

import discord
import msgspec

from bot.context import BotClient, Interaction, services
from bot.domain.history import HistoryEntry
from bot.domain.job import RequestContext, ResponseTarget
from bot.domain.kinds import breed
from bot.domain.kinds.imagine import ImagineOptions, parse
from bot.domain.picture import Picture
from bot.domain.polls import Poll, winners
from bot.domain.votes import Favourite
from bot.errors import BotError, DeliveryFailed, PolicyViolation, Refused
from bot.features.exports import Component, Exports
from bot.features.permissions import CannotReply, check_can_reply_in, is_moderator
from bot.features.public_replies import NOT_ALLOWED
from bot.features.responses import (
    defer,
    defer_privately,
    language_of_place,
    respond_ephemeral,
    role_ids,
)
from bot.features.restrictions import check_channel
from bot.i18n import N_, _, in_language
from bot.messages import channels, poll_messages
from bot.messages.discord_errors import (
    DISCORD_ERRORS,
    REQUEST_ERRORS,
    ContentRejected,
    MessageGone,
    TokenExpired,
)

_COMMAND: Final = "breed"
_DELAYS: Final = (5.0, 30.0, 120.0, 600.0)
"""Seconds until a poll is evaluated again whose result Discord did not give, or whose user has too
many jobs; a result that Discord does not give then is read at the next start."""
_TOO_FEW_VOTES: Final = N_(
    "The poll has ended with votes for fewer than two pictures that are still here, so nothing is "
    "crossed. /breed starts another one."
)
log = logging.getLogger(__name__)


class _TooFewVotes(Refused):
    """There is nothing to cross."""


async def start(
    interaction: Interaction,
    options: ImagineOptions,
    favourites: Sequence[Favourite],
    count: int,
    hours: int,
) -> None:
    """Respond with the pictures, and send the poll as a reply to that. `count` are crossed.

    Raises Refused, with a sentence for the user, if they have too many polls.
    """
    await services(interaction).polls.check(interaction.user.id)
    ballot_id = await defer(interaction)
    if ballot_id is None:
        return
    bot, channel_id = services(interaction), interaction.channel_id or 0
    await bot.polls.add_ballot(channel_id, ballot_id, favourites)
    file = await _sheet(interaction, favourites)
    target = ResponseTarget(
        channel_id=channel_id, guild_id=interaction.guild_id, reply_to_id=ballot_id
    )
    with in_language(language_of_place(interaction)):
        nonce = f"{interaction.id}:poll"
        poll_id = await bot.poll_messages.send(target, favourites, hours, nonce)
        await bot.polls.open(_poll(interaction, poll_id, options, favourites, count))
        await interaction.edit_original_response(
            content=poll_messages.ballot(favourites, count),
            attachments=[file],
            view=poll_messages.end_view(poll_id),
        )


def _poll(
    interaction: Interaction,
    poll_id: int,
    options: ImagineOptions,
    favourites: Sequence[Favourite],
    count: int,
) -> Poll:
    values = msgspec.to_builtins(options).items()
    return Poll(
        message_id=poll_id,
        channel_id=interaction.channel_id or 0,
        guild_id=interaction.guild_id,
        user_id=interaction.user.id,
        winners=count,
        picture_ids=tuple(favourite.picture.id for favourite in favourites),
        options={name: value for name, value in values if value is not None},
        created_at=interaction.created_at.timestamp(),
    )


async def _sheet(interaction: Interaction, favourites: Sequence[Favourite]) -> discord.File:
    """The pictures with the numbers of their answers."""
    bot, entries = services(interaction), list[HistoryEntry]()
    for favourite in favourites:
        job = await bot.job_finder.by_button(favourite.picture.job_id)
        entries.append(HistoryEntry(job, (favourite.picture,)))
    sheet = await bot.history.sheet(entries, 1, interaction.filesize_limit)
    return discord.File(
        io.BytesIO(sheet.data),
        f"poll.{sheet.suffix}",
        description=poll_messages.alt_text(favourites),
    )


async def on_click(interaction: Interaction, match: re.Match[str]) -> None:
    """End a poll, for who started it or for a moderator."""
    poll = await services(interaction).polls.find(int(match["message"]))
    if poll is None:
        raise Refused(_("That poll has ended already."))
    if poll.user_id != interaction.user.id and not is_moderator(interaction):
        raise Refused(_("Only the user who started this poll and moderators can end it."))
    await defer_privately(interaction)
    try:
        await services(interaction).poll_messages.end(poll)
    except (MessageGone, ContentRejected):
        await services(interaction).polls.close(poll)
        raise Refused(_("That poll has ended already, or was deleted.")) from None
    await respond_ephemeral(interaction, _("The poll has ended."))


# The end


async def on_message(client: BotClient, message: discord.Message) -> None:
    """Discord announces the result of a poll as a message."""
    reference = message.reference
    if message.type is not discord.MessageType.poll_result or reference is None:
        return
    for delay in (*_DELAYS, None):
        poll = await client.services.polls.find(reference.message_id or 0)
        if poll is None or await _evaluate(client, poll, is_last=delay is None):
            return
        await asyncio.sleep(delay or 0)


async def evaluate_all(client: BotClient) -> None:
    """Evaluate the polls that ended while the bot was away."""
    for poll in await client.services.polls.all():
        await _evaluate(client, poll, is_last=True)


async def _evaluate(client: BotClient, poll: Poll, *, is_last: bool) -> bool:
    """Cross the winners if the poll has ended.

    False if Discord does not say so yet, or if the job is refused and this is not the last attempt.
    """
    bot = client.services
    try:
        state = await bot.poll_messages.state(poll)
    except DeliveryFailed as error:
        log.info("The poll %d cannot be read: %s", poll.message_id, error)
        return False
    except (MessageGone, ContentRejected, TokenExpired) as error:
        log.info("The poll %d is gone: %s", poll.message_id, error)
        await bot.polls.close(poll)
        return True
    if state is not None and not state.has_ended:
        return False
    if state is not None:
        with in_language(bot.languages.in_place(poll.user_id, poll.guild_id, poll.channel_id)):
            if not await _cross_or_explain(client, poll, state.votes, is_last=is_last):
                return False
    await bot.polls.close(poll)
    return True


async def _cross_or_explain(
    client: BotClient, poll: Poll, votes: Mapping[int, int], *, is_last: bool
) -> bool:
    try:
        await _cross(client, poll, votes)
    except PolicyViolation as error:
        log.info("The poll %d is refused: %s", poll.message_id, error)
        await _explain(client, poll, _(NOT_ALLOWED))
    except CannotReply as error:
        await client.services.message_client.notify(poll.user_id, str(error))
    except _TooFewVotes as error:
        await _explain(client, poll, str(error))
    except BotError as error:
        if not is_last:
            log.info("The poll %d is evaluated later: %s", poll.message_id, error)
            return False
        await _explain(client, poll, str(error))
    return True


async def _explain(client: BotClient, poll: Poll, sentence: str) -> None:
    try:
        await client.services.poll_messages.explain(poll, sentence)
    except REQUEST_ERRORS as error:
        log.info("The poll %d gets no reply: %s", poll.message_id, error)


async def _cross(client: BotClient, poll: Poll, votes: Mapping[int, int]) -> None:
    """Start the job of the winners. Raises BotError, with a sentence for everybody."""
    bot = client.services
    check_channel(client, poll.guild_id, poll.channel_id, (_COMMAND,))
    check_can_reply_in(client, poll.guild_id, poll.channel_id)
    ranked = winners(poll.picture_ids, votes, len(poll.picture_ids))
    chosen = [(p, w.votes) for w in ranked if (p := await _picture(client, w.picture_id))]
    chosen = chosen[: poll.winners]
    if len(chosen) < breed.MIN_PARENTS:
        raise _TooFewVotes(_(_TOO_FEW_VOTES))
    context = RequestContext(
        idempotency_key=f"poll:{poll.message_id}",
        user_id=poll.user_id,
        channel=channels.from_channel(client.get_channel(poll.channel_id)),
        target=ResponseTarget(
            channel_id=poll.channel_id, guild_id=poll.guild_id, reply_to_id=poll.message_id
        ),
        role_ids=await _role_ids(client, poll),
    )
    plan_context = await bot.planner.context(context, [picture for picture, _ in chosen])
    request = breed.BreedRequest(
        options=parse(**poll.options), votes=tuple(count for _, count in chosen)
    )
    plan = breed.plan(request, plan_context)
    job = await bot.job_service.submit(breed.KIND, plan, context)
    if job is not None:
        bot.job_service.start(job)


async def _picture(client: BotClient, picture_id: str) -> Picture | None:
    """The picture, unless it was deleted or removed meanwhile."""
    job_id, _, nth = picture_id.rpartition("-")
    finder = client.services.job_finder
    try:
        picture = await finder.picture(await finder.by_button(job_id), int(nth))
    except Refused:
        return None
    return None if picture.is_removed or picture.unavailable_reason else picture


async def _role_ids(client: BotClient, poll: Poll) -> tuple[int, ...]:
    """The roles of who started the poll, if they are still a member."""
    guild = client.get_guild(poll.guild_id or 0)
    if guild is None:
        return ()
    try:
        return role_ids(guild.get_member(poll.user_id) or await guild.fetch_member(poll.user_id))
    except DISCORD_ERRORS:
        return ()


exports: Final = Exports(
    components=(Component(poll_messages.PATTERN, on_click),),
    on_message=(on_message,),
    on_ready=(evaluate_all,),
)
