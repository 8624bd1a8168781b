"""✏️ Edit: change a picture by an instruction, from its button, the Apps menu or /edit."""

import re
from collections.abc import Sequence
from typing import Final

import discord
from discord import app_commands

from bot.attachments import sanitize
from bot.context import Interaction, services
from bot.domain.job import Job
from bot.domain.kinds import edit
from bot.domain.numbers import parse_number
from bot.domain.plan import PlanContext
from bot.domain.preferred_plan import preferred_plan
from bot.errors import Refused
from bot.features import message_result, model_option, typed_options
from bot.features.changing import (
    ask_which_picture,
    check_form,
    is_changeable,
    picture_to_change,
    start,
)
from bot.features.exports import Action, Component, Exports
from bot.features.imagine import Count, Guidance, PromptText, Seed, Steps
from bot.features.places import everywhere
from bot.features.responses import check_not_blocked, request_context
from bot.i18n import N_, NP_, _, pgettext
from bot.messages import components
from bot.messages.action_views import ActionScope
from engine.contract import MAX_GUIDANCE, MAX_PROMPT_CHARS

MENU: Final = "editof"
"""Part of the custom ids of the menus in which the picture is chosen."""
_MODAL: Final = "editby"
_UPLOAD_MODAL: Final = f"{components.VERSION}:edituploadby"
_UPLOAD_BUTTON: Final = f"{components.VERSION}:editupload"
_INSTRUCTION, _IMAGE_GUIDANCE = "instruction", "keep"
_MAX_NUMBER_CHARS: Final = 12
_MAX_UPLOADS: Final = 10
"""Of a message."""
_NO_PICTURE: Final = N_("There is no picture in this message that I could edit.")
_GONE: Final = N_("The picture of this message is gone. Use Edit… in the Apps menu again.")
ImageGuidance = app_commands.Range[float, 0.0, MAX_GUIDANCE]


@app_commands.command(name="edit", description="Change a picture by an instruction")
@app_commands.describe(
    picture="The picture: PNG, JPEG, WebP, AVIF, GIF, BMP or TIFF, up to 10 MiB",
    instruction="What to change, such as: make it night",
    keep="How closely to keep the picture; more keeps more of it",
    negative="What the pictures should not show",
    guidance="How closely to follow the instruction",
    seed="The same seed and options make the same pictures again; -1 is any seed",
    steps="More steps give finer pictures and take longer",
    count="How many pictures to make",
    model="The model that edits",
)
@app_commands.autocomplete(model=model_option.autocomplete_editors)
@everywhere
async def command(
    interaction: Interaction,
    picture: discord.Attachment,
    instruction: PromptText,
    keep: ImageGuidance | None = None,
    negative: PromptText | None = None,
    guidance: Guidance | None = None,
    seed: Seed | None = None,
    steps: Steps | None = None,
    count: Count | None = None,
    model: str | None = None,
) -> None:
    """`typed_options` reads the other options, which these parameters declare."""
    typed = typed_options.read(interaction, prompt_option="instruction")
    context = await services(interaction).planner.context(request_context(interaction))
    request = edit.EditRequest(
        options=typed.imagine_options(),
        image_guidance=keep,
        picture_url=picture.url,
        notes=typed.notes,
    )
    await _start(interaction, request, context)


@app_commands.context_menu(name="Edit…")
@everywhere
async def menu_command(interaction: Interaction, message: discord.Message) -> None:
    """In the Apps menu of a message; of several pictures, the user chooses one."""
    await check_form(interaction)
    result = await message_result.find(interaction, message)
    if result is not None:
        await ask_which_picture(
            interaction,
            result,
            ask,
            menu=MENU,
            placeholder=pgettext("placeholder", "Edit…"),
            question=_("Edit which picture?"),
            refusal=_NO_PICTURE,
        )
        return
    await _offer_uploads(interaction, message.attachments)


async def ask(interaction: Interaction, job: Job, nth: int) -> None:
    """Respond with a modal: what to change in this picture."""
    await check_form(interaction)
    context = await picture_to_change(interaction, job, nth)
    image_guidance = edit.editor(context).image_guidance
    await interaction.response.send_modal(modal(custom_id(job.id, nth), image_guidance))


def custom_id(job_id: str, nth: int) -> str:
    """The custom id of the modal about a picture of a job."""
    return components.custom_id(_MODAL, job_id, nth)


def upload_custom_id(nth: int) -> str:
    """The custom id of the modal about an upload, numbered from 0 in the message that shows it."""
    return f"{_UPLOAD_MODAL}:{nth}"


def modal(custom_id: str, image_guidance: float) -> discord.ui.Modal:
    """Asks what to change. Its custom id, and the message that it was opened from, are its only
    state, so it also works after a restart."""
    form = discord.ui.Modal(title=pgettext("title", "Edit the picture"), custom_id=custom_id)
    instruction = discord.ui.TextInput[discord.ui.Modal](
        custom_id=_INSTRUCTION,
        style=discord.TextStyle.paragraph,
        placeholder=pgettext("label description", "make it night"),
        max_length=MAX_PROMPT_CHARS,
    )
    keep = discord.ui.TextInput[discord.ui.Modal](
        custom_id=_IMAGE_GUIDANCE,
        default=f"{image_guidance:g}",
        max_length=_MAX_NUMBER_CHARS,
    )
    form.add_item(discord.ui.Label(text=pgettext("label", "What to change"), component=instruction))
    form.add_item(
        discord.ui.Label(
            text=pgettext("label", "How closely to keep the picture"),
            description=pgettext("label description", "More keeps more of it, and changes less"),
            component=keep,
        )
    )
    form.stop()
    return form


def _request(interaction: Interaction, picture_url: str | None = None) -> edit.EditRequest:
    """What a submitted modal asks for."""
    keep = components.submitted_text(interaction, _IMAGE_GUIDANCE)
    return edit.EditRequest(
        options=edit.instruction(components.submitted_text(interaction, _INSTRUCTION)),
        image_guidance=parse_number(keep, _("image guidance"), MAX_GUIDANCE),
        picture_url=picture_url,
    )


async def on_modal_submit(interaction: Interaction, match: re.Match[str]) -> None:
    """Start a job of the edited picture."""
    job = await services(interaction).job_finder.by_button(match["job"])
    context = await picture_to_change(interaction, job, int(match["nth"]))
    await _start(interaction, _request(interaction), context)


# Uploads of users


async def _offer_uploads(
    interaction: Interaction, attachments: Sequence[discord.Attachment]
) -> None:
    """Show the pictures in private, each with a button; this message is the state of the form."""
    uploads = [item for item in attachments if (item.content_type or "").startswith("image/")]
    if not uploads:
        raise Refused(_NO_PICTURE)
    context = await services(interaction).planner.context(request_context(interaction))
    edit.editor(context)
    for upload in uploads:
        sanitize.check_size(upload.size)
    await interaction.response.send_message(
        _("Edit this picture?") if len(uploads) == 1 else _("Edit which picture?"),
        embeds=[discord.Embed().set_image(url=upload.url) for upload in uploads[:_MAX_UPLOADS]],
        view=upload_view(len(uploads[:_MAX_UPLOADS])),
        ephemeral=True,
    )


def upload_view(count: int) -> discord.ui.View:
    """A button for each of so many pictures."""
    labels = (
        [_("✏️ Edit…")]
        if count == 1
        else [_("✏️ Edit {nth}").format(nth=nth + 1) for nth in range(count)]
    )
    return components.stateless_view(
        components.button(label, f"{_UPLOAD_BUTTON}:{nth}", row=nth // 5)
        for nth, label in enumerate(labels)
    )


async def ask_about_upload(interaction: Interaction, match: re.Match[str]) -> None:
    """Respond with a modal: what to change in the upload of this number."""
    await check_not_blocked(interaction)
    context = await services(interaction).planner.context(request_context(interaction))
    image_guidance = edit.editor(context).image_guidance
    form = modal(upload_custom_id(int(match["nth"])), image_guidance)
    await interaction.response.send_modal(form)


async def on_upload_modal_submit(interaction: Interaction, match: re.Match[str]) -> None:
    """Start a job of the edited upload."""
    embeds = [] if interaction.message is None else interaction.message.embeds
    urls = [embed.image.url for embed in embeds if embed.image.url]
    nth = int(match["nth"])
    if nth >= len(urls):
        raise Refused(_(_GONE))
    context = await services(interaction).planner.context(request_context(interaction))
    await _start(interaction, _request(interaction, urls[nth]), context)


async def _start(interaction: Interaction, request: edit.EditRequest, context: PlanContext) -> None:
    plan = preferred_plan(edit.plan, request, context, edit.with_preference)
    await start(interaction, edit.KIND, plan)


exports: Final = Exports(
    commands=(command, menu_command),
    actions=(
        Action(
            name="edit",
            label=NP_("button", "✏️ Edit…"),
            summary=N_("Say what to change, as in: make it night"),
            scope=ActionScope.PICTURE,
            order=30,
            is_on_picture=is_changeable,
            is_in_menu=True,
            handler=ask,
        ),
        Action(name=MENU, label=NP_("button", "Edit…"), scope=ActionScope.PICTURE, handler=ask),
    ),
    components=(Component(rf"{_UPLOAD_BUTTON}:(?P<nth>[0-9])", ask_about_upload),),
    modals=(
        Component(components.job_pattern(_MODAL), on_modal_submit),
        Component(rf"{_UPLOAD_MODAL}:(?P<nth>[0-9])", on_upload_modal_submit),
    ),
)
