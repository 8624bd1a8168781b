"""The buttons and menus of jobs, which also work on messages from before a restart."""

import re
from collections.abc import Sequence
from typing import Any

import discord

from bot.context import services
from bot.features.exports import Action, Button
from bot.features.full_size import show_full_size
from bot.features.responses import handle_errors
from bot.messages.components import OPEN, custom_id, job_pattern


def job_button(actions: Sequence[Action]) -> Button:
    """The class of the buttons of these actions."""
    handlers = {action.name: action.handler for action in actions}

    class JobButton(
        discord.ui.DynamicItem[discord.ui.Button[discord.ui.View]],
        template=job_pattern("|".join(sorted(handlers))),
    ):
        """A button, whose custom id has all of its state."""

        def __init__(self, action: str, job_id: str, nth: int) -> None:
            super().__init__(discord.ui.Button(custom_id=custom_id(action, job_id, nth)))
            self._action = action
            self._job_id = job_id
            self._nth = nth

        @classmethod
        async def from_custom_id(
            cls,
            interaction: discord.Interaction[Any],
            item: discord.ui.Item[Any],
            match: re.Match[str],
        ) -> "JobButton":
            """The button with this custom id."""
            return cls(match["action"], match["job"], int(match["nth"]))

        async def callback(self, interaction: discord.Interaction[Any]) -> None:
            """Handle a click."""
            async with handle_errors(interaction):
                job = await services(interaction).job_finder.by_button(self._job_id)
                await handlers[self._action](interaction, job, self._nth)

    return JobButton


def job_menu(actions: Sequence[Action]) -> Button:
    """The class of the menus of these actions."""
    handlers = {action.name: action.handler for action in actions}

    class JobMenu(
        discord.ui.DynamicItem[discord.ui.Select[discord.ui.View]],
        template=job_pattern("|".join(sorted(handlers))),
    ):
        """A menu, whose custom id has the job and the number of the menu."""

        def __init__(self, action: str, job_id: str, page: int) -> None:
            super().__init__(discord.ui.Select(custom_id=custom_id(action, job_id, page)))
            self._action = action
            self._job_id = job_id

        @classmethod
        async def from_custom_id(
            cls,
            interaction: discord.Interaction[Any],
            item: discord.ui.Item[Any],
            match: re.Match[str],
        ) -> "JobMenu":
            """The menu with this custom id."""
            return cls(match["action"], match["job"], int(match["nth"]))

        async def callback(self, interaction: discord.Interaction[Any]) -> None:
            """Handle a choice."""
            async with handle_errors(interaction):
                job = await services(interaction).job_finder.by_button(self._job_id)
                await handlers[self._action](interaction, job, chosen_number(interaction))

    return JobMenu


class OpenMenu(
    discord.ui.DynamicItem[discord.ui.Select[discord.ui.View]], template=job_pattern(OPEN)
):
    """A menu of pictures; the one that is chosen is shown at full size."""

    def __init__(self, job_id: str, page: int) -> None:
        super().__init__(discord.ui.Select(custom_id=custom_id(OPEN, job_id, page)))
        self._job_id = job_id

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: discord.ui.Item[Any], match: re.Match[str]
    ) -> "OpenMenu":
        """The menu with this custom id."""
        return cls(match["job"], int(match["nth"]))

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """Show the chosen picture."""
        async with handle_errors(interaction):
            job = await services(interaction).job_finder.by_button(self._job_id)
            await show_full_size(interaction, job, chosen_number(interaction))


def chosen_number(interaction: discord.Interaction[Any]) -> int:
    """The number of the chosen picture; 0, which no picture has, for anything else."""
    data: dict[str, Any] = dict(interaction.data or {})
    value = next(iter(data.get("values") or ()), "")
    return int(value) if re.fullmatch("[0-9]{1,3}", str(value)) else 0
