"""The option `loras` of commands: the LoRAs of the chosen model, with their trigger words."""

from discord import app_commands

from bot.context import Interaction, services
from bot.domain.loras import suggestions
from bot.domain.model_names import find_model
from bot.errors import Refused
from bot.features.preferences import preferences_of


async def autocomplete(interaction: Interaction, typed: str) -> list[app_commands.Choice[str]]:
    """What the last of the typed names may become; the model is the one that is chosen so far."""
    models = services(interaction).planner.models_for(preferences_of(interaction))
    chosen = getattr(interaction.namespace, "model", None)
    try:
        model = find_model(chosen if isinstance(chosen, str) else None, models)
    except Refused:  # its name is not complete yet
        return []
    return [
        app_commands.Choice(name=item.label, value=item.value)
        for item in suggestions(typed, model.adapters)
    ]
