"""The buttons and menus of jobs, which also work on messages from before a restart."""

import re
from collections.abc import Sequence
from typing import Any

import discord

from bot.context import Interaction, services
from bot.features.exports import Action, Component
from bot.messages.components import job_pattern


def job_components(actions: Sequence[Action]) -> Component:
    """The buttons and menus of these actions."""
    handlers = {action.name: action.handler for action in actions}

    async def on_use(interaction: Interaction, match: re.Match[str]) -> None:
        job = await services(interaction).job_finder.by_button(match["job"])
        nth = int(match["nth"]) if _is_button(interaction) else _chosen_number(interaction)
        await handlers[match["action"]](interaction, job, nth)

    return Component(job_pattern("|".join(sorted(handlers))), on_use)


def _is_button(interaction: Interaction) -> bool:
    data: dict[str, Any] = dict(interaction.data or {})
    return data.get("component_type") == discord.ComponentType.button.value


def _chosen_number(interaction: Interaction) -> int:
    """The number of the chosen option; 0, which no picture has, for anything else."""
    data: dict[str, Any] = dict(interaction.data or {})
    value = next(iter(data.get("values") or ()), "")
    return int(value) if re.fullmatch("[0-9]{1,3}", str(value)) else 0
