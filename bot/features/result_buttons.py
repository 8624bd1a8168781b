"""The buttons of a job: U shows a picture, V varies it, 🔄 runs the job again, ✖ cancels it."""

import re
from typing import Any, Final

import discord

from bot.context import Interaction, services
from bot.domain import rules
from bot.domain.job import Job
from bot.domain.kinds import variation
from bot.errors import Refused
from bot.features.exports import Exports
from bot.features.full_size import show_full_size
from bot.features.permissions import is_moderator
from bot.features.responses import (
    defer_and_start,
    handle_errors,
    request_context,
    respond_ephemeral,
)
from bot.messages import components


async def vary(interaction: Interaction, job: Job, nth: int) -> None:
    """Start a job of variations of this picture."""
    picture = await services(interaction).job_finder.picture(job, nth)
    context = request_context(interaction)
    plan_context = await services(interaction).planner.context(context, [picture])
    plan = variation.plan(variation.VariationRequest(), plan_context)
    varied = await services(interaction).job_service.submit(variation.KIND, plan, context)
    await defer_and_start(interaction, varied)


async def reroll(interaction: Interaction, job: Job, _: int) -> None:
    """Start the same job with another seed."""
    context = request_context(interaction)
    kind, plan = await services(interaction).planner.replan(job, context)
    again = await services(interaction).job_service.submit(kind, plan, context)
    await defer_and_start(interaction, again)


async def cancel(interaction: Interaction, job: Job, _: int) -> None:
    """Cancel a job, for its user or for a moderator."""
    user_id = interaction.user.id
    if not rules.can_cancel(job, user_id=user_id, is_moderator=is_moderator(interaction)):
        raise Refused("Only the user who requested this and moderators can cancel it.")
    if not await services(interaction).job_service.cancel(job):
        raise Refused("This job is already finished.")
    await respond_ephemeral(interaction, "Cancelled.")


_ACTIONS: Final = {
    components.UPSCALE: show_full_size,
    components.VARY: vary,
    components.REROLL: reroll,
    components.CANCEL: cancel,
}


class JobButton(
    discord.ui.DynamicItem[discord.ui.Button[discord.ui.View]], template=components.PATTERN
):
    """Any button of a job; also works on messages from before a restart."""

    def __init__(self, action: str, job_id: str, nth: int) -> None:
        super().__init__(discord.ui.Button(custom_id=components.custom_id(action, job_id, nth)))
        self._action = action
        self._job_id = job_id
        self._nth = nth

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: discord.ui.Item[Any], match: re.Match[str]
    ) -> "JobButton":
        """The button with this custom id, which has all of its state."""
        return cls(match["action"], match["job"], int(match["nth"]))

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """Handle a click."""
        async with handle_errors(interaction):
            job = await services(interaction).job_finder.by_button(self._job_id)
            await _ACTIONS[self._action](interaction, job, self._nth)


exports: Final = Exports(buttons=(JobButton,))
