"""/admin moderators: the channel that reports are posted to."""

from typing import Final

import discord
from discord import app_commands

from bot.context import Interaction, services
from bot.errors import Refused
from bot.features.case_actions import catch_up
from bot.features.exports import GroupCommand
from bot.features.permissions import moderated_guild
from bot.features.responses import defer_privately
from bot.i18n import N_, _
from bot.messages.discord_errors import DISCORD_ERRORS, Meaning, describe, meaning

_TEST_MESSAGE: Final = N_("Reports of pictures will be posted in this channel.")


@app_commands.command(name="moderators", description="Choose the channel for reports of pictures")
@app_commands.describe(channel="Without it, reports are shown only in /admin audit")
async def command(interaction: Interaction, channel: discord.TextChannel | None = None) -> None:
    """Posts a test message first."""
    guild_id = moderated_guild(interaction)
    await defer_privately(interaction)
    if channel is not None:
        await _send_test_message(interaction, channel.id)
    await services(interaction).moderation.set_mod_channel(
        guild_id, channel.id if channel else None, actor_id=interaction.user.id
    )
    await catch_up(interaction.client)
    if channel is None:
        response = _("Reports are no longer posted; they are in /admin audit.")
    else:
        response = _("Reports are now posted to <#{id}>.").format(id=channel.id)
    await interaction.edit_original_response(content=response)


async def _send_test_message(interaction: Interaction, channel_id: int) -> None:
    try:
        await interaction.client.get_partial_messageable(channel_id).send(_(_TEST_MESSAGE))
    except DISCORD_ERRORS as error:
        reason = describe(error)
        if meaning(error) is Meaning.RETRY:
            raise Refused(
                _(
                    "Discord has a problem ({reason}), so I changed nothing. Please try again."
                ).format(reason=reason)
            ) from error
        raise Refused(
            _(
                "I cannot write to <#{channel_id}>, so I changed nothing. Give me the "
                "permissions View Channel and Send Messages there. ({reason})"
            ).format(channel_id=channel_id, reason=reason)
        ) from error


commands: Final[tuple[GroupCommand, ...]] = (command,)
