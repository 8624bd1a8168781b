"""/explore: pictures that differ in one or two settings, as a labelled matrix."""

from typing import Final

import discord
from discord import app_commands

from bot.context import Interaction, services
from bot.domain.axes import MAX_TEXT
from bot.domain.kinds import draft as drafts
from bot.domain.kinds import explore
from bot.domain.kinds.explore import PRESETS, ExploreRequest
from bot.domain.preferred_plan import preferred_plan
from bot.domain.steering import References
from bot.features import loras_option, model_option, styles_option, typed_options
from bot.features.exports import Exports
from bot.features.imagine import LorasText, PromptText, Scale, StylesText
from bot.features.places import everywhere
from bot.features.responses import defer_and_start, request_context

Values = app_commands.Range[str, 1, MAX_TEXT]


@app_commands.command(
    name="explore", description="Compare values of one or two settings side by side"
)
@app_commands.describe(
    prompt="What the pictures should show",
    steps="A value, a list or a range: 12,24,38 or 4..12 or 4..12:2",
    guidance="A value, a list or a range: 3,5,7.5 or 2..8:2",
    sampler="One sampler or several, with commas between them",
    strength="How much to change the sketch: a value, a list or a range of 0.1 to 1",
    seed="A value, a list or a range; without it, all pictures have the same random seed",
    preset="steps: 12, 24, 38 and 50; samplers: all that the model takes",
    sketch="A picture to start from, as in /imagine",
    negative="What the pictures should not show",
    style="A picture whose style and colours to take",
    like="A picture to take things and their style from",
    reference_strength="How much style and like count: 0 to 2; else 1 for style and 0.6 for like",
    loras="LoRAs, with commas between them: neon, pencil:0.8; /loras lists them",
    model="The model that paints",
    draft="Paint with few steps first; the button ✅ Finish paints the rest",
    raw="Take brackets as words; else (cat:1.3) is more cat, [cat:dog:0.5] a cat, then a dog",
    styles="Styles, with commas between them: neon, watercolor; - for none",
    aspect="The aspect ratio of the pictures: a name, or width and height as 3:2",
)
@app_commands.choices(preset=[app_commands.Choice(name=name, value=name) for name in PRESETS])
@app_commands.autocomplete(
    model=model_option.autocomplete,
    loras=loras_option.autocomplete,
    styles=styles_option.autocomplete,
    aspect=typed_options.autocomplete_aspect,
)
@everywhere
async def command(
    interaction: Interaction,
    prompt: PromptText,
    steps: Values | None = None,
    guidance: Values | None = None,
    sampler: Values | None = None,
    strength: Values | None = None,
    seed: Values | None = None,
    preset: str | None = None,
    sketch: discord.Attachment | None = None,
    negative: PromptText | None = None,
    style: discord.Attachment | None = None,
    like: discord.Attachment | None = None,
    reference_strength: Scale | None = None,
    loras: LorasText | None = None,
    model: str | None = None,
    draft: bool = False,
    raw: bool = False,
    styles: StylesText | None = None,
    aspect: str | None = None,
) -> None:
    """`typed_options` reads the other options, which these parameters declare. What their values
    mean, and whether they are allowed, is decided by the kind."""
    typed = typed_options.read(interaction)
    request = ExploreRequest(
        prompt=typed.values["prompt"],
        negative=typed.values.get("negative"),
        model=typed.values.get("model"),
        raw=typed.values.get("raw", False),
        values={name: typed.values[name] for name in explore.AXES if name in typed.values},
        preset=preset,
        sketch_url=sketch.url if sketch else None,
        aspect=typed.values.get("aspect"),
        styles=typed.values.get("styles"),
        loras=typed.values.get("loras"),
        references=References(
            style_url=style.url if style else None,
            like_url=like.url if like else None,
            scale=typed.values.get("reference_strength"),
        ),
        notes=typed.notes,
    )
    context = request_context(interaction)
    plan_context = await services(interaction).planner.context(context)
    plan = preferred_plan(explore.plan, request, plan_context, explore.with_preference)
    kind = explore.KIND
    if typed.values.get("draft", False):
        kind, plan = drafts.KIND, drafts.drafts_of(plan)
    job = await services(interaction).job_service.submit(kind, plan, context)
    await defer_and_start(interaction, job)


exports: Final = Exports(commands=(command,))
