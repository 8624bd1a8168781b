"""/compare: models or samplers on one prompt, with the same seeds, as a labelled matrix."""

from typing import Final

from discord import app_commands

from bot.context import Interaction, services
from bot.domain import rules
from bot.domain.kinds import compare
from bot.domain.kinds import draft as drafts
from bot.domain.kinds.compare import DEFAULT_COUNT, CompareRequest
from bot.domain.kinds.imagine import parse
from bot.features.exports import Exports
from bot.features.responses import defer_and_start, request_context
from engine.contract import (
    MAX_GUIDANCE,
    MAX_PROMPT_CHARS,
    MAX_STEPS,
    RANDOM_SEED,
    SEED_LIMIT,
)

_MAX_NAMES: Final = 1000
"""Characters in a list of names."""
PromptText = app_commands.Range[str, 1, MAX_PROMPT_CHARS]
Names = app_commands.Range[str, 1, _MAX_NAMES]
Seed = app_commands.Range[int, RANDOM_SEED, SEED_LIMIT - 1]
Steps = app_commands.Range[int, 1, MAX_STEPS]
Guidance = app_commands.Range[float, 0.0, MAX_GUIDANCE]
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
    count=f"How many pictures a row has, {DEFAULT_COUNT} by default",
    draft="Paint with few steps first; the button ✅ Finish paints the rest",
    raw="Take brackets as words; else (cat:1.3) is more cat, [cat:dog:0.5] a cat, then a dog",
)
@app_commands.allowed_contexts(guilds=True, dms=True, private_channels=False)
@app_commands.allowed_installs(guilds=True, users=False)
async def command(
    interaction: Interaction,
    prompt: PromptText,
    models: Names | None = None,
    samplers: Names | None = None,
    negative: PromptText | None = None,
    seed: Seed | None = None,
    steps: Steps | None = None,
    guidance: Guidance | None = None,
    count: Count | None = None,
    draft: bool = False,
    raw: bool | None = None,
) -> None:
    """Ranges are checked again, because only Discord's own clients check them."""
    options = parse(
        prompt=rules.strip_invisible(prompt),
        negative=rules.strip_invisible(negative or ""),
        seed=seed,
        steps=steps,
        guidance=guidance,
        count=count,
        raw=raw,
    )
    request = CompareRequest(options=options, models=models, samplers=samplers)
    context = request_context(interaction)
    plan = compare.plan(request, await services(interaction).planner.context(context))
    kind = compare.KIND
    if draft:
        kind, plan = drafts.KIND, drafts.drafts_of(plan)
    job = await services(interaction).job_service.submit(kind, plan, context)
    await defer_and_start(interaction, job)


exports: Final = Exports(commands=(command,))
