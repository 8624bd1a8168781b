"""Buttons below single pictures: ⬆ 2x and ⬆ 4x enlarge one, ✨ Detail also paints it over."""

from functools import partial
from typing import Final

from bot.context import Interaction, services
from bot.domain.job import Job
from bot.domain.kinds import detail, upscale
from bot.domain.plan import JobKind
from bot.features.exports import Action, Exports
from bot.features.responses import defer, defer_and_start, request_context
from bot.i18n import N_, NP_
from bot.messages.action_views import ActionScope


async def _enlarge(
    kind: JobKind,
    request: upscale.UpscaleRequest | detail.DetailRequest,
    interaction: Interaction,
    job: Job,
    nth: int,
) -> None:
    """Start a job of this kind, from one picture."""
    picture = await services(interaction).job_finder.picture(job, nth)
    context = request_context(interaction)
    message_id = None
    if picture.sha256 is None:  # the file is read and decoded, and Discord waits 3 seconds
        message_id = await defer(interaction)
        if message_id is None:
            return
    plan_context = await services(interaction).planner.enlarging_context(context, picture)
    assert kind.plan is not None  # noqa: S101 -- both kinds have one
    plan = kind.plan(request, plan_context)
    enlarged = await services(interaction).job_service.submit(kind, plan, context)
    await defer_and_start(interaction, enlarged, message_id)


exports: Final = Exports(
    actions=(
        *(
            Action(
                name=f"upscale{scale}",
                label=f"⬆ {scale}x",
                summary=summary,
                scope=ActionScope.PICTURE,
                order=order,
                is_on_picture=lambda _: True,
                is_in_menu=scale == 4,
                handler=partial(_enlarge, upscale.KIND, upscale.UpscaleRequest(scale)),
            )
            for scale, summary, order in (
                (2, N_("Enlarge it: twice as wide and high"), 5),
                (4, N_("Enlarge it: four times as wide and high"), 24),
            )
        ),
        Action(
            name="detail",
            label=NP_("button", "✨ Detail"),
            summary=N_("Enlarge it twice, and paint finer details over it"),
            scope=ActionScope.PICTURE,
            order=25,
            is_on_picture=lambda _: True,
            is_in_menu=True,
            handler=partial(_enlarge, detail.KIND, detail.DetailRequest()),
        ),
    )
)
