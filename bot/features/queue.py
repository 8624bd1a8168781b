"""/queue: unfinished jobs, with buttons to cancel them; moderators see all of a guild."""

import re
from typing import Final

import discord
import msgspec
from discord import app_commands

from bot.context import Interaction, services
from bot.domain import rules
from bot.domain.job import Job
from bot.features.exports import Component, Exports
from bot.features.permissions import can_moderate, is_moderator
from bot.features.places import everywhere
from bot.features.responses import defer_privately
from bot.i18n import N_, _
from bot.messages import queue_panel
from bot.messages.queue_panel import Scope
from bot.services.queue_view import Queue

_CANCELLED: Final = N_("✖ Cancelled.")
_ENDED: Final = N_("That job has ended already.")
_NOT_YOURS: Final = N_("Only the user who requested that job and moderators can cancel it.")


@app_commands.command(name="queue", description="Show your jobs that wait or are painted")
@everywhere
async def command(interaction: Interaction) -> None:
    """The response is private."""
    await defer_privately(interaction)
    queue = await _queue(interaction, Scope.MINE)
    panel = queue_panel.panel(queue, Scope.MINE, 0, is_moderator=is_moderator(interaction))
    await interaction.edit_original_response(view=panel)


async def on_click(interaction: Interaction, match: re.Match[str]) -> None:
    """Show a page, after the job of the button, if it has one, is cancelled."""
    notice = await _cancel(interaction, match["queued"]) if match["queued"] else ""
    scope = Scope(match["scope"]) if is_moderator(interaction) else Scope.MINE
    queue = await _queue(interaction, scope)
    page = min(int(match["page"]), queue_panel.page_count(queue) - 1)
    is_mod = is_moderator(interaction)
    panel = queue_panel.panel(queue, scope, page, is_moderator=is_mod, notice=notice)
    await interaction.response.edit_message(content=None, view=panel)


async def _cancel(interaction: Interaction, job_id: str) -> str:
    """Cancel a job; what happened, in words. A job that has ended meanwhile is no error."""
    job = await services(interaction).job_finder.by_button(job_id)
    is_allowed = rules.can_cancel(
        job, user_id=interaction.user.id, is_moderator=_moderates(interaction, job)
    )
    if not is_allowed:
        return _(_NOT_YOURS)
    return _(_CANCELLED) if await services(interaction).job_service.cancel(job) else _(_ENDED)


async def _queue(interaction: Interaction, scope: Scope) -> Queue:
    view, guild_id = services(interaction).queue_view, interaction.guild_id
    if scope is Scope.MINE or guild_id is None:
        return await view.of_user(interaction.user.id)
    queue = await view.of_guild(guild_id)
    visible = tuple(queued for queued in queue.jobs if _moderates(interaction, queued.job))
    return msgspec.structs.replace(queue, jobs=visible)


def _moderates(interaction: Interaction, job: Job) -> bool:
    """Whether the user moderates the channel of a job, and so may see and cancel it there; not in a
    channel that the client does not know."""
    if interaction.guild_id is None or job.target.guild_id != interaction.guild_id:
        return False
    if job.target.channel_id == interaction.channel_id:
        return is_moderator(interaction)
    guild, member = interaction.guild, interaction.user
    if guild is None or not isinstance(member, discord.Member):
        return False
    channel = guild.get_channel_or_thread(job.target.channel_id)
    if channel is None:
        return False
    permissions = channel.permissions_for(member)
    is_private = isinstance(channel, discord.Thread) and channel.is_private()
    if is_private and not (permissions.manage_threads or permissions.administrator):
        return False
    return can_moderate(permissions) and permissions.view_channel


exports: Final = Exports(
    commands=(command,), components=(Component(queue_panel.pattern(), on_click),)
)
