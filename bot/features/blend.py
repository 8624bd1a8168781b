"""/blend: mix two to five pictures."""

from typing import Final

import discord
from discord import app_commands

from bot.context import Interaction, services
from bot.domain.kinds import blend
from bot.domain.preferred_plan import preferred_plan
from bot.features import loras_option, model_option, styles_option, typed_options
from bot.features.changing import start
from bot.features.exports import Exports
from bot.features.imagine import Count, LorasText, PromptText, Seed, StylesText
from bot.features.places import everywhere
from bot.features.responses import request_context


@app_commands.command(name="blend", description="Mix two to five pictures")
@app_commands.describe(
    picture1="The first picture",
    picture2="The second picture",
    picture3="A third picture",
    picture4="A fourth picture",
    picture5="A fifth picture",
    prompt="What the new pictures should show",
    ratios="How much of each picture, such as 2:1; as much of each by default",
    aspect="The aspect ratio of the new pictures; that of the pictures if they have one",
    seed="The same seed and options make the same pictures again; -1 is any seed",
    count="How many pictures to make",
    loras="LoRAs, with commas between them: neon, pencil:0.8; /loras lists them",
    model="The model that paints",
    styles="Styles, with commas between them: neon, watercolor; - for none",
)
@app_commands.autocomplete(
    model=model_option.autocomplete,
    loras=loras_option.autocomplete,
    styles=styles_option.autocomplete,
    aspect=typed_options.autocomplete_aspect,
)
@everywhere
async def command(
    interaction: Interaction,
    picture1: discord.Attachment,
    picture2: discord.Attachment,
    picture3: discord.Attachment | None = None,
    picture4: discord.Attachment | None = None,
    picture5: discord.Attachment | None = None,
    prompt: PromptText | None = None,
    ratios: str | None = None,
    aspect: str | None = None,
    seed: Seed | None = None,
    count: Count | None = None,
    loras: LorasText | None = None,
    model: str | None = None,
    styles: StylesText | None = None,
) -> None:
    """`typed_options` reads the other options, which these parameters declare."""
    typed = typed_options.read(interaction, default_prompt=blend.PROMPT)
    pictures = [picture1, picture2, picture3, picture4, picture5]
    request = blend.BlendRequest(
        options=typed.imagine_options(),
        picture_urls=tuple(picture.url for picture in pictures if picture is not None),
        ratios=ratios or "",
        notes=typed.notes,
    )
    context = await services(interaction).planner.context(request_context(interaction))
    plan = preferred_plan(blend.plan, request, context, blend.with_preference)
    await start(interaction, blend.KIND, plan)


exports: Final = Exports(commands=(command,))
