"""/imagine: words, and perhaps a sketch, become pictures."""

from typing import Annotated

import discord
from discord import AppCommandOptionType as OptionType
from discord import app_commands
from discord.app_commands.transformers import RangeTransformer

from bot.attachments import sanitize
from bot.context import Interaction, services
from bot.domain import rules
from bot.domain.kinds.imagine import ASPECTS, ImagineOptions, parse, with_changes
from bot.features.responses import guarded, origin, start
from engine.contract import (
    MAX_GUIDANCE,
    MAX_PICTURES,
    MAX_PROMPT_CHARS,
    MAX_STEPS,
    SEED_LIMIT,
    Sampler,
)

Words = Annotated[str, RangeTransformer(OptionType.string, min=1, max=MAX_PROMPT_CHARS)]
Seed = Annotated[int, RangeTransformer(OptionType.integer, min=0, max=SEED_LIMIT - 1)]
Steps = Annotated[int, RangeTransformer(OptionType.integer, min=1, max=MAX_STEPS)]
Guidance = Annotated[float, RangeTransformer(OptionType.number, min=0.0, max=MAX_GUIDANCE)]
Count = Annotated[int, RangeTransformer(OptionType.integer, min=1, max=MAX_PICTURES)]
Strength = Annotated[float, RangeTransformer(OptionType.number, min=0.0, max=1.0)]


@app_commands.command(name="imagine", description="Paint what you describe")
@app_commands.describe(
    prompt="What you want to see",
    negative="What you do not want to see",
    aspect="The shape of the pictures",
    seed="The same seed and options paint the same pictures again",
    steps="More steps: finer and slower",
    guidance="How closely to follow the prompt",
    sampler="The way from noise to picture",
    count="How many pictures",
    sketch="A picture to paint over: PNG, JPEG or WebP, up to 10 MiB",
    strength="How much of the sketch to paint over, above 0 to 1",
)
@app_commands.choices(
    aspect=[app_commands.Choice(name=name, value=name) for name in ASPECTS],
    sampler=[app_commands.Choice(name=name.value, value=name.value) for name in Sampler],
)
@app_commands.allowed_contexts(guilds=True, dms=True, private_channels=False)
@app_commands.allowed_installs(guilds=True, users=False)
async def command(
    interaction: Interaction,
    prompt: Words,
    negative: Words | None = None,
    aspect: str | None = None,
    seed: Seed | None = None,
    steps: Steps | None = None,
    guidance: Guidance | None = None,
    sampler: str | None = None,
    count: Count | None = None,
    sketch: discord.Attachment | None = None,
    strength: Strength | None = None,
) -> None:
    """Discord's client checks the ranges, others may not: the recipe decides."""
    ask_for = imagine(
        interaction,
        sketch,
        prompt=prompt,
        negative=negative,
        aspect=aspect,
        seed=seed,
        steps=steps,
        guidance=guidance,
        sampler=sampler,
        count=count,
        strength=strength,
    )
    await guarded(interaction, ask_for)


async def imagine(
    interaction: Interaction, sketch: discord.Attachment | None, **options: object
) -> None:
    """Start a job with these options."""
    if sketch is not None:
        sanitize.check_size(sketch.size)
    ask = cleaned(parse(**options))
    url = sketch.url if sketch is not None else None
    await start(
        interaction, services(interaction).job_service.submit(ask, url, origin(interaction))
    )


def cleaned(ask: ImagineOptions) -> ImagineOptions:
    """Without characters that nobody sees."""
    changes = {
        "prompt": rules.strip_invisible(ask.prompt),
        "negative": rules.strip_invisible(ask.negative or ""),
    }
    return with_changes(ask, **changes)
