"""🎬 Film: paint a picture again, and show its steps as a video."""

from typing import Final

import discord
from discord import app_commands

from bot.context import Interaction, services
from bot.domain import rules
from bot.domain.job import Job
from bot.domain.kinds import film
from bot.domain.picture import Picture
from bot.errors import Refused
from bot.features import message_result
from bot.features.exports import Action, Exports
from bot.features.places import everywhere
from bot.features.responses import (
    check_not_blocked,
    defer_and_start,
    request_context,
)
from bot.i18n import N_, NP_, _
from bot.messages.action_views import ActionScope, picture_menu_view

ACTION: Final = "film"
MENU: Final = "filmof"
"""Part of the custom ids of the menus in which the picture is chosen."""
_NO_PICTURE: Final = N_(
    "I find no picture of mine in this message. Use Film where the picture was "
    "painted, not on a copy."
)


async def film_picture(interaction: Interaction, job: Job, nth: int) -> None:
    """Start a job that shows a film of this picture."""
    await _start(interaction, await services(interaction).job_finder.picture(job, nth))


async def _start(interaction: Interaction, picture: Picture) -> None:
    context = request_context(interaction)
    plan_context = await services(interaction).planner.context(context, [picture])
    limit = services(interaction).message_client.upload_limits.limit(context.target)
    plan = film.plan(film.FilmRequest(max_bytes=limit), plan_context)
    job = await services(interaction).job_service.submit(film.KIND, plan, context)
    await defer_and_start(interaction, job)


@app_commands.context_menu(name="Film")
@everywhere
async def command(interaction: Interaction, message: discord.Message) -> None:
    """In the Apps menu of a message; of several pictures, the user chooses one."""
    await check_not_blocked(interaction)
    result = await message_result.find(interaction, message)
    if result is None:
        raise Refused(_NO_PICTURE)
    pictures = await services(interaction).job_finder.pictures(result)
    rules.check_not_removed(pictures)
    rules.check_any_finished(result.job, pictures)
    if len(pictures) == 1:
        await _start(interaction, pictures[0])
        return
    numbers = [picture.nth for picture in pictures if picture.unavailable_reason is None]
    if not numbers:
        raise Refused(_("This message shows no picture that a film could be made of."))
    view = picture_menu_view(MENU, result.job, numbers, _("Film of…"))
    await interaction.response.send_message(
        _("A film of which picture?"), view=view, ephemeral=True
    )


exports: Final = Exports(
    commands=(command,),
    actions=(
        Action(
            name=ACTION,
            label=NP_("button", "🎬 Film"),
            summary=N_("A video of how it emerged from noise"),
            scope=ActionScope.PICTURE,
            order=40,
            is_in_menu=True,
            is_on_picture=lambda picture: picture.unavailable_reason is None,
            handler=film_picture,
        ),
        Action(
            name=MENU,
            label=NP_("button", "Film of…"),
            scope=ActionScope.PICTURE,
            handler=film_picture,
        ),
    ),
)
