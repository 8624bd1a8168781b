"""The option `model` of commands: the loaded models by their short names."""

from collections.abc import Sequence

from discord import app_commands

from bot.context import Interaction, services
from bot.domain.model_names import suggestions
from engine.contract import ModelCard, Sampler


async def autocomplete(interaction: Interaction, typed: str) -> list[app_commands.Choice[str]]:
    """The loaded models that paint, whose names contain what was typed; nothing is looked up."""
    names = suggestions(typed, services(interaction).planner.models)
    return [app_commands.Choice(name=name, value=name) for name in names]


async def autocomplete_editors(
    interaction: Interaction, typed: str
) -> list[app_commands.Choice[str]]:
    """The same, of the models that edit pictures by instructions."""
    names = suggestions(typed, services(interaction).planner.models, editors=True)
    return [app_commands.Choice(name=name, value=name) for name in names]


def all_samplers(models: Sequence[ModelCard]) -> tuple[Sampler, ...]:
    """The samplers that work with any of these models."""
    return tuple(sampler for sampler in Sampler if any(sampler in card.samplers for card in models))
