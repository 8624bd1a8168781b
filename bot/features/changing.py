"""What the buttons that change a picture have in common."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from bot.context import Interaction, services
from bot.domain import rules
from bot.domain.job import Job, ShownJob
from bot.domain.picture import Picture
from bot.domain.plan import JobKind, Plan, PlanContext
from bot.errors import Refused
from bot.features.responses import (
    check_not_blocked,
    defer_and_start,
    request_context,
    respond_ephemeral,
)
from bot.i18n import N_, _
from bot.messages.action_views import picture_menu_view

_STARTED: Final = N_(
    "You have started this one already. Press 🔄 below its pictures to paint it again."
)


def is_changeable(picture: Picture) -> bool:
    """Whether a picture has the buttons that change it."""
    return picture.unavailable_reason is None and not picture.is_flagged_but_kept


async def picture_to_change(interaction: Interaction, job: Job, nth: int) -> PlanContext:
    """The context of a request that changes this picture, which is the only parent.

    Raises Refused, with a sentence for the user.
    """
    picture = await services(interaction).job_finder.picture(job, nth)
    context = request_context(interaction)
    return await services(interaction).planner.changing_context(context, picture)


async def check_form(interaction: Interaction) -> None:
    """Raise Refused before a form is shown if its user may not send it."""
    await check_not_blocked(interaction)
    request_context(interaction)


async def ask_which_picture(
    interaction: Interaction,
    result: ShownJob,
    ask: Callable[[Interaction, Job, int], Awaitable[None]],
    *,
    menu: str,
    placeholder: str,
    question: str,
    refusal: str,
) -> None:
    """Ask about the only picture of a result, or show a private menu of those that can be changed.

    `menu` is the action of the menu. Raises Refused, with this refusal if there is no picture.
    """
    pictures = await services(interaction).job_finder.pictures(result)
    rules.check_not_removed(pictures)
    rules.check_any_finished(result.job, pictures)
    if len(pictures) == 1:
        await ask(interaction, result.job, pictures[0].nth)
        return
    numbers = [picture.nth for picture in pictures if is_changeable(picture)]
    if not numbers:
        raise Refused(refusal)
    view = picture_menu_view(menu, result.job, numbers, placeholder)
    await interaction.response.send_message(question, view=view, ephemeral=True)


async def start(interaction: Interaction, kind: JobKind, plan: Plan) -> None:
    """Start a job of this plan."""
    context = request_context(interaction)
    await defer_and_start(
        interaction, await services(interaction).job_service.submit(kind, plan, context)
    )


async def start_once(
    interaction: Interaction, kind: JobKind, plan: Plan, name: str, detail: str
) -> None:
    """Start a job of this plan, unless the same message has started one of this name and detail
    that is unfinished or has pictures."""
    message_id = 0 if interaction.message is None else interaction.message.id
    context = msgspec.structs.replace(
        request_context(interaction), idempotency_key=f"{name}:{message_id}:{detail}"
    )
    job_service = services(interaction).job_service
    await job_service.free_key(context.idempotency_key, with_pictures=False)
    job = await job_service.submit(kind, plan, context)
    if job is None:
        await respond_ephemeral(interaction, _(_STARTED))
    else:
        await defer_and_start(interaction, job)


async def change_picture(
    kind: JobKind,
    plan: Callable[[Any, PlanContext], Plan],
    request: object,
    interaction: Interaction,
    job: Job,
    nth: int,
) -> None:
    """Start a job of this kind, from one picture."""
    plan_context = await picture_to_change(interaction, job, nth)
    await start(interaction, kind, plan(request, plan_context))
