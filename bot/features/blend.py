"""/blend: mix two to five pictures."""

from typing import Final

import discord
from discord import app_commands

from bot.attachments import sanitize
from bot.context import Interaction, services
from bot.domain import rules
from bot.domain.kinds import blend
from bot.domain.kinds.imagine import ASPECTS, parse
from bot.features import loras_option, model_option
from bot.features.changing import start
from bot.features.exports import Exports
from bot.features.imagine import Count, LorasText, PromptText, Seed
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
)
@app_commands.choices(aspect=[app_commands.Choice(name=name, value=name) for name in ASPECTS])
@app_commands.autocomplete(model=model_option.autocomplete, loras=loras_option.autocomplete)
@app_commands.allowed_contexts(guilds=True, dms=True, private_channels=False)
@app_commands.allowed_installs(guilds=True, users=False)
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
) -> None:
    """Ranges are checked again, because only Discord's own clients check them."""
    pictures = [picture1, picture2, picture3, picture4, picture5]
    uploads = [picture for picture in pictures if picture is not None]
    for upload in uploads:
        sanitize.check_size(upload.size)
    options = parse(
        prompt=rules.strip_invisible(prompt or "") or blend.PROMPT,
        aspect=aspect,
        seed=seed,
        count=count,
        loras=loras,
        model=model,
    )
    context = await services(interaction).planner.context(request_context(interaction))
    request = blend.BlendRequest(
        options=options,
        picture_urls=tuple(upload.url for upload in uploads),
        ratios=ratios or "",
    )
    await start(interaction, blend.KIND, blend.plan(request, context))


exports: Final = Exports(commands=(command,))
