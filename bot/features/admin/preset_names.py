"""The option `name` of the commands that change styles and wildcards."""

from collections.abc import Callable, Coroutine
from typing import Any

from discord import app_commands

from bot.context import Interaction, services
from bot.domain.model_names import MAX_CHOICES
from bot.domain.presets import PresetKind

Names = list[app_commands.Choice[str]]
Autocomplete = Callable[[Interaction, str], Coroutine[Any, Any, Names]]


def completing(kind: PresetKind) -> Autocomplete:
    """Suggests the presets of this kind."""

    async def autocomplete(interaction: Interaction, typed: str) -> Names:
        presets = await services(interaction).presets.of(interaction.guild_id)
        return _choices(presets.names(kind), typed)

    return autocomplete


def completing_changed(kind: PresetKind) -> Autocomplete:
    """Suggests the built-in presets of this kind that the guild changed or removed."""

    async def autocomplete(interaction: Interaction, typed: str) -> Names:
        presets = await services(interaction).presets.of(interaction.guild_id)
        return _choices(presets.changed(kind), typed)

    return autocomplete


def _choices(names: list[str], typed: str) -> Names:
    part = typed.strip().casefold()
    fitting = [name for name in names if part in name]
    return [app_commands.Choice(name=name, value=name) for name in fitting[:MAX_CHOICES]]
