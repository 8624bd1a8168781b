"""The buttons and menus of jobs, which also work on messages from before a restart."""

import re
from collections.abc import Sequence
from typing import Any, Final

import discord

from bot.context import Interaction, services
from bot.errors import Refused
from bot.features.exports import Action, Component
from bot.features.responses import show_pressed
from bot.i18n import N_, _
from bot.messages.components import MORE, job_pattern

_UNKNOWN: Final = N_("That option no longer works. Press U below the result to get a new menu.")


def job_components(actions: Sequence[Action]) -> Component:
    """The buttons and menus of these actions."""
    by_name = {action.name: action for action in actions}

    async def on_use(interaction: Interaction, match: re.Match[str]) -> None:
        job = await services(interaction).job_finder.by_button(match["job"])
        name, nth = match["action"], int(match["nth"])
        if name == MORE:
            name = _choice(interaction)
        elif not _is_button(interaction):
            nth = _chosen_number(interaction)
        if name not in by_name:
            raise Refused(_(_UNKNOWN))
        await by_name[name].handler(interaction, job, nth)
        if by_name[name].is_marked and _is_button(interaction):
            await show_pressed(interaction)

    return Component(job_pattern("|".join(sorted([*by_name, MORE]))), on_use)


def _is_button(interaction: Interaction) -> bool:
    data: dict[str, Any] = dict(interaction.data or {})
    return data.get("component_type") == discord.ComponentType.button.value


def _chosen_number(interaction: Interaction) -> int:
    """The number of the chosen option; 0, which no picture has, for anything else."""
    value = _choice(interaction)
    return int(value) if re.fullmatch("[0-9]{1,3}", value) else 0


def _choice(interaction: Interaction) -> str:
    """The value of the chosen option; empty if there is none."""
    data: dict[str, Any] = dict(interaction.data or {})
    return str(next(iter(data.get("values") or ()), ""))
