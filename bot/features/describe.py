"""/describe and Describe: say what a picture shows, with buttons that paint it."""

import io
import re
from typing import Final

import discord
from discord import app_commands

from bot.attachments import sanitize
from bot.context import Interaction, services
from bot.domain.job import Job
from bot.domain.job_input import InputRole, PlanInput, picture_url
from bot.domain.repainting import only_parent
from bot.errors import Refused
from bot.features import message_pictures, message_result
from bot.features.changing import ask_which_picture, check_form, picture_to_change, start
from bot.features.exports import Action, Component, Exports
from bot.features.imagining import TypedRequest, planned
from bot.features.permissions import is_moderator
from bot.features.places import everywhere
from bot.features.responses import defer, defer_privately, language_of_place, request_context
from bot.i18n import N_, NP_, _, current_language, in_language, pgettext
from bot.messages import components, descriptions
from bot.messages.action_views import ActionScope
from bot.messages.descriptions import Buttons

MENU: Final = "describemenu"
"""Part of the custom ids of the menus in which the picture is chosen."""
_NTH_BUTTON: Final = f"{components.VERSION}:describenth"
_QUESTION: Final = N_("Describe which picture?")
_NO_PICTURE: Final = N_("There is no picture in this message that I could describe.")
_FOREIGN: Final = N_(
    "This picture is on another website, from which I load nothing. Save it, and give it to "
    "/describe."
)
_GONE: Final = N_("This description is gone. Use /describe again.")
_NOT_YOURS: Final = N_("Only the user who asked for this and moderators can delete it.")


@app_commands.command(name="describe", description="Say what a picture shows, to paint it")
@app_commands.describe(
    picture="The picture: PNG, JPEG, WebP, AVIF, GIF, BMP or TIFF, up to 10 MiB",
    private="Show it to you alone, and what you paint from it",
)
@everywhere
async def command(
    interaction: Interaction, picture: discord.Attachment, private: bool = False
) -> None:
    """The answer is public, so that others can paint what it says."""
    sanitize.check_size(picture.size)
    await _describe(interaction, picture.url, is_public=not private, paints_in_private=private)


@app_commands.context_menu(name="Describe")
@everywhere
async def menu_command(interaction: Interaction, message: discord.Message) -> None:
    """In the Apps menu of a message of anybody; of several pictures, the user chooses one. The
    answer is private."""
    result = await message_result.find(interaction, message)
    if result is not None:
        await ask_which_picture(
            interaction,
            result,
            describe_picture,
            menu=MENU,
            placeholder=pgettext("placeholder", "Describe…"),
            question=_(_QUESTION),
            refusal=_(_NO_PICTURE),
        )
        return
    urls = message_pictures.urls_in(interaction, message, none=_(_NO_PICTURE), foreign=_(_FOREIGN))
    if len(urls) == 1:
        await _describe(interaction, urls[0])
    else:
        await message_pictures.offer(interaction, _(_QUESTION), urls, offer_view(len(urls)))


async def describe_picture(interaction: Interaction, job: Job, nth: int) -> None:
    """Describe this picture of a job in private; what is painted is private if the job is."""
    context = await picture_to_change(interaction, job, nth)
    url = picture_url(only_parent(context).id)
    await _describe(interaction, url, paints_in_private=job.plan.is_private)


def offer_view(count: int) -> discord.ui.View:
    """A button for each of so many pictures, up to ten."""
    return components.stateless_view(
        components.button(
            _("Picture {nth}").format(nth=nth + 1), f"{_NTH_BUTTON}:{nth}", row=nth // 5
        )
        for nth in range(count)
    )


async def describe_nth(interaction: Interaction, match: "re.Match[str]") -> None:
    """Describe the nth picture of a message that offers several."""
    url = message_pictures.offered_url(interaction, int(match["nth"]), gone=_(_GONE))
    await _describe(interaction, url)


async def _describe(
    interaction: Interaction, url: str, *, is_public: bool = False, paints_in_private: bool = False
) -> None:
    """Respond with what the picture at this address shows."""
    await check_form(interaction)
    describer = services(interaction).describer
    describer.check_installed()
    if not is_public:
        await defer_privately(interaction)
    elif await defer(interaction) is None:
        return
    picture = PlanInput(role=InputRole.PICTURE, url=url)
    description = await describer.describe(picture, request_context(interaction))
    texts, width, height, thumbnail, limits = description
    buttons = Buttons(
        len(texts), width, height, interaction.user.id, paints_in_private, has_delete=is_public
    )
    file = discord.File(io.BytesIO(thumbnail), descriptions.FILE_NAME, description=texts[0])
    with in_language(language_of_place(interaction) if is_public else current_language()):
        await interaction.edit_original_response(
            embed=descriptions.embed(texts, limits),
            attachments=[file],
            view=descriptions.view(buttons),
        )


async def paint(interaction: Interaction, match: "re.Match[str]") -> None:
    """Start a job of what the message says, by whoever presses the button."""
    text = descriptions.text_of(interaction.message, match)
    if not text:
        raise Refused(_(_GONE))
    values = {
        "prompt": text,
        "aspect": match["aspect"],
        "private": match["private"] is not None,
    }
    kind, plan, _context = await planned(interaction, TypedRequest(values, {}))
    await start(interaction, kind, plan)


async def delete(interaction: Interaction, match: "re.Match[str]") -> None:
    """Delete a public answer, for the user who asked and for moderators."""
    if str(interaction.user.id) != match["user"] and not is_moderator(interaction):
        raise Refused(_(_NOT_YOURS))
    await interaction.response.defer()
    await interaction.delete_original_response()


exports: Final = Exports(
    commands=(command, menu_command),
    actions=(
        Action(
            name=MENU,
            label=NP_("button", "Describe…"),
            scope=ActionScope.PICTURE,
            handler=describe_picture,
        ),
    ),
    components=(
        Component(rf"{_NTH_BUTTON}:(?P<nth>[0-9])", describe_nth),
        Component(descriptions.PAINT_PATTERN, paint),
        Component(descriptions.DELETE_PATTERN, delete),
    ),
)
