"""/imagine: make pictures from a prompt and, optionally, a sketch."""

from collections.abc import Sequence
from typing import Final

import discord
from discord import app_commands

from bot.context import Interaction
from bot.domain.loras import MAX_TEXT
from bot.domain.picture_size import MAX_TYPED
from bot.domain.steering import MODES
from bot.domain.styles import MAX_TEXT as MAX_STYLES_TEXT
from bot.features import (
    expand,
    loras_option,
    model_option,
    strength_option,
    styles_option,
    typed_options,
)
from bot.features.changing import start
from bot.features.exports import Exports
from bot.features.imagining import TypedRequest, planned
from bot.features.places import everywhere
from bot.features.preferences import preferences_of
from engine.contract import (
    MAX_CLIP_SKIP,
    MAX_GUIDANCE,
    MAX_PROMPT_CHARS,
    MAX_SCALE,
    MAX_STEPS,
    RANDOM_SEED,
    SEED_LIMIT,
    Sampler,
)
from engine.contract.images.fit import Fit

MAX_COUNT: Final = 100
"""No operator allows more pictures; fewer are, by default, and then a refusal says how many."""
PromptText = app_commands.Range[str, 1, MAX_PROMPT_CHARS]
Seed = app_commands.Range[int, RANDOM_SEED, SEED_LIMIT - 1]
Steps = app_commands.Range[int, 1, MAX_STEPS]
Guidance = app_commands.Range[float, 0.0, MAX_GUIDANCE]
Count = app_commands.Range[int, 1, MAX_COUNT]
ClipSkip = app_commands.Range[int, 1, MAX_CLIP_SKIP]
Strength = app_commands.Range[float, 0.0, MAX_SCALE]
"""Of a sketch that is painted over, at most 1."""
Scale = app_commands.Range[float, 0.0, MAX_SCALE]
Side = app_commands.Range[int, 1, MAX_TYPED]
LorasText = app_commands.Range[str, 1, MAX_TEXT]
StylesText = app_commands.Range[str, 1, MAX_STYLES_TEXT]


@app_commands.command(name="imagine", description="Make pictures from a description")
@app_commands.describe(
    prompt="What to show: {red, blue} paints both, __animals__ draws one; - for no words",
    negative="What the pictures should not show",
    aspect="The aspect ratio of the pictures: a name, or width and height as 3:2",
    seed="The same seed and options make the same pictures again; -1 is any seed",
    steps="More steps give finer pictures and take longer",
    guidance="How closely to follow the prompt",
    sampler="The sampling method",
    count="How many pictures to make",
    sketch="A picture to start from: PNG, JPEG, WebP, AVIF, GIF, BMP or TIFF, up to 10 MiB",
    mode="Paint over the sketch (the default), or follow its lines",
    fit="A sketch of another aspect ratio: contain all of it, cover (the default) or stretch",
    strength="Painting over: how much to change, up to 1; following lines: how closely, up to 2",
    style="A picture whose style and colours to take",
    like="A picture to take things and their style from",
    reference_strength="How much style and like count: 0 to 2; else 1 for style and 0.6 for like",
    loras="LoRAs, with commas between them: neon, pencil:0.8; /loras lists them",
    model="The model that paints",
    draft="Paint with few steps first; the button ✅ Finish paints the rest",
    clip_skip="The text encoder's layer, counted from the last one; with Stable Diffusion 1 and 2",
    styles="Styles, with commas between them: neon, watercolor; - for none",
    raw="Take brackets as words; else (cat:1.3) is more cat, [cat:dog:0.5] a cat, then a dog",
    width="In pixels, rounded to what the model paints; without height, that of the aspect",
    height="In pixels, rounded to what the model paints; without width, that of the aspect",
    private="Show the result to you alone, until you close Discord",
)
@app_commands.choices(mode=[app_commands.Choice(name=name, value=name) for name in MODES])
@app_commands.choices(fit=[app_commands.Choice(name=fit.value, value=fit.value) for fit in Fit])
@app_commands.autocomplete(
    model=model_option.autocomplete,
    loras=loras_option.autocomplete,
    styles=styles_option.autocomplete,
    aspect=typed_options.autocomplete_aspect,
)
@app_commands.autocomplete(strength=strength_option.autocomplete)
@everywhere
async def command(
    interaction: Interaction,
    prompt: PromptText,
    negative: PromptText | None = None,
    aspect: str | None = None,
    seed: Seed | None = None,
    steps: Steps | None = None,
    guidance: Guidance | None = None,
    sampler: str | None = None,
    count: Count | None = None,
    sketch: discord.Attachment | None = None,
    mode: str | None = None,
    fit: str | None = None,
    strength: Strength | None = None,
    style: discord.Attachment | None = None,
    like: discord.Attachment | None = None,
    reference_strength: Scale | None = None,
    loras: LorasText | None = None,
    model: str | None = None,
    draft: bool = False,
    clip_skip: ClipSkip | None = None,
    raw: bool | None = None,
    styles: StylesText | None = None,
    width: Side | None = None,
    height: Side | None = None,
    private: bool = False,
) -> None:
    """`typed_options` reads the options, which these parameters declare."""
    values, notes = typed_options.read(interaction, flags=(expand.FLAG,))
    attachments = {"sketch": sketch, "style": style, "like": like}
    urls = {name: file.url for name, file in attachments.items() if file is not None}
    request = TypedRequest(values, urls, notes)
    if values.get(expand.FLAG, preferences_of(interaction).expand):
        await expand.offer(interaction, request)
    else:
        kind, plan, _ = await planned(interaction, request)
        await start(interaction, kind, plan)


def offer_samplers(samplers: Sequence[Sampler]) -> None:
    """Make these the choices of the option `sampler`, before the commands are registered."""
    choices = [app_commands.Choice(name=name.value, value=name.value) for name in samplers]
    app_commands.choices(sampler=choices)(command)


exports: Final = Exports(
    commands=(command,), components=expand.COMPONENTS, actions=(expand.ACTION,)
)
