"""/about: the bot's version, models, licences and privacy in short."""

from functools import cache
from typing import Final

from discord import app_commands

from bot.context import Interaction, services
from bot.features.exports import Exports
from bot.features.places import everywhere
from bot.features.preferences import preferences_of
from bot.features.responses import defer_privately
from bot.messages.about_text import about
from bot.monitoring.software import packages
from bot.monitoring.status import version

_packages: Final = cache(packages)


@app_commands.command(name="about", description="Show my version, models, licences and privacy")
@everywhere
async def command(interaction: Interaction) -> None:
    """The response is private."""
    await defer_privately(interaction)
    bot = services(interaction)
    models = bot.planner.models_for(preferences_of(interaction))
    text = about(
        version(),
        models,
        _packages(),
        bot.retention.policy,
        bot.source_url,
        bot.prompt_expander.text_models,
    )
    await interaction.edit_original_response(content=text)


exports: Final = Exports(commands=(command,), is_always_allowed=True)
