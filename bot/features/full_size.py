"""The U buttons: one stored picture at full size; nothing is painted."""

import asyncio
import logging
from typing import Final

import discord

from bot.context import BotClient, Interaction, services
from bot.db.connection import DatabaseUnavailable, retry_until_written
from bot.db.pending_interactions import PendingInteraction
from bot.domain import rules
from bot.domain.job import Job, ResponseTarget, Status
from bot.domain.nsfw import ChannelKind, NsfwPolicy
from bot.domain.picture import Picture
from bot.domain.visibility import VisiblePictures, visible_in
from bot.errors import BotError, DeliveryFailed, Refused
from bot.features.responses import acknowledge, whisper
from bot.messages import captions, channels, picture_files
from bot.messages.message_client import (
    ContentRejected,
    MessageContent,
    MessageGone,
    OutgoingFile,
    TokenExpired,
)

FORGOTTEN: Final = "I do not know that picture any more."
log = logging.getLogger(__name__)


async def chosen(interaction: Interaction, job: Job, nth: int) -> Picture:
    """The picture that a button is about. Raises Refused."""
    found = await _found(interaction.client, job.id, nth)
    if not found:
        unfinished = job.status is not Status.DONE
        raise Refused("This is not painted yet." if unfinished else FORGOTTEN)
    return found[0]


async def _found(client: BotClient, job: str, nth: int) -> list[Picture]:
    """The nth picture of the job, or none."""
    pictures = await client.services.jobs.pictures(job)
    return [picture for picture in pictures if picture.nth == nth]


async def upscale(interaction: Interaction, job: Job, nth: int) -> None:
    """Post the stored picture at full size."""
    picture = await chosen(interaction, job, nth)
    rules.check_viewable(picture)
    await services(interaction).admission.check_not_blocked(
        interaction.guild_id, interaction.user.id
    )
    await _note(interaction, picture)
    message = await acknowledge(interaction)
    if message is None:
        return
    try:
        await _answer(interaction, picture, message)
    except BotError as error:  # said before the press is forgotten
        if not await whisper(interaction, str(error)):
            return
    await retry_until_written(
        lambda: services(interaction).pending_interactions.complete(interaction.id)
    )


async def _note(interaction: Interaction, picture: Picture) -> None:
    """For the next bot, should this one be killed; without it the picture is shown as well."""
    press = PendingInteraction(
        interaction_id=interaction.id,
        application_id=interaction.application_id,
        token=interaction.token,
        channel_id=interaction.channel_id or 0,
        job_id=picture.job_id,
        nth=picture.nth,
        created_at=interaction.created_at.timestamp(),
    )
    try:
        await services(interaction).pending_interactions.add(press)
    except DatabaseUnavailable as error:
        log.warning("a press is not recorded", extra={"job": picture.job_id, "reason": str(error)})


async def _answer(interaction: Interaction, picture: Picture, message: int) -> None:
    ledger, job_messages = services(interaction).jobs, services(interaction).job_messages
    try:
        await asyncio.gather(
            retry_until_written(lambda: job_messages.link(message, picture.job_id, picture.nth)),
            _show(interaction, picture),
        )
    except discord.NotFound:  # moderators may have been quicker, with the message as well
        rules.check_not_removed(await ledger.pictures(picture.job_id))
        raise
    rules.check_not_removed(await ledger.pictures(picture.job_id))


async def _show(interaction: Interaction, picture: Picture) -> None:
    upload = await _full_size(interaction.client, await _seen(interaction, picture))
    await interaction.edit_original_response(
        content=captions.full_size(picture), attachments=[upload.as_file()]
    )


async def _seen(interaction: Interaction, picture: Picture) -> VisiblePictures:
    """The picture as this place may see it: by what the press says, and by what Discord says."""
    if channels.from_interaction(interaction).kind is not ChannelKind.GUILD:
        return visible_in([picture], NsfwPolicy.BLOCK)
    return await services(interaction).channels.visible_in([picture], interaction.channel_id or 0)


async def _full_size(client: BotClient, seen: VisiblePictures) -> OutgoingFile:
    """Raises Refused or FileMissing."""
    [picture] = seen.pictures
    rules.check_viewable(picture)
    suffix, data = await asyncio.to_thread(
        picture_files.picture_file, client.services.storage, seen
    )
    alt_text = captions.alt_text([picture])
    return OutgoingFile(f"{picture.id}.{suffix}", data, alt_text, seen.needs_spoiler)


async def catch_up(client: BotClient) -> None:
    """Answer the presses that a bot could not, for it was killed or Discord was out of reach."""
    for press in await retry_until_written(client.services.pending_interactions.pending):
        try:
            await _complete(client, press)
            await client.services.pending_interactions.complete(press.interaction_id)
        except (DeliveryFailed, DatabaseUnavailable) as error:
            log.warning(
                "a message may stay empty", extra={"job": press.job_id, "reason": str(error)}
            )
        except Exception:  # one press's bad luck is its own
            log.exception("a message may stay empty", extra={"job": press.job_id})


async def _complete(client: BotClient, press: PendingInteraction) -> None:
    messages = client.services.message_client
    address = ResponseTarget(
        channel_id=press.channel_id, application_id=press.application_id, token=press.token
    )
    try:
        message = await messages.fetch_original(address)
        await client.services.job_messages.link(message.id, press.job_id, press.nth)
        by_channel = ResponseTarget(channel_id=press.channel_id, message_id=message.id)
        if not message.attachments:
            draft = await _draft(client, press)
            try:
                await messages.upsert(address, draft, token_valid=True, nonce="")
            except TokenExpired:
                await messages.upsert(by_channel, draft, token_valid=False, nonce="")
        if any(picture.is_removed for picture in await _found(client, press.job_id, press.nth)):
            try:
                await messages.delete_response(address)
            except TokenExpired:
                await messages.delete_response(by_channel)
    except (TokenExpired, MessageGone, ContentRejected) as error:
        log.info("a press is out of reach", extra={"job": press.job_id, "reason": str(error)})


async def _draft(client: BotClient, press: PendingInteraction) -> MessageContent:
    pictures = await _found(client, press.job_id, press.nth)
    if not pictures:
        return MessageContent(content=FORGOTTEN)
    seen = await client.services.channels.visible_in(pictures, press.channel_id)
    try:
        upload = await _full_size(client, seen)
    except BotError as error:
        return MessageContent(content=str(error))
    return MessageContent(content=captions.full_size(pictures[0]), files=[upload])
