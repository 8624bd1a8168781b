"""The buttons below a job: U shows one picture, V varies it, 🔄 paints anew, ✖ stops."""

import re
from collections.abc import Iterable
from typing import Any, Final

import discord

from bot.context import Interaction, is_moderator, services
from bot.domain import rules
from bot.domain.job import Job
from bot.errors import Refused
from bot.features.full_size import FORGOTTEN, chosen, upscale
from bot.features.responses import guarded, origin, start, whisper
from bot.messages import components


async def vary(interaction: Interaction, job: Job, nth: int) -> None:
    """Paint four variations of this picture."""
    picture = await chosen(interaction, job, nth)
    await start(interaction, services(interaction).job_service.vary([picture], origin(interaction)))


async def reroll(interaction: Interaction, job: Job, _: int) -> None:
    """Paint it all again, with another seed."""
    await start(interaction, services(interaction).job_service.reroll(job, origin(interaction)))


async def cancel(interaction: Interaction, job: Job, _: int) -> None:
    """Stop a job: those who asked for it and moderators may."""
    if not rules.can_cancel(
        job, user_id=interaction.user.id, is_moderator=is_moderator(interaction)
    ):
        raise Refused("Only the person who asked for this and moderators can cancel it.")
    if not await services(interaction).job_service.cancel(job):
        raise Refused("This is finished already.")
    await whisper(interaction, "Cancelled.")


_ACTIONS: Final = {
    components.UPSCALE: upscale,
    components.VARY: vary,
    components.REROLL: reroll,
    components.CANCEL: cancel,
}


class JobButton(
    discord.ui.DynamicItem[discord.ui.Button[discord.ui.View]], template=components.PATTERN
):
    """Any button of ours, found by its custom id, so also on messages from before a restart."""

    def __init__(self, action: str, job: str, nth: int) -> None:
        super().__init__(discord.ui.Button(custom_id=components.custom_id(action, job, nth)))
        self._action = action
        self._job = job
        self._nth = nth

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: discord.ui.Item[Any], match: re.Match[str]
    ) -> "JobButton":
        """All state is in the id and in the record."""
        return cls(match["action"], match["job"], int(match["nth"]))

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """Somebody pressed it."""
        await guarded(interaction, self._act(interaction))

    async def _act(self, interaction: Interaction) -> None:
        job = await services(interaction).jobs.job(self._job)
        if job is None:
            raise Refused(FORGOTTEN)
        rules.check_not_deleted(job)
        await _ACTIONS[self._action](interaction, job, self._nth)


async def catch_unknown(
    interaction: discord.Interaction[Any], known: Iterable[type[discord.ui.DynamicItem[Any]]]
) -> None:
    """Answer presses that discord.py leaves alone: of buttons that were never ours, or are no more,
    and of ours when the event does not show the message that they are on."""
    if interaction.type is not discord.InteractionType.component:
        return
    for kind in known:
        match = kind.__discord_ui_compiled_template__.fullmatch(interaction.custom_id or "")
        if match is not None:
            if interaction.message is None or not interaction.message.components:
                item = await kind.from_custom_id(interaction, discord.ui.Button(), match)
                await item.callback(interaction)
            return
    await whisper(interaction, "I do not know that button any more. Try /imagine.")


items: Final = (JobButton,)
