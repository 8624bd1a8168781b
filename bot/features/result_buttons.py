"""The buttons of a job: U shows a picture, V varies it, 🔄 runs the job again, ✖ cancels it."""

from typing import Final

from bot.context import Interaction, services
from bot.domain import rules
from bot.domain.job import Job
from bot.domain.kinds import variation
from bot.domain.kinds.remix import Noise
from bot.errors import Refused
from bot.features import remix
from bot.features.exports import Action, Exports
from bot.features.full_size import show_full_size
from bot.features.permissions import is_moderator
from bot.features.preferences import preferences_of
from bot.features.responses import (
    defer_and_start,
    request_context,
    respond_ephemeral,
)
from bot.i18n import N_, NP_, _
from bot.messages import components
from bot.messages.action_views import ActionScope


async def vary(interaction: Interaction, job: Job, nth: int) -> None:
    """Start a job of variations of this picture."""
    await _vary(interaction, job, nth, variation.VARIATION_STRENGTH, Noise.VARY)


async def vary_subtle(interaction: Interaction, job: Job, nth: int) -> None:
    """Start a job of variations that hardly differ from this picture."""
    await _vary(interaction, job, nth, variation.SUBTLE, Noise.SUBTLE)


async def vary_strong(interaction: Interaction, job: Job, nth: int) -> None:
    """Start a job of variations that differ clearly from this picture."""
    await _vary(interaction, job, nth, variation.STRONG, Noise.STRONG)


async def _vary(
    interaction: Interaction, job: Job, nth: int, strength: float, noise: Noise
) -> None:
    if preferences_of(interaction).remix:
        await remix.ask(interaction, job, nth, noise)
        return
    picture = await services(interaction).job_finder.picture(job, nth)
    context = request_context(interaction)
    plan_context = await services(interaction).planner.context(context, [picture])
    plan = variation.plan(variation.VariationRequest(strength=strength), plan_context)
    varied = await services(interaction).job_service.submit(variation.KIND, plan, context)
    await defer_and_start(interaction, varied)


async def reroll(interaction: Interaction, job: Job, nth: int) -> None:
    """Start the same job, or its nth picture alone, with another seed."""
    if preferences_of(interaction).remix:
        await remix.ask(interaction, job, nth, Noise.NEW)
        return
    context = request_context(interaction)
    kind, plan = await services(interaction).planner.replan(job, context, nth or None)
    again = await services(interaction).job_service.submit(kind, plan, context)
    await defer_and_start(interaction, again)


async def cancel(interaction: Interaction, job: Job, nth: int) -> None:
    """Cancel a job, for its user or for a moderator."""
    user_id = interaction.user.id
    if not rules.can_cancel(job, user_id=user_id, is_moderator=is_moderator(interaction)):
        raise Refused(_("Only the user who requested this and moderators can cancel it."))
    if not await services(interaction).job_service.cancel(job):
        raise Refused(_("This job is already finished."))
    await respond_ephemeral(interaction, _("Cancelled."))


exports: Final = Exports(
    actions=(
        Action(
            name=components.UPSCALE,
            label="U",
            summary=N_("The picture at full size, or where it is shown already"),
            initial="U",
            scope=ActionScope.PICTURE,
            order=2,
            handler=show_full_size,
        ),
        Action(
            name=components.OPEN,
            label=NP_("button", "Open picture…"),
            scope=ActionScope.PICTURE,
            handler=show_full_size,
        ),
        Action(
            name=components.VARY,
            label="V",
            summary=N_("Four variations of the picture"),
            initial="V",
            scope=ActionScope.PICTURE,
            order=3,
            handler=vary,
        ),
        Action(
            name="varysubtle",
            label=NP_("button", "V subtle"),
            summary=N_("Variations that hardly differ from the picture"),
            scope=ActionScope.PICTURE,
            order=10,
            is_on_picture=lambda _: True,
            handler=vary_subtle,
        ),
        Action(
            name="varystrong",
            label=NP_("button", "V strong"),
            summary=N_("Variations that differ clearly from the picture"),
            scope=ActionScope.PICTURE,
            order=11,
            is_on_picture=lambda _: True,
            handler=vary_strong,
        ),
        Action(
            name=components.REROLL,
            label="🔄",
            summary=N_("The same again with other seeds"),
            scope=ActionScope.JOB,
            order=4,
            is_on_picture=lambda _: True,
            handler=reroll,
        ),
        Action(
            name=components.CANCEL,
            label=NP_("button", "✖ Cancel"),
            summary=N_("Stop a job that waits or is painted"),
            scope=ActionScope.JOB,
            handler=cancel,
            is_always_allowed=True,
            is_marked=False,
        ),
    ),
)
