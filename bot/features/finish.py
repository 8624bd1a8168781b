"""✅ Finish: paint a draft with all its steps."""

from typing import Final

import msgspec

from bot.context import Interaction, services
from bot.domain import rules
from bot.domain.job import Job, ShownJob
from bot.domain.kinds import finish
from bot.errors import Refused
from bot.features.exports import Action, Exports
from bot.features.responses import defer_and_start, request_context
from bot.i18n import N_, NP_, _
from bot.messages.action_views import ActionScope


async def finish_drafts(interaction: Interaction, job: Job, nth: int) -> None:
    """Start a job of the full recipes of this draft, or of all drafts that are not finished."""
    finder, planner = services(interaction).job_finder, services(interaction).planner
    drafts = [await finder.picture(job, nth)] if nth else await finder.pictures(ShownJob(job, None))
    context = request_context(interaction)
    plan_context = await planner.context(context, drafts)
    finished = await planner.finished_drafts(plan_context.parents)
    rest = tuple(picture for picture in plan_context.parents if picture.id not in finished)
    if finished and not rest:
        raise Refused(_(rules.FINISHED) if all(finished.values()) else _(rules.FINISHING))
    request = finish.FinishRequest(
        full_recipes=job.plan.full_recipes, prompt=job.plan.prompt, layout=job.plan.layout
    )
    plan = finish.plan(request, msgspec.structs.replace(plan_context, parents=rest))
    started = await services(interaction).job_service.submit(finish.KIND, plan, context)
    await defer_and_start(interaction, started)


def _is_draft(job: Job) -> bool:
    return bool(job.plan.full_recipes)


exports: Final = Exports(
    actions=(
        Action(
            name="finish",
            label=NP_("button", "✅ Finish"),
            summary=N_("Paint the draft with all of its steps"),
            scope=ActionScope.JOB,
            order=1,
            is_possible=_is_draft,
            is_on_picture=lambda _: True,
            handler=finish_drafts,
        ),
    )
)
