"""🕰 Fork: go back to a step of a picture, and on from there with other settings."""

import re
from collections.abc import Collection
from typing import Final

import discord

from bot.context import Interaction, services
from bot.domain.job import Job
from bot.domain.kinds import fork, steps
from bot.domain.picture import Picture
from bot.features.exports import Action, Component, Exports
from bot.features.responses import check_not_blocked, defer_and_start, request_context
from bot.i18n import N_, NP_, _, pgettext
from bot.messages import components
from bot.messages.action_views import ActionScope, MenuOption
from engine.contract import MAX_PROMPT_CHARS, Phase, Sampler, strip_steps

_MENU: Final = "forkstep"
_MODAL: Final = "forkat"
_PROMPT, _NEGATIVE, _GUIDANCE, _SAMPLER = "prompt", "negative", "guidance", "sampler"
_MAX_NUMBER_CHARS: Final = 12
_MAX_SAMPLER_CHARS: Final = 30


async def show_steps(interaction: Interaction, job: Job, nth: int) -> None:
    """Start a job that shows frames of this picture, with a menu of its steps."""
    bot, context = services(interaction), request_context(interaction)
    picture = await bot.job_finder.picture(job, nth)
    plan = steps.plan(steps.StepsRequest(), await bot.planner.context(context, [picture]))
    await defer_and_start(interaction, await bot.job_service.submit(steps.KIND, plan, context))


async def ask_for_settings(interaction: Interaction, job: Job, step: int) -> None:
    """Respond to a choice in the menu with a modal of the settings at that step."""
    await check_not_blocked(interaction)
    picture = await _picture(interaction, job)
    context = await services(interaction).planner.context(request_context(interaction), [picture])
    recipe = picture.recipe.recipe
    samplers = fork.samplers(recipe, context)
    shown = fork.shown_phase(recipe, step)
    await interaction.response.send_modal(modal(job.id, step, shown, samplers))


async def on_modal_submit(interaction: Interaction, match: re.Match[str]) -> None:
    """Start a job of the forked picture."""
    bot, context = services(interaction), request_context(interaction)
    job = await bot.job_finder.by_button(match["job"])
    picture = await _picture(interaction, job)
    plan_context = await bot.planner.context(context, [picture])
    recipe, step = picture.recipe.recipe, int(match["nth"])
    request = fork.parse(
        step,
        fork.samplers(recipe, plan_context),
        prompt=components.submitted_text(interaction, _PROMPT),
        negative=components.submitted_text(interaction, _NEGATIVE),
        guidance=components.submitted_text(interaction, _GUIDANCE),
        sampler=components.submitted_text(interaction, _SAMPLER),
        shown=fork.shown_phase(recipe, step),
    )
    plan = fork.plan(request, plan_context)
    await defer_and_start(interaction, await bot.job_service.submit(fork.KIND, plan, context))


async def _picture(interaction: Interaction, job: Job) -> Picture:
    """The picture whose steps the job shows; its own copy if that one is gone."""
    bot = services(interaction)
    original = await bot.planner.original(job)
    return original or await bot.job_finder.picture(job, 1)


def modal(job_id: str, step: int, phase: Phase, samplers: Collection[Sampler]) -> discord.ui.Modal:
    """Asks for the settings from a step on; the model takes these samplers. Its custom id is its
    only state, so it also works after a restart."""
    custom_id = components.custom_id(_MODAL, job_id, step)
    form = discord.ui.Modal(
        title=pgettext("title", "On from step {step} with…").format(step=step), custom_id=custom_id
    )
    long = discord.TextStyle.paragraph
    for label, field in (
        (_("Prompt"), _field(_PROMPT, phase.prompt, MAX_PROMPT_CHARS, style=long)),
        (_("Negative prompt"), _field(_NEGATIVE, phase.negative, MAX_PROMPT_CHARS, style=long)),
        (
            _("Guidance, from 0 to 30"),
            _field(_GUIDANCE, fork.guidance_text(phase), _MAX_NUMBER_CHARS),
        ),
        (_("Sampler"), _field(_SAMPLER, phase.sampler.value, _MAX_SAMPLER_CHARS)),
    ):
        description = ", ".join(samplers) if label == _("Sampler") else None
        form.add_item(
            discord.ui.Label(text=label, description=_shortened(description), component=field)
        )
    form.stop()
    return form


def _field(
    custom_id: str,
    value: str,
    max_length: int,
    style: discord.TextStyle = discord.TextStyle.short,
) -> discord.ui.TextInput[discord.ui.Modal]:
    return discord.ui.TextInput(
        custom_id=custom_id,
        style=style,
        default=value or None,
        max_length=max_length,
        required=custom_id != _NEGATIVE and bool(value),  # a prompt may be empty
    )


def _shortened(text: str | None) -> str | None:
    """At most 100 characters, Discord's limit for the description of a field."""
    if text is None or len(text) <= 100:  # as the docstring says
        return text
    return f"{text[:99]}…"


def _options(job: Job) -> list[MenuOption]:
    recipe = job.recipes[0].recipe
    total = recipe.executed_steps
    return [
        MenuOption(step, _("After step {step} of {total}").format(step=step, total=total))
        for step in strip_steps(recipe, job.plan.capture.strip)
    ]


def _has_steps(picture: Picture) -> bool:
    return picture.unavailable_reason is None and picture.recipe.recipe.executed_steps > 1


exports: Final = Exports(
    actions=(
        Action(
            name="fork",
            label=NP_("button", "🕰 Fork"),
            summary=N_("Go back to one of its steps, and on with other settings"),
            scope=ActionScope.PICTURE,
            order=41,
            is_in_menu=True,
            is_on_picture=_has_steps,
            handler=show_steps,
        ),
        Action(
            name=_MENU,
            label=NP_("button", "Change from a step on…"),
            summary=N_("Below the steps of a picture: go on from one with other settings"),
            scope=ActionScope.JOB,
            menu=_options,
            handler=ask_for_settings,
        ),
    ),
    modals=(Component(components.job_pattern(_MODAL), on_modal_submit),),
)
