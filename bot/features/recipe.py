"""Show recipe and /recipe: the recipe of pictures, by a message or an id, or of a file."""

import io
import re
from collections.abc import Sequence
from typing import Final

import discord
from discord import app_commands

from bot.attachments import sanitize
from bot.context import Interaction, services
from bot.domain import recipe_offer, rules
from bot.domain.job import Job
from bot.domain.kinds import recipe
from bot.domain.picture import Picture
from bot.errors import Refused
from bot.features import message_result, picture_option
from bot.features.exports import Action, Component, Exports
from bot.features.places import everywhere
from bot.features.preferences import preferences_of
from bot.features.responses import (
    check_not_blocked,
    defer,
    defer_and_start,
    defer_privately,
    request_context,
)
from bot.i18n import N_, NP_, _, pgettext
from bot.messages import components, recipe_texts
from bot.messages.action_views import ActionScope
from engine.contract import Work
from engine.contract.metadata import Metadata

PAINT_ID: Final = f"{components.VERSION}:recipe:paint"
_ONE_OPTION: Final = N_(
    "Give either `picture`, an id or the link of a message, or `file`, with a recipe inside."
)
_FILE_SUFFIXES: Final = (".png", ".webp", ".jpg", ".jpeg")
_NO_RECIPE: Final = N_("That message shows no picture whose recipe I know.")


@app_commands.context_menu(name="Show recipe")
@everywhere
async def show(interaction: Interaction, message: discord.Message) -> None:
    """In the Apps menu of a message."""
    await check_not_blocked(interaction)
    result = await message_result.find(interaction, message)
    if result is not None:
        pictures = await services(interaction).job_finder.pictures(result)
        rules.check_not_removed(pictures)
        rules.check_any_finished(result.job, pictures)
        await _show_pictures(interaction, pictures)
        return
    uploads = [
        file for file in message.attachments if file.filename.lower().endswith(_FILE_SUFFIXES)
    ]
    if not uploads:
        raise Refused(_(_NO_RECIPE))
    await _show_upload(interaction, uploads[0])


@app_commands.command(
    name="recipe", description="Show the recipe of a picture, or read it from a file and paint it"
)
@app_commands.describe(
    picture="One of your latest pictures, the id of a picture or job, or the link of a message",
    file="A PNG, WebP or JPEG of this bot or of AUTOMATIC1111's web UI",
)
@app_commands.autocomplete(picture=picture_option.complete)
@everywhere
async def command(
    interaction: Interaction,
    picture: str | None = None,
    file: discord.Attachment | None = None,
) -> None:
    """The response is private."""
    await check_not_blocked(interaction)
    if (picture is None) == (file is None):
        raise Refused(_(_ONE_OPTION))
    if file is not None:
        await _show_upload(interaction, file)
    elif picture is not None:
        await _show_pictures(interaction, await picture_option.find_pictures(interaction, picture))


async def show_picture(interaction: Interaction, job: Job, nth: int) -> None:
    """📋 Recipe below a picture; the response is private."""
    await check_not_blocked(interaction)
    picture = await services(interaction).job_finder.picture(job, nth)
    rules.check_not_removed([picture])
    await _show_pictures(interaction, [picture])


async def _show_pictures(interaction: Interaction, pictures: Sequence[Picture]) -> None:
    recipes = [picture.recipe.recipe for picture in pictures]
    text = _describe(interaction, recipes, [picture.nth for picture in pictures])
    files = _files(recipes) if text.needs_file else []
    await interaction.response.send_message(text.content, files=files, ephemeral=True)


async def _show_upload(interaction: Interaction, upload: discord.Attachment) -> None:
    sanitize.check_size(upload.size)
    await defer_privately(interaction)
    metadata = await services(interaction).planner.uploaded_recipes.read_picture(upload.url)
    offer = await _offer(interaction, metadata)
    recipes = [recipe.recipe for recipe in offer.plan.recipes]
    text = _describe(interaction, recipes, range(1, len(recipes) + 1), offer.notes)
    paint = components.button(pgettext("button", "🎨 Paint"), PAINT_ID)
    await interaction.edit_original_response(
        content=text.content,
        attachments=_files(recipes),
        view=components.stateless_view([paint]),
    )


def _describe(
    interaction: Interaction,
    recipes: Sequence[Work],
    numbers: Sequence[int],
    notes: Sequence[str] = (),
) -> recipe_texts.RecipeText:
    """The /imagine in the text paints the recipes, whatever the user's settings are."""
    preferences = preferences_of(interaction)
    models = services(interaction).planner.models_for(preferences)
    return recipe_texts.describe(recipes, numbers, models, notes, preferences=preferences)


async def _offer(interaction: Interaction, metadata: Metadata) -> recipe_offer.Offer:
    context = await services(interaction).planner.context(request_context(interaction))
    images = await services(interaction).planner.uploaded_recipes.existing_images(
        metadata.recipes, interaction.user.id
    )
    return recipe_offer.offer(metadata, context, images)


def _files(recipes: Sequence[Work]) -> list[discord.File]:
    data = recipe_texts.recipe_file(recipes)
    return [discord.File(io.BytesIO(data), recipe_texts.FILE_NAME)]


async def paint(interaction: Interaction, match: re.Match[str]) -> None:
    """Paint the recipes in the file of the message, which is the only state of the button.

    They are checked as those of any file.
    """
    message, bot = interaction.message, services(interaction)
    files = [] if message is None else message.attachments
    urls = [file.url for file in files if file.filename == recipe_texts.FILE_NAME]
    if not urls:
        raise Refused(_("The recipe of this message is gone. Use /recipe again."))
    context = request_context(interaction)
    message_id = await defer(interaction)  # first: Discord waits 3 seconds, the download may last
    if message_id is None:
        return
    recipes = await bot.planner.uploaded_recipes.read_recipes(urls[0])
    images = await bot.planner.uploaded_recipes.existing_images(recipes, interaction.user.id)
    request = recipe.RecipeRequest(recipes=recipes, images=frozenset(images))
    plan = recipe.plan(request, await bot.planner.context(context))
    job = await bot.job_service.submit(recipe.KIND, plan, context)
    await defer_and_start(interaction, job, message_id)


exports: Final = Exports(
    commands=(show, command),
    actions=(
        Action(
            name="recipeof",
            label=NP_("button", "📋 Recipe"),
            summary=N_("Its prompt, seed and settings, to copy"),
            scope=ActionScope.PICTURE,
            order=43,
            is_on_picture=lambda _: True,
            is_in_menu=True,
            handler=show_picture,
        ),
    ),
    components=(Component(re.escape(PAINT_ID), paint),),
)
