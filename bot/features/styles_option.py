"""The option `styles` of commands: the styles of the guild, with their words."""

from discord import app_commands

from bot.context import Interaction, services
from bot.domain.styles import suggestions


async def autocomplete(interaction: Interaction, typed: str) -> list[app_commands.Choice[str]]:
    """What the last of the typed names may become."""
    presets = await services(interaction).presets.of(interaction.guild_id)
    return [
        app_commands.Choice(name=item.label, value=item.value)
        for item in suggestions(typed, presets.styles)
    ]
