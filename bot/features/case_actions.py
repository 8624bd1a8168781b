"""What moderators do about reports: the buttons of a case's card, and Remove picture."""

import re
from typing import Final

import discord
from discord import app_commands

from bot.context import BotClient, Interaction, services
from bot.domain import rules
from bot.domain.job import Job
from bot.errors import Refused
from bot.features.blocking import block, unblock
from bot.features.exports import Component, Exports
from bot.features.permissions import check_moderator
from bot.features.report_cards import BLOCK, DISMISS, PATTERN, REMOVE, UNBLOCK, show
from bot.features.responses import defer_privately
from bot.i18n import N_, _
from bot.messages import message_parser, moderation_cards
from bot.services.reports import Moderator

_UNKNOWN_REPORT: Final = N_("This report no longer exists.")
_NO_RESULT: Final = N_("That message shows no picture of mine.")
_BLOCK_REASON: Final = N_("a picture was reported")
_NOT_DELETED: Final = N_("I could not delete this message. Please try again.")
_ONLY_MESSAGE: Final = N_(
    "Removed this message. Its pictures were already deleted, so I no longer know of "
    "other messages that show them."
)


async def catch_up(client: BotClient) -> None:
    """Post the cards that are missing, and finish removals that a crash interrupted."""
    reports = client.services.reports
    for job_id, guild_id in await reports.without_card():
        await show(client, job_id, guild_id)
    for channel_id, message_id in await reports.resume_removals():
        await _delete(client, channel_id, message_id)


async def remove(interaction: Interaction, job: Job) -> str:
    """Delete the pictures of a job and all messages that show one.

    Unfinished variations of them are cancelled; finished ones are listed in the response.
    """
    reports = services(interaction).reports
    messages = await reports.remove(job, _moderator(interaction))
    finished = await reports.cancel_variations(job)
    variations = moderation_cards.variations(finished, interaction.guild_id)
    remaining = [message for message in messages if not await _delete(interaction.client, *message)]
    if remaining:
        count = _("{count} of {total}").format(count=len(remaining), total=len(messages))
        return _("Removed the pictures, but could not delete {count} messages.{variations}").format(
            count=count, variations=variations
        )
    return _("Removed the pictures and all of my messages that showed them.{variations}").format(
        variations=variations
    )


async def _delete(client: BotClient, channel_id: int, message_id: int) -> bool:
    if not await client.services.message_client.delete(channel_id, message_id):
        return False
    await client.services.reports.forget_message(message_id)
    return True


async def _dismiss(interaction: Interaction, job: Job) -> str:
    is_closed = await services(interaction).reports.dismiss(job, _moderator(interaction))
    return _("Dismissed.") if is_closed else _("This report is already closed.")


async def _block_owner(interaction: Interaction, job: Job) -> str:
    return await block(interaction, job.user_id, _BLOCK_REASON)


async def _unblock_owner(interaction: Interaction, job: Job) -> str:
    return await unblock(interaction, job.user_id)


_ACTIONS: Final = {
    REMOVE: remove,
    BLOCK: _block_owner,
    UNBLOCK: _unblock_owner,
    DISMISS: _dismiss,
}
"""Each returns the response to the moderator."""


def _moderator(interaction: Interaction) -> Moderator:
    return Moderator(interaction.user.id, interaction.guild_id, interaction.channel_id)


async def on_click(interaction: Interaction, match: re.Match[str]) -> None:
    """Do what a button on a card says."""
    check_moderator(interaction)
    await defer_privately(interaction)
    details = await services(interaction).reports.details(match["job"], interaction.guild_id or 0)
    if details is None:
        raise Refused(_UNKNOWN_REPORT)
    job, action = details.job, match["action"]
    if action != DISMISS:
        rules.check_not_deleted(job)
    response = await _ACTIONS[action](interaction, job)
    await _update_cards(interaction.client, job)
    await interaction.edit_original_response(content=response)


async def _update_cards(client: BotClient, job: Job) -> None:
    """In all guilds in which the job was reported, as its pictures may be gone."""
    for guild_id in await client.services.reports.guilds(job.id):
        await show(client, job.id, guild_id)


@app_commands.context_menu(name="Remove picture")
@app_commands.default_permissions(manage_messages=True)
@app_commands.allowed_contexts(guilds=True, dms=False, private_channels=False)
@app_commands.allowed_installs(guilds=True, users=False)
async def remove_command(interaction: Interaction, message: discord.Message) -> None:
    """In the Apps menu of a message."""
    check_moderator(interaction)
    await defer_privately(interaction)
    finder = services(interaction).job_finder
    deleted_job = await finder.deleted_job(message_parser.job_id_of(message))
    if deleted_job is not None:
        if not await services(interaction).message_client.delete(message.channel.id, message.id):
            raise Refused(_(_NOT_DELETED))
        moderator = _moderator(interaction)
        await services(interaction).reports.log_removed_message(deleted_job, moderator)
        await interaction.edit_original_response(content=_(_ONLY_MESSAGE))
        return
    result = await finder.by_message(message.id)
    if result is None or result.guild_id != interaction.guild_id:
        raise Refused(_NO_RESULT)
    response = await remove(interaction, result.job)
    await _update_cards(interaction.client, result.job)
    await interaction.edit_original_response(content=response)


exports: Final = Exports(
    commands=(remove_command,),
    components=(Component(PATTERN, on_click),),
    on_ready=(catch_up,),
    is_always_allowed=True,
)
