"""/admin gallery: the channel or forum that pictures with a ⭐ are posted to."""

from typing import Final

import discord
from discord import app_commands

from bot.context import Interaction, services
from bot.domain.preference_settings import SETTINGS
from bot.domain.preferences import Layer, Owner
from bot.domain.setting_values import Offer
from bot.errors import Refused
from bot.features.exports import GroupCommand
from bot.features.permissions import check_gallery, managed_guild
from bot.features.responses import respond_ephemeral
from bot.i18n import _


@app_commands.command(name="gallery", description="Choose where pictures with a ⭐ are posted")
@app_commands.describe(channel="A text channel, or a forum; without it, there is no gallery")
async def command(
    interaction: Interaction, channel: discord.TextChannel | discord.ForumChannel | None = None
) -> None:
    """Refuses a channel that the bot may not post pictures in."""
    guild_id = managed_guild(interaction)
    if channel is not None:
        try:
            check_gallery(channel)
        except Refused as error:
            raise Refused(_("{error} I changed nothing.").format(error=error)) from None
    await services(interaction).preferences.set(
        Owner(Layer.GUILD, guild_id),
        SETTINGS["gallery_channel_id"],
        None if channel is None else channel.id,
        Offer(models=services(interaction).planner.models),
        guild_id=guild_id,
        actor_id=interaction.user.id,
    )
    response = _("Pictures with a ⭐ are no longer posted. What was posted stays.")
    if channel is not None:
        response = _("Pictures with a ⭐ are now posted in <#{id}>.").format(id=channel.id)
    await respond_ephemeral(interaction, response)


commands: Final[tuple[GroupCommand, ...]] = (command,)
