"""The U buttons: one stored picture at full size; nothing is painted."""

import asyncio
import logging
from typing import Final

import discord

from bot.context import BotClient, Interaction, services
from bot.db.database import RecordTrouble, insist
from bot.db.pending_interactions import Press
from bot.domain import rules
from bot.domain.job import Address, Job, Status
from bot.domain.nsfw import Kind, Level
from bot.domain.picture import Picture
from bot.domain.visibility import Showing, showing
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
    rules.check_shown(picture)
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
    await insist(lambda: services(interaction).pending_interactions.settle(interaction.id))


async def _note(interaction: Interaction, picture: Picture) -> None:
    """For the next bot, should this one be killed; without it the picture is shown as well."""
    press = Press(
        interaction=interaction.id,
        application=interaction.application_id,
        token=interaction.token,
        channel=interaction.channel_id or 0,
        job=picture.job,
        nth=picture.nth,
        at=interaction.created_at.timestamp(),
    )
    try:
        await services(interaction).pending_interactions.add(press)
    except RecordTrouble as error:
        log.warning("a press is not recorded", extra={"job": picture.job, "reason": str(error)})


async def _answer(interaction: Interaction, picture: Picture, message: int) -> None:
    ledger = services(interaction).jobs
    try:
        await asyncio.gather(
            insist(lambda: ledger.post(message, picture.job, picture.nth)),
            _show(interaction, picture),
        )
    except discord.NotFound:  # moderators may have been quicker, with the message as well
        rules.check_kept(await ledger.pictures(picture.job))
        raise
    rules.check_kept(await ledger.pictures(picture.job))


async def _show(interaction: Interaction, picture: Picture) -> None:
    upload = await _full_size(interaction.client, await _seen(interaction, picture))
    await interaction.edit_original_response(
        content=captions.full_size(picture), attachments=[upload.as_file()]
    )


async def _seen(interaction: Interaction, picture: Picture) -> Showing:
    """The picture as this place may see it: by what the press says, and by what Discord says."""
    if channels.from_interaction(interaction).kind is not Kind.SERVER:
        return showing([picture], Level.BLOCK)
    return await services(interaction).channels.visible_in([picture], interaction.channel_id or 0)


async def _full_size(client: BotClient, seen: Showing) -> OutgoingFile:
    """Raises Refused or FileMissing."""
    [picture] = seen.pictures
    rules.check_shown(picture)
    suffix, data = await asyncio.to_thread(
        picture_files.picture_file, client.services.storage, seen
    )
    alt_text = captions.alt_text([picture])
    return OutgoingFile(f"{picture.id}.{suffix}", data, alt_text, seen.spoiler)


async def catch_up(client: BotClient) -> None:
    """Answer the presses that a bot could not, for it was killed or Discord was out of reach."""
    for press in await insist(client.services.pending_interactions.unsettled):
        try:
            await _complete(client, press)
            await client.services.pending_interactions.settle(press.interaction)
        except (DeliveryFailed, RecordTrouble) as error:
            log.warning("a message may stay empty", extra={"job": press.job, "reason": str(error)})
        except Exception:  # one press's bad luck is its own
            log.exception("a message may stay empty", extra={"job": press.job})


async def _complete(client: BotClient, press: Press) -> None:
    messages = client.services.message_client
    address = Address(channel=press.channel, application=press.application, token=press.token)
    try:
        message = await messages.fetch_original(address)
        await client.services.jobs.post(message.id, press.job, press.nth)
        by_channel = Address(channel=press.channel, message=message.id)
        if not message.attachments:
            draft = await _draft(client, press)
            try:
                await messages.upsert(address, draft, token_valid=True, nonce="")
            except TokenExpired:
                await messages.upsert(by_channel, draft, token_valid=False, nonce="")
        if any(picture.removed for picture in await _found(client, press.job, press.nth)):
            try:
                await messages.delete_response(address)
            except TokenExpired:
                await messages.delete_response(by_channel)
    except (TokenExpired, MessageGone, ContentRejected) as error:
        log.info("a press is out of reach", extra={"job": press.job, "reason": str(error)})


async def _draft(client: BotClient, press: Press) -> MessageContent:
    pictures = await _found(client, press.job, press.nth)
    if not pictures:
        return MessageContent(content=FORGOTTEN)
    seen = await client.services.channels.visible_in(pictures, press.channel)
    try:
        upload = await _full_size(client, seen)
    except BotError as error:
        return MessageContent(content=str(error))
    return MessageContent(content=captions.full_size(pictures[0]), files=[upload])
