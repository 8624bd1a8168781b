"""Use as sketch, in the Apps menu of messages: paint over a picture, or follow its lines."""

import io
import re
from typing import Final

import discord
from discord import app_commands

from bot.context import Interaction, services
from bot.domain import prompt_flags, rules, sketches, steering
from bot.domain.job import Job
from bot.domain.job_input import picture_url
from bot.domain.kinds import imagine
from bot.domain.kinds.imagine import ImagineOptions, ImagineRequest, parse
from bot.domain.plan import Plan, PlanContext
from bot.domain.preferred_plan import preferred_plan
from bot.domain.repainting import only_parent, words_of
from bot.domain.restoration import Requester
from bot.domain.sketches import LINES
from bot.errors import BotError, Refused
from bot.features import message_pictures, message_result
from bot.features.changing import (
    ask_which_picture,
    check_form,
    picture_to_change,
    start,
    start_once,
)
from bot.features.exports import Action, Component, Exports
from bot.features.places import everywhere
from bot.features.preferences import preferences_of
from bot.features.responses import (
    check_not_blocked,
    defer_privately,
    request_context,
)
from bot.i18n import N_, NP_, _, from_english, pgettext
from bot.messages import components, sketch_forms
from bot.messages.action_views import ActionScope
from bot.messages.sketch_forms import OWN_ASPECT, SketchPreview

MENU: Final = "sketchmenu"
"""Part of the custom ids of the menus in which the picture is chosen."""
_MODAL: Final = "sketchof"
_NTH_MODAL: Final = f"{components.VERSION}:sketchnthby"
_NTH_BUTTON: Final = f"{components.VERSION}:sketchnth"
_QUESTION: Final = N_("Use which picture as a sketch?")
_NO_PICTURE: Final = N_("There is no picture in this message that I could use as a sketch.")
_FOREIGN: Final = N_(
    "This picture is on another website, from which I load nothing. Save it, send it "
    "here as a file, and use that as a sketch."
)
_GONE: Final = N_(
    "The sketch of this message is gone. Choose Use as sketch in the Apps menu again."
)


@app_commands.context_menu(name="Use as sketch")
@everywhere
async def menu_command(interaction: Interaction, message: discord.Message) -> None:
    """In the Apps menu of a message of anybody; of several pictures, the user chooses one."""
    await check_form(interaction)
    result = await message_result.find(interaction, message)
    if result is not None:
        await ask_which_picture(
            interaction,
            result,
            ask,
            menu=MENU,
            placeholder=pgettext("placeholder", "Use as sketch…"),
            question=_(_QUESTION),
            refusal=_NO_PICTURE,
        )
        return
    urls = message_pictures.urls_in(interaction, message, none=_(_NO_PICTURE), foreign=_(_FOREIGN))
    custom_id = sketch_forms.address_custom_id(urls[0]) if len(urls) == 1 else None
    if custom_id is None:
        question = _("Use this picture as a sketch?") if len(urls) == 1 else _(_QUESTION)
        await message_pictures.offer(interaction, question, urls, offer_view(len(urls)))
    else:
        await _send_modal(interaction, custom_id)


async def ask(interaction: Interaction, job: Job, nth: int) -> None:
    """Respond with a modal: what to paint over this picture of a job."""
    await check_form(interaction)
    context = await picture_to_change(interaction, job, nth)
    await _send_modal(interaction, components.custom_id(_MODAL, job.id, nth), words_of(context))


async def _send_modal(interaction: Interaction, custom_id: str, words: str = "") -> None:
    models = services(interaction).planner.models_for(preferences_of(interaction))
    can_follow_lines = steering.can_follow_lines(models[0])
    form = sketch_forms.modal(custom_id, words, can_follow_lines=can_follow_lines)
    await interaction.response.send_modal(form)


# Several pictures of a message


def offer_view(count: int) -> discord.ui.View:
    """A button for each of so many pictures, up to ten."""
    labels = [_("Picture {nth}").format(nth=nth) for nth in range(1, count + 1)]
    if count == 1:
        labels = [_("Use as sketch…")]
    return components.stateless_view(
        [
            components.button(label, f"{_NTH_BUTTON}:{nth}", row=nth // 5)
            for nth, label in enumerate(labels)
        ]
    )


def modal_ids(job_id: str, nth: int) -> list[str]:
    """The custom ids of the forms about a picture of a job and about the last one of a message."""
    return [
        components.custom_id(_MODAL, job_id, nth),
        f"{_NTH_MODAL}:{message_pictures.MAX_PICTURES - 1}",
    ]


async def ask_about_nth(interaction: Interaction, match: re.Match[str]) -> None:
    """Respond with a modal about the nth picture of a message that offers several."""
    await check_form(interaction)
    await _send_modal(interaction, f"{_NTH_MODAL}:{match['nth']}")


# Forms


async def on_picture_submit(interaction: Interaction, match: re.Match[str]) -> None:
    """The form about a picture of a job."""
    await _on_submit(interaction, picture=(match["job"], int(match["nth"])))


async def on_address_submit(interaction: Interaction, match: re.Match[str]) -> None:
    """The form about the only picture of a message."""
    await _on_submit(interaction, url=sketch_forms.address_of(match))


async def on_nth_submit(interaction: Interaction, match: re.Match[str]) -> None:
    """The form about one of several pictures of a message."""
    embeds = [] if interaction.message is None else interaction.message.embeds
    urls = [embed.image.url for embed in embeds if embed.image.url]
    nth = int(match["nth"])
    if nth >= len(urls):
        raise Refused(_(_GONE))
    await _on_submit(interaction, url=urls[nth])


async def _on_submit(
    interaction: Interaction, *, url: str | None = None, picture: tuple[str, int] | None = None
) -> None:
    sketch = SketchPreview(
        prompt=rules.strip_invisible(components.submitted_text(interaction, sketch_forms.PROMPT)),
        settings=sketch_forms.submitted_settings(interaction),
        size=(0, 0),
        url=url,
        picture=picture,
    )
    await check_not_blocked(interaction)  # a preview is no job, which would be refused
    plan = await _plan(interaction, sketch)
    is_preview = components.submitted_text(interaction, sketch_forms.FIRST) == sketch_forms.PREVIEW
    if is_preview:
        await defer_privately(interaction)
        await _show(interaction, sketch, plan)
    else:
        await start(interaction, imagine.KIND, plan)


async def _plan(interaction: Interaction, sketch: SketchPreview) -> Plan:
    """The plan of a job that paints over a sketch. Raises Refused, with a sentence for the user."""
    if sketch.picture is None:
        context = await services(interaction).planner.context(request_context(interaction))
        url = sketch.url or ""
    else:
        job_id, nth = sketch.picture
        job = await services(interaction).job_finder.by_button(job_id)
        context = await picture_to_change(interaction, job, nth)
        url = picture_url(only_parent(context).id)
    request = _request(sketch, url, context)
    return preferred_plan(imagine.plan, request, context, imagine.with_preference)


def _request(sketch: SketchPreview, url: str, context: PlanContext) -> ImagineRequest:
    settings = sketch.settings
    if settings.strength not in (LINES, *sketches.STRENGTHS):
        raise Refused(
            _("There is no strength “{strength}”. Choose one of: {names}.").format(
                strength=settings.strength[:50], names=", ".join(sketches.STRENGTHS)
            )
        )
    mode, strength = steering.FOLLOW_LINES, None
    if settings.strength != LINES:
        mode = steering.PAINT_OVER
        strength = sketches.strength_of(settings.strength, context.models[0])
    preview_options: dict[str, object] = {"mode": mode, "strength": strength, "fit": settings.fit}
    if settings.aspect != OWN_ASPECT:
        preview_options["aspect"] = settings.aspect
    flagged = prompt_flags.read(sketch.prompt, ImagineOptions.__struct_fields__)
    values, notes = prompt_flags.merged(preview_options, flagged)
    options = parse(**{**values, "prompt": steering.words(flagged.prompt)})
    return ImagineRequest(options=options, sketch_url=url, notes=notes)


# Previews


async def _show(interaction: Interaction, sketch: SketchPreview, plan: Plan) -> None:
    """Show what the model will see in the private response, which was deferred."""
    requester = Requester(user_id=interaction.user.id, guild_id=interaction.guild_id)
    image = await services(interaction).inputs.preview(plan, requester)
    preview = sketch._replace(size=(image.width, image.height))
    await interaction.edit_original_response(
        embed=sketch_forms.preview_embed(preview),
        attachments=[discord.File(io.BytesIO(image.png), sketch_forms.FILE_NAME)],
        view=sketch_forms.preview_view(preview),
    )


def _sketch_of(interaction: Interaction, match: re.Match[str]) -> SketchPreview:
    """The sketch of the preview of this interaction. Raises Refused if it is gone."""
    texts = sketch_forms.shown_preview(interaction.message)
    picture = (match["job"], int(match["nth"])) if match["job"] else None
    if texts is None or (texts[1] is None and picture is None):
        raise Refused(_(_GONE))
    prompt, url = texts
    settings = sketch_forms.settings_of(match)
    return SketchPreview(prompt, settings, (0, 0), url if picture is None else None, picture)


async def show_other_fit(interaction: Interaction, match: re.Match[str]) -> None:
    """Change the preview to another fit; it stays as it is if that is not possible."""
    await check_not_blocked(interaction)
    sketch = _sketch_of(interaction, match)
    plan = await _plan(interaction, sketch)
    await interaction.response.defer()
    try:
        await _show(interaction, sketch, plan)
    except BotError as error:
        await interaction.followup.send(from_english(str(error)), ephemeral=True)


async def paint(interaction: Interaction, match: re.Match[str]) -> None:
    """Start the job of the preview, once for each fit, and again if it ended without pictures."""
    sketch = _sketch_of(interaction, match)
    plan = await _plan(interaction, sketch)
    await start_once(interaction, imagine.KIND, plan, "sketch", match["fit"])


exports: Final = Exports(
    commands=(menu_command,),
    actions=(
        Action(
            name=MENU, label=NP_("button", "Use as sketch…"), scope=ActionScope.PICTURE, handler=ask
        ),
    ),
    components=(
        Component(rf"{_NTH_BUTTON}:(?P<nth>[0-9])", ask_about_nth),
        Component(sketch_forms.PAINT_PATTERN, paint),
        Component(sketch_forms.REFIT_PATTERN, show_other_fit),
    ),
    modals=(
        Component(components.job_pattern(_MODAL), on_picture_submit),
        Component(rf"{_NTH_MODAL}:(?P<nth>[0-9])", on_nth_submit),
        Component(sketch_forms.ADDRESS_PATTERN, on_address_submit),
    ),
)
