"""Reactions to a result: 🔁 or a number varies, ❌ deletes, ✉️ sends a DM, 🚩 reports."""

import asyncio
import hashlib
import logging
from contextlib import suppress
from functools import partial
from typing import Final

import discord

from bot.context import BotClient
from bot.db.connection import retry_until_written
from bot.db.job_messages import ShownJob
from bot.domain import rules
from bot.domain.job import RequestContext, ResponseTarget
from bot.domain.nsfw import NsfwPolicy
from bot.domain.picture import Picture
from bot.domain.visibility import visible_in
from bot.errors import NETWORK_ERRORS, BotError, PolicyViolation, Refused
from bot.features import report, responses
from bot.messages import captions, channels, message_parser, picture_files
from bot.messages.message_client import OutgoingFile

Reaction = discord.RawReactionActionEvent

_VARY: Final = "🔁"
_DELETE: Final = "❌"
_LETTER: Final = "✉"
_REPORT: Final = "🚩"
_NUMBERS: Final = {f"{n}\u20e3": n for n in range(1, 5)}
_KNOWN: Final = frozenset({_VARY, _DELETE, _LETTER, _REPORT, *_NUMBERS})
_PRESENTATION: Final = "\ufe0f"
"""Asks for the colourful form of a sign; some clients send it and some do not."""
_FORBIDDEN: Final = "That is not allowed here."
"""All that others may read of it."""
_READ_SECONDS: Final = 15.0
"""How long a sentence stays that cannot be said privately."""
_DM_REFUSED: Final = 50007
_NONCE_LIMIT: Final = 25
log = logging.getLogger(__name__)


async def added(client: BotClient, reaction: Reaction) -> None:
    """Do what a reaction to a result of ours asks for."""
    name = _name(reaction)
    if name not in _KNOWN:
        return
    found = await client.services.job_messages.find(reaction.message_id)
    if reaction.member is not None and reaction.member.bot:
        return
    try:
        if found is None:
            await _answer_for_deleted(client, reaction, name)
        else:
            await _act(client, reaction, name, found)
    except PolicyViolation as error:
        log.info("The reaction %s of %d is refused: %s", name, reaction.user_id, error)
        await _say_briefly(client, reaction, _FORBIDDEN)
    except BotError as error:
        await _say_briefly(client, reaction, str(error))
    except (discord.HTTPException, *NETWORK_ERRORS) as error:
        log.warning("The reaction %s cannot be obeyed: %r", name, error)


async def removed(client: BotClient, reaction: Reaction) -> None:
    """A reaction that is taken back may be made again."""
    if _name(reaction) in _KNOWN:
        await client.services.jobs.free_key(_request(reaction))


async def _act(client: BotClient, reaction: Reaction, name: str, found: ShownJob) -> None:
    if name == _DELETE:
        await _delete(client, reaction, found)
    elif name == _REPORT:
        await report.by_reaction(client, reaction)
    elif name == _LETTER:
        await client.services.admission.check_not_blocked(reaction.guild_id, reaction.user_id)
        await _send_letter(client, reaction, found)
    else:
        await _vary(client, reaction, found, _NUMBERS.get(name))


async def _vary(client: BotClient, reaction: Reaction, found: ShownJob, nth: int | None) -> None:
    pictures = await _pictures(client, found)
    if nth is not None and found.nth is None:
        pictures = [picture for picture in pictures if picture.nth == nth]
    if not pictures:
        raise Refused("There is no such picture here.")
    origin = RequestContext(
        idempotency_key=_request(reaction),
        user_id=reaction.user_id,
        channel=channels.from_channel(client.get_channel(reaction.channel_id)),
        target=ResponseTarget(
            channel_id=reaction.channel_id,
            guild_id=reaction.guild_id,
            reply_to_id=reaction.message_id,
        ),
        role_ids=responses.roles(reaction.member),
    )
    job = await client.services.job_service.vary(pictures, origin)
    if job is not None:
        client.services.job_service.start(job)


async def _delete(client: BotClient, reaction: Reaction, found: ShownJob) -> None:
    if not rules.can_cancel(found.job, user_id=reaction.user_id, is_moderator=False) and not (
        await _is_moderator(client, reaction)
    ):
        return  # others may dislike a picture, but it stays
    await client.services.job_service.cancel(found.job)
    await _message(client, reaction).delete()


async def _answer_for_deleted(client: BotClient, reaction: Reaction, name: str) -> None:
    """The record does not know this message; if its job was deleted, the message itself tells."""
    if client.user is None or reaction.message_author_id != client.user.id:
        return
    message = await _message(client, reaction).fetch()
    if name == _REPORT or await message_parser.deleted_job(client.services.jobs, message) is None:
        return
    if name != _DELETE:
        await message_parser.check_not_deleted(client.services.jobs, message)
        return
    is_owner = reaction.user_id == message_parser.owner_of(message)
    if is_owner or await _is_moderator(client, reaction):
        await message.delete()


async def _send_letter(client: BotClient, reaction: Reaction, found: ShownJob) -> None:
    archive, job_messages = client.services.storage, client.services.job_messages
    pictures = await _pictures(client, found)
    seen = visible_in(pictures, NsfwPolicy.BLOCK)  # whatever the channel may see
    uploads = []
    for nth, picture in enumerate(seen.pictures):
        if picture.unavailable_reason is None:
            suffix, data = await asyncio.to_thread(picture_files.picture_file, archive, seen, nth)
            alt_text = captions.alt_text([picture])
            uploads.append(OutgoingFile(f"{picture.id}.{suffix}", data, alt_text))
    try:
        letters = await client.create_dm(discord.Object(reaction.user_id))
        words: str | None = captions.direct_message(seen.pictures)
        for nth, parcel in enumerate(picture_files.batch_by_size(uploads)):
            # by its nonce it comes once, and its id is wanted for a removal
            send = partial(_send_parcel, letters, words, parcel, _nonce(reaction, nth))
            sent = await responses.twice(send)
            await retry_until_written(
                partial(job_messages.record_dm, found.job.id, letters.id, sent.id)
            )
            if parcel and any(picture.is_removed for picture in await _pictures(client, found)):
                await sent.delete()  # moderators were quicker than the letter
                return
            words = None
    except discord.Forbidden as error:
        if error.code != _DM_REFUSED:
            raise
        raise Refused(f"<@{reaction.user_id}>, you do not take direct messages from me.") from error


async def _send_parcel(
    letters: discord.DMChannel, words: str | None, parcel: list[OutgoingFile], nonce: str
) -> discord.Message:
    return await letters.send(words, files=[upload.as_file() for upload in parcel], nonce=nonce)


def _message(client: BotClient, reaction: Reaction) -> discord.PartialMessage:
    return client.get_partial_messageable(reaction.channel_id).get_partial_message(
        reaction.message_id
    )


async def _pictures(client: BotClient, found: ShownJob) -> list[Picture]:
    """The finished pictures that the message shows."""
    pictures = await client.services.jobs.pictures(found.job.id)
    return [picture for picture in pictures if found.nth in (None, picture.nth)]


async def _say_briefly(client: BotClient, reaction: Reaction, sentence: str) -> None:
    """A reaction has no private answer, so the public one goes away by itself; until then, the same
    is not said to this person of this message again."""
    said = (reaction.message_id, reaction.user_id, sentence)
    if said in client.said:
        return
    client.said.add(said)
    asyncio.get_running_loop().call_later(_READ_SECONDS, client.said.discard, said)
    place = client.get_partial_messageable(reaction.channel_id)
    reference = place.get_partial_message(reaction.message_id).to_reference(
        fail_if_not_exists=False
    )
    try:
        sent = await place.send(sentence, reference=reference)
    except (discord.HTTPException, *NETWORK_ERRORS) as error:
        log.warning("A sentence could not be said: %r", error)
        return
    passing = asyncio.create_task(_pass(sent))
    client.passing.add(passing)
    passing.add_done_callback(client.passing.discard)


async def _pass(sentence: discord.Message) -> None:
    with suppress(asyncio.CancelledError):
        await asyncio.sleep(_READ_SECONDS)
    try:
        await sentence.delete()
    except (discord.HTTPException, *NETWORK_ERRORS) as error:
        log.info("A sentence stays: %r", error)


async def _is_moderator(client: BotClient, reaction: Reaction) -> bool:
    """May they delete messages there? Of a channel that is not known, their roles decide."""
    guild = client.get_guild(reaction.guild_id or 0)
    if guild is None:
        return False
    member = reaction.member or await guild.fetch_member(reaction.user_id)
    channel = guild.get_channel_or_thread(reaction.channel_id)
    allowed = member.guild_permissions if channel is None else channel.permissions_for(member)
    return allowed.manage_messages


def _name(reaction: Reaction) -> str:
    return reaction.emoji.name.replace(_PRESENTATION, "")


def _nonce(reaction: Reaction, nth: int) -> str:
    """Discord may tell of a reaction twice; the same letter comes once."""
    return hashlib.sha256(f"{_request(reaction)}:{nth}".encode()).hexdigest()[:_NONCE_LIMIT]


def _request(reaction: Reaction) -> str:
    return f"reaction:{reaction.message_id}:{reaction.user_id}:{_name(reaction)}"
