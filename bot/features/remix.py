"""✏️ Remix: paint a result or a picture again with other words or settings, from a form."""

import re
from collections.abc import Sequence
from typing import Final

import discord
import msgspec
from discord import app_commands

from bot.context import Interaction, services
from bot.domain import rules
from bot.domain.job import Job, ShownJob
from bot.domain.kinds import remix
from bot.domain.kinds.remix import Noise, RemixRequest
from bot.domain.model_names import short_names
from bot.domain.plan import PlanContext
from bot.domain.remix_form import FormTexts
from bot.errors import Refused
from bot.features import message_result
from bot.features.changing import check_form
from bot.features.exports import Action, Component, Exports
from bot.features.places import everywhere
from bot.features.responses import check_not_blocked, defer_and_start, request_context
from bot.i18n import N_, NP_, _, pgettext
from bot.messages import components, remix_forms
from bot.messages.action_views import ActionScope
from engine.contract import Edit, Inpaint, ModelCard, Outpaint

_FORM, _REOPEN = "remix", "reopen"
"""Before the noise in custom ids."""
_GONE: Final = N_("What you had typed is gone. Press ✏️ Remix again.")


@app_commands.context_menu(name="Remix ✏️")
@everywhere
async def menu_command(interaction: Interaction, message: discord.Message) -> None:
    """In the Apps menu of a message, also of an old one without the button."""
    result = await message_result.find(interaction, message)
    if result is None:
        raise Refused(_(remix.NO_PICTURE))
    await ask(interaction, result.job, result.nth or 0)


async def ask(interaction: Interaction, job: Job, nth: int, noise: Noise = Noise.SAME) -> None:
    """Respond with the form about this picture, or about all of the job."""
    await check_form(interaction)
    request = await request_of(interaction, job, nth, noise)
    context = await context_of(interaction, job, nth)
    texts = remix.shown_texts(request, context)
    await interaction.response.send_modal(_modal(job, nth, noise, texts, context))


async def request_of(
    interaction: Interaction, job: Job, nth: int, noise: Noise, texts: FormTexts | None = None
) -> RemixRequest:
    """A request about this picture, or about all of the job."""
    edges = await services(interaction).planner.edges(job)
    return RemixRequest(texts=texts or FormTexts(), noise=noise, words=job.plan.prompt, edges=edges)


async def context_of(interaction: Interaction, job: Job, nth: int) -> PlanContext:
    """The context of a request whose parents are this picture, or all of the job.

    Raises Refused, with a sentence for the user.
    """
    finder = services(interaction).job_finder
    if nth:
        pictures = [await finder.picture(job, nth)]
    else:
        pictures = await finder.pictures(ShownJob(job, None))
        rules.check_any_finished(job, pictures)
    return await services(interaction).planner.context(request_context(interaction), pictures)


def form_id(job_id: str, nth: int, noise: Noise) -> str:
    """The custom id of the form about a picture, or about all of a job."""
    return components.custom_id(f"{_FORM}{noise}", job_id, nth)


def correction_view(job_id: str, nth: int, noise: Noise) -> discord.ui.View:
    """The button that opens a form again, below what was typed."""
    custom_id = components.custom_id(f"{_REOPEN}{noise}", job_id, nth)
    return components.stateless_view(
        [components.button(pgettext("button", "✏️ Correct it"), custom_id)]
    )


def _pattern(prefix: str) -> str:
    return components.job_pattern("|".join(f"{prefix}{noise}" for noise in Noise))


def _modal(
    job: Job, nth: int, noise: Noise, texts: FormTexts, context: PlanContext
) -> discord.ui.Modal:
    source, names = context.parents[0].recipe.recipe.source, short_names(context.models)
    is_edit = isinstance(source, Edit)
    return remix_forms.modal(
        form_id(job.id, nth, noise),
        texts,
        models=[name for name, card in names.items() if card.is_editor is is_edit],
        samplers=_card(context).samplers,
        has_shape=not isinstance(source, Inpaint | Outpaint),
    )


def _card(context: PlanContext) -> ModelCard:
    """The model of the first picture, if it is offered, else the default."""
    recipe = context.parents[0].recipe.recipe
    own = [card for card in context.models if card.name == recipe.model]
    return (own or list(context.models))[0]


async def on_submit(interaction: Interaction, match: re.Match[str]) -> None:
    """Start a job of what the form says; if it is refused, nothing that was typed is lost."""
    texts = remix_forms.submitted(interaction)
    noise, nth = Noise(match["action"].removeprefix(_FORM)), int(match["nth"])
    try:
        job = await services(interaction).job_finder.by_button(match["job"])
        request = await request_of(interaction, job, nth, noise, texts)
        plan = remix.plan(request, await context_of(interaction, job, nth))
        context = request_context(interaction)
        remixed = await services(interaction).job_service.submit(remix.KIND, plan, context)
    except Refused as error:
        await interaction.response.send_message(
            str(error),
            embed=remix_forms.typed(texts),
            view=correction_view(match["job"], nth, noise),
            ephemeral=True,
        )
        return
    await defer_and_start(interaction, remixed)


async def reopen(interaction: Interaction, match: re.Match[str]) -> None:
    """Respond with the form as it was submitted: the message with the button has its texts."""
    await check_not_blocked(interaction)
    embeds: Sequence[discord.Embed] = interaction.message.embeds if interaction.message else ()
    if not embeds:
        raise Refused(_GONE)
    job = await services(interaction).job_finder.by_button(match["job"])
    noise, nth = Noise(match["action"].removeprefix(_REOPEN)), int(match["nth"])
    context = await context_of(interaction, job, nth)
    request = await request_of(interaction, job, nth, noise)
    defaults, texts = remix.shown_texts(request, context), remix_forms.texts_of(embeds[0])
    texts = msgspec.structs.replace(
        texts, sampler=texts.sampler or defaults.sampler, model=texts.model or defaults.model
    )
    await interaction.response.send_modal(_modal(job, nth, noise, texts, context))


exports: Final = Exports(
    commands=(menu_command,),
    actions=(
        Action(
            name="remix",
            label=NP_("button", "✏️ Remix"),
            short_label="✏️",
            summary=N_("Paint it again with other words or settings, from a form"),
            scope=ActionScope.JOB,
            order=12,
            is_added_to_result=lambda _: True,
            is_on_picture=lambda _: True,
            handler=ask,
        ),
    ),
    components=(Component(_pattern(_REOPEN), reopen),),
    modals=(Component(_pattern(_FORM), on_submit),),
)
