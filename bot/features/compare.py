"""/compare: models or samplers on one prompt, with the same seeds, as a labelled matrix."""

from typing import Final

import discord
from discord import app_commands

from bot.context import Interaction, services
from bot.domain.kinds import compare
from bot.domain.kinds import draft as drafts
from bot.domain.kinds.compare import DEFAULT_COUNT, CompareRequest
from bot.domain.preferred_plan import preferred_plan
from bot.domain.steering import References
from bot.features import loras_option, styles_option, typed_options
from bot.features.exports import Exports
from bot.features.imagine import (
    Guidance,
    LorasText,
    PromptText,
    Scale,
    Seed,
    Steps,
    StylesText,
)
from bot.features.places import everywhere
from bot.features.responses import defer_and_start, request_context

_MAX_NAMES: Final = 1000
"""Characters in a list of names."""
Names = app_commands.Range[str, 1, _MAX_NAMES]
Count = app_commands.Range[int, 1, 50]


@app_commands.command(name="compare", description="Compare models or samplers on one prompt")
@app_commands.describe(
    prompt="What the pictures should show",
    models="Names of models, with commas between them; all if you name no samplers either",
    samplers="Names of samplers, with commas between them",
    negative="What the pictures should not show",
    seed="Of the first picture of each row; -1 is any seed",
    steps="More steps give finer pictures and take longer",
    guidance="How closely to follow the prompt",
    style="A picture whose style and colours to take",
    like="A picture to take things and their style from",
    reference_strength="How much style and like count: 0 to 2; else 1 for style and 0.6 for like",
    loras="LoRAs, with commas between them: neon, pencil:0.8; /loras lists them",
    count=f"How many pictures a row has, {DEFAULT_COUNT} by default",
    draft="Paint with few steps first; the button ✅ Finish paints the rest",
    raw="Take brackets as words; else (cat:1.3) is more cat, [cat:dog:0.5] a cat, then a dog",
    styles="Styles, with commas between them: neon, watercolor; - for none",
    aspect="The aspect ratio of the pictures: a name, or width and height as 3:2",
)
@app_commands.autocomplete(
    loras=loras_option.autocomplete,
    styles=styles_option.autocomplete,
    aspect=typed_options.autocomplete_aspect,
)
@everywhere
async def command(
    interaction: Interaction,
    prompt: PromptText,
    models: Names | None = None,
    samplers: Names | None = None,
    negative: PromptText | None = None,
    seed: Seed | None = None,
    steps: Steps | None = None,
    guidance: Guidance | None = None,
    style: discord.Attachment | None = None,
    like: discord.Attachment | None = None,
    reference_strength: Scale | None = None,
    loras: LorasText | None = None,
    count: Count | None = None,
    draft: bool = False,
    raw: bool | None = None,
    styles: StylesText | None = None,
    aspect: str | None = None,
) -> None:
    """`typed_options` reads the other options, which these parameters declare."""
    typed = typed_options.read(interaction)
    options = typed.imagine_options()
    request = CompareRequest(
        options=options,
        models=models,
        samplers=samplers,
        references=References(
            style_url=style.url if style else None,
            like_url=like.url if like else None,
            scale=options.reference_strength,
        ),
        notes=typed.notes,
    )
    context = request_context(interaction)
    plan_context = await services(interaction).planner.context(context)
    plan = preferred_plan(compare.plan, request, plan_context, compare.with_preference)
    kind = compare.KIND
    if typed.values.get("draft", False):
        kind, plan = drafts.KIND, drafts.drafts_of(plan)
    job = await services(interaction).job_service.submit(kind, plan, context)
    await defer_and_start(interaction, job)


exports: Final = Exports(commands=(command,))
