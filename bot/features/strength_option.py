"""The option `strength` of commands: numbers by their names."""

from discord import app_commands

from bot.context import Interaction
from bot.domain.sketches import suggestions


async def autocomplete(interaction: Interaction, _: object) -> list[app_commands.Choice[float]]:
    """The named strengths for the mode that was chosen; any other number can be typed."""
    named = suggestions(getattr(interaction.namespace, "mode", None))
    return [app_commands.Choice(name=name, value=value) for name, value in named.items()]
