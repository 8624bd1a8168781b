"""/admin block, unblock and blocked: people for whom nothing is painted in a server."""

from typing import Annotated

import discord
from discord import AppCommandOptionType as OptionType
from discord import app_commands
from discord.app_commands.transformers import RangeTransformer

from bot.context import Interaction, services
from bot.domain.moderation import MAX_BLOCK_REASON_CHARS
from bot.errors import Refused
from bot.features.admin import Page, group, managed_guild
from bot.features.blocking import block, unblock
from bot.features.responses import guarded, whisper
from bot.messages import moderation_cards

Reason = Annotated[str, RangeTransformer(OptionType.string, min=1, max=MAX_BLOCK_REASON_CHARS)]


@group.command(name="block", description="Let me paint nothing for a person in this server")
@app_commands.describe(person="Who", reason="They are told it")
async def block_command(interaction: Interaction, person: discord.User, reason: Reason) -> None:
    """What they have asked for here and is not finished is cancelled."""
    await guarded(interaction, _block(interaction, person.id, reason))


async def _block(interaction: Interaction, person: int, reason: str) -> None:
    managed_guild(interaction)
    plain = reason.strip()[:MAX_BLOCK_REASON_CHARS]
    if not plain:
        raise Refused("The reason is empty; the person is told it.")
    await interaction.response.defer(ephemeral=True, thinking=True)
    told = await block(interaction, person, plain)
    await interaction.edit_original_response(content=told)


@group.command(name="unblock", description="Let me paint for a person in this server again")
@app_commands.describe(person="Who")
async def unblock_command(interaction: Interaction, person: discord.User) -> None:
    """They may also have left."""
    await guarded(interaction, _unblock(interaction, person.id))


async def _unblock(interaction: Interaction, person: int) -> None:
    managed_guild(interaction)
    await whisper(interaction, await unblock(interaction, person))


@group.command(name="blocked", description="Who is blocked in this server")
async def blocked_command(interaction: Interaction, page: Page = 1) -> None:
    """The newest first."""
    await guarded(interaction, _blocked(interaction, page))


async def _blocked(interaction: Interaction, page: int) -> None:
    lines = moderation_cards.blocks(
        await services(interaction).moderation.blocks(managed_guild(interaction))
    )
    await whisper(
        interaction, moderation_cards.page(lines, page) if lines else "Nobody is blocked here."
    )
