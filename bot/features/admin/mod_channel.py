"""/admin moderators: where reports of pictures go."""

import time
from typing import Final

import discord
from discord import app_commands

from bot.context import Interaction, services
from bot.errors import NETWORK_ERRORS, Refused
from bot.features.admin import group, managed_guild
from bot.features.report_cards import catch_up
from bot.features.responses import guarded

_HERE: Final = "Reports of pictures come to this channel from now on."


@group.command(name="moderators", description="Where I write reports of pictures to")
@app_commands.describe(channel="Left out: nowhere, and reports are only in the audit log")
async def moderators(interaction: Interaction, channel: discord.TextChannel | None = None) -> None:
    """A channel that only moderators can read, say."""
    await guarded(interaction, _moderators(interaction, channel))


async def _moderators(interaction: Interaction, channel: discord.TextChannel | None) -> None:
    guild = managed_guild(interaction)
    await interaction.response.defer(ephemeral=True, thinking=True)
    if channel is not None:
        await _try_out(interaction, channel.id)
    await services(interaction).mod_channels.set(
        guild, channel.id if channel else None, actor_id=interaction.user.id, now=time.time()
    )
    where = f"to <#{channel.id}>" if channel else "nowhere, but are in /admin audit"
    await catch_up(interaction.client)
    await interaction.edit_original_response(content=f"Reports go {where}.")


async def _try_out(interaction: Interaction, channel: int) -> None:
    try:
        await interaction.client.get_partial_messageable(channel).send(_HERE)
    except (discord.HTTPException, *NETWORK_ERRORS) as error:
        raise Refused(
            f"I cannot write to <#{channel}>, so nothing is changed. Let me view that channel and "
            f"send messages there. ({error})"
        ) from error
