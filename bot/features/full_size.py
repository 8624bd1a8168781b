"""The U buttons: show one stored picture at full size. Nothing is generated or scaled."""

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
from bot.features.exports import Exports
from bot.features.responses import defer, respond_ephemeral
from bot.messages import captions, channels, picture_files
from bot.messages.message_client import (
    ContentRejected,
    MessageContent,
    MessageGone,
    OutgoingFile,
    TokenExpired,
)

UNKNOWN_PICTURE: Final = "That picture no longer exists."
log = logging.getLogger(__name__)


async def picture_for(interaction: Interaction, job: Job, nth: int) -> Picture:
    """The picture of a U or V button. Raises Refused if there is none."""
    pictures = await _pictures(interaction.client, job.id, nth)
    if not pictures:
        is_unfinished = job.status is not Status.DONE
        raise Refused("This picture is not finished yet." if is_unfinished else UNKNOWN_PICTURE)
    return pictures[0]


async def _pictures(client: BotClient, job_id: str, nth: int) -> list[Picture]:
    """The nth picture of the job, if it exists."""
    pictures = await client.services.jobs.pictures(job_id)
    return [picture for picture in pictures if picture.nth == nth]


async def show_full_size(interaction: Interaction, job: Job, nth: int) -> None:
    """Respond with the stored picture at full size."""
    picture = await picture_for(interaction, job, nth)
    rules.check_viewable(picture)
    await services(interaction).admission.check_not_blocked(
        interaction.guild_id, interaction.user.id
    )
    await _store(interaction, picture)
    message_id = await defer(interaction)
    if message_id is None:
        return
    try:
        await _respond(interaction, picture, message_id)
    except BotError as error:  # respond before the interaction is marked as complete
        if not await respond_ephemeral(interaction, str(error)):
            return
    await retry_until_written(
        lambda: services(interaction).pending_interactions.complete(interaction.id)
    )


async def _store(interaction: Interaction, picture: Picture) -> None:
    """Store the interaction, so that it is completed after a crash. A failure is only logged."""
    pending = PendingInteraction(
        interaction_id=interaction.id,
        application_id=interaction.application_id,
        token=interaction.token,
        channel_id=interaction.channel_id or 0,
        job_id=picture.job_id,
        nth=picture.nth,
        created_at=interaction.created_at.timestamp(),
    )
    try:
        await services(interaction).pending_interactions.add(pending)
    except DatabaseUnavailable as error:
        log.warning("a press is not recorded", extra={"job": picture.job_id, "reason": str(error)})


async def _respond(interaction: Interaction, picture: Picture, message_id: int) -> None:
    jobs, job_messages = services(interaction).jobs, services(interaction).job_messages
    try:
        await asyncio.gather(
            retry_until_written(lambda: job_messages.link(message_id, picture.job_id, picture.nth)),
            _upload(interaction, picture),
        )
    except discord.NotFound:  # moderators may have removed the picture and this message
        rules.check_not_removed(await jobs.pictures(picture.job_id))
        raise
    rules.check_not_removed(await jobs.pictures(picture.job_id))


async def _upload(interaction: Interaction, picture: Picture) -> None:
    visible = await _visible(interaction, picture)
    file = await _full_size_file(interaction.client, visible)
    await interaction.edit_original_response(
        content=captions.full_size(picture), attachments=[file.as_file()]
    )


async def _visible(interaction: Interaction, picture: Picture) -> VisiblePictures:
    """The picture as visible in the interaction's channel, whose settings are fetched again."""
    if channels.from_interaction(interaction).kind is not ChannelKind.GUILD:
        return visible_in([picture], NsfwPolicy.BLOCK)
    channel_id = interaction.channel_id or 0
    return await services(interaction).channels.visible_in([picture], channel_id)


async def _full_size_file(client: BotClient, visible: VisiblePictures) -> OutgoingFile:
    """Raises Refused or FileMissing."""
    [picture] = visible.pictures
    rules.check_viewable(picture)
    storage = client.services.storage
    suffix, data = await asyncio.to_thread(picture_files.picture_file, storage, visible)
    alt_text = captions.alt_text([picture])
    return OutgoingFile(f"{picture.id}.{suffix}", data, alt_text, visible.needs_spoiler)


# After a crash, or when Discord could not be reached


async def complete_pending(client: BotClient) -> None:
    """Complete the interactions whose responses are still empty."""
    for pending in await retry_until_written(client.services.pending_interactions.pending):
        try:
            await _complete(client, pending)
            await client.services.pending_interactions.complete(pending.interaction_id)
        except (DeliveryFailed, DatabaseUnavailable) as error:
            reason = str(error)
            log.warning("a message may stay empty", extra={"job": pending.job_id, "reason": reason})
        except Exception:  # an unexpected error affects this interaction alone
            log.exception("a message may stay empty", extra={"job": pending.job_id})


async def _complete(client: BotClient, pending: PendingInteraction) -> None:
    messages = client.services.message_client
    target = ResponseTarget(
        channel_id=pending.channel_id, application_id=pending.application_id, token=pending.token
    )
    try:
        message = await messages.fetch_original(target)
        await client.services.job_messages.link(message.id, pending.job_id, pending.nth)
        by_channel = ResponseTarget(channel_id=pending.channel_id, message_id=message.id)
        if not message.attachments:
            content = await _content(client, pending)
            try:
                await messages.upsert(target, content, token_valid=True, nonce="")
            except TokenExpired:
                await messages.upsert(by_channel, content, token_valid=False, nonce="")
        pictures = await _pictures(client, pending.job_id, pending.nth)
        if any(picture.is_removed for picture in pictures):
            try:
                await messages.delete_response(target)
            except TokenExpired:
                await messages.delete_response(by_channel)
    except (TokenExpired, MessageGone, ContentRejected) as error:
        log.info("a press is out of reach", extra={"job": pending.job_id, "reason": str(error)})


async def _content(client: BotClient, pending: PendingInteraction) -> MessageContent:
    pictures = await _pictures(client, pending.job_id, pending.nth)
    if not pictures:
        return MessageContent(content=UNKNOWN_PICTURE)
    visible = await client.services.channels.visible_in(pictures, pending.channel_id)
    try:
        file = await _full_size_file(client, visible)
    except BotError as error:
        return MessageContent(content=str(error))
    return MessageContent(content=captions.full_size(pictures[0]), files=[file])


exports: Final = Exports(on_ready=(complete_pending,))
