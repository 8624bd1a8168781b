"""/admin block, unblock and blocked: users whose requests are refused in a guild."""

from typing import Final

import discord
from discord import app_commands

from bot.context import Interaction, services
from bot.domain.moderation import MAX_BLOCK_REASON_CHARS
from bot.errors import Refused
from bot.features.admin.options import Page
from bot.features.blocking import block, unblock
from bot.features.exports import GroupCommand
from bot.features.permissions import moderated_guild
from bot.features.responses import defer_privately, respond_ephemeral
from bot.i18n import _
from bot.messages import moderation_cards

Reason = app_commands.Range[str, 1, MAX_BLOCK_REASON_CHARS]


@app_commands.command(name="block", description="Block a user in this server")
@app_commands.rename(user="person")
@app_commands.describe(user="The user to block", reason="Shown to the user")
async def block_command(interaction: Interaction, user: discord.User, reason: Reason) -> None:
    """Also cancels the user's unfinished jobs in this guild."""
    moderated_guild(interaction)
    reason = reason.strip()[:MAX_BLOCK_REASON_CHARS]
    if not reason:
        raise Refused(_("Give a reason. The user sees it when a request is refused."))
    await defer_privately(interaction)
    response = await block(interaction, user.id, reason)
    await interaction.edit_original_response(content=response)


@app_commands.command(name="unblock", description="Unblock a user in this server")
@app_commands.rename(user="person")
@app_commands.describe(user="The user to unblock")
async def unblock_command(interaction: Interaction, user: discord.User) -> None:
    """Also works for a user who has left the guild."""
    moderated_guild(interaction)
    await respond_ephemeral(interaction, await unblock(interaction, user.id))


@app_commands.command(name="blocked", description="List the users who are blocked in this server")
async def blocked_command(interaction: Interaction, page: Page = 1) -> None:
    """The newest first."""
    blocks = await services(interaction).moderation.blocks(moderated_guild(interaction))
    lines = moderation_cards.blocks(blocks)
    text = moderation_cards.page(lines, page) if lines else _("Nobody is blocked here.")
    await respond_ephemeral(interaction, text)


commands: Final[tuple[GroupCommand, ...]] = (block_command, unblock_command, blocked_command)
