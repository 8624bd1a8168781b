"""✨ Words that are added to the prompt of /imagine, and shown before they are painted."""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from bot.context import Interaction, services
from bot.domain import rules
from bot.domain.job import Job
from bot.domain.kinds.imagine import ImagineOptions
from bot.domain.model_names import find_model
from bot.domain.picture import Picture
from bot.domain.plan import PlanContext
from bot.domain.prompt_expansion import is_expandable
from bot.errors import BotError, Refused
from bot.features.changing import start, start_once
from bot.features.exports import Action, Component
from bot.features.imagining import TypedRequest, planned
from bot.features.preferences import preferences_of
from bot.features.responses import check_not_blocked, defer_privately, request_context
from bot.i18n import N_, NP_, _, from_english
from bot.messages import captions, expansion_previews, recipe_texts
from bot.messages.action_views import ActionScope
from bot.messages.expansion_previews import ExpansionPreview
from engine.contract import RANDOM_SEED, SEED_LIMIT, Recipe

FLAG: Final = "expand"
"""The flag, and the field of Preferences."""
_NOTHING_TO_EXPAND: Final = N_("No words were added: the prompt has none, or no room for more.")
_EXPANDED: Final = N_("✨ The prompt was expanded; Show recipe has all of its words.")
_NOT_BY_IMAGINE: Final = N_(
    "The words of this picture cannot be expanded, because /imagine alone does not paint it. "
    "Press ✏️ Remix to change them."
)
_GONE: Final = N_("The prompt of this message is gone. Use /imagine again.")
_MAX_NOTE: Final = 200
_SWITCHES: Final = ("draft", "private", "raw")


async def offer(interaction: Interaction, typed: TypedRequest) -> None:
    """Show the prompt with more words in private, with buttons that paint it or undo them.

    A prompt that cannot be expanded is painted, with a note. Raises Refused as /imagine does.
    """
    prompt = typed.values["prompt"]
    if not is_expandable(prompt):
        noted = typed._replace(notes=(*typed.notes, _NOTHING_TO_EXPAND))
        kind, plan, _context = await planned(interaction, noted)
        await start(interaction, kind, plan)
        return
    own = ExpansionPreview(prompt, prompt, _texts(typed.values), typed.urls)
    await _offer(interaction, typed, own)


async def offer_for_picture(interaction: Interaction, job: Job, nth: int) -> None:
    """Show the prompt of this picture with more words; what is painted has its seed and settings.

    Raises Refused if /imagine cannot paint it.
    """
    await check_not_blocked(interaction)
    picture = await services(interaction).job_finder.picture(job, nth)
    rules.check_not_removed([picture])
    preferences = preferences_of(interaction)
    models = services(interaction).planner.models_for(preferences)
    options = recipe_texts.imagine_options([picture.recipe], models, preferences)
    if options is None or not is_expandable(picture.recipe.prompt):
        raise Refused(_(_NOT_BY_IMAGINE))
    texts = {name: text for name, text in options.items() if name != "prompt"}
    if job.plan.is_private:
        texts["private"] = str(True)
    own = ExpansionPreview(options["prompt"], options["prompt"], texts, {})
    await _offer(interaction, _typed(own), own)


async def _offer(interaction: Interaction, typed: TypedRequest, own: ExpansionPreview) -> None:
    _kind, plan, context = await planned(interaction, typed)
    await services(interaction).prompt_expander.check(plan, request_context(interaction))
    await defer_privately(interaction)
    seed = typed.values.get("seed")
    seed = context.seed if seed in (None, RANDOM_SEED) else int(seed)
    preview, notes = own, list(map(from_english, typed.notes))
    try:
        preview = await _expanded(interaction, own, context, seed)
    except Refused as error:  # the user's own words can be painted
        notes.append(str(error))
    await interaction.edit_original_response(
        content="\n".join(captions.escape(note, _MAX_NOTE) for note in notes),
        embeds=expansion_previews.embeds(preview),
        view=expansion_previews.view(preview, seed),
    )


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    """The values of options beside the prompt, as texts."""
    texts = {
        name: f"{value:g}" if isinstance(value, float) else str(value)
        for name, value in values.items()
        if name not in ("prompt", FLAG)
    }
    return {name: text for name, text in texts.items() if text.strip()}


def _typed(preview: ExpansionPreview) -> TypedRequest:
    """The request that a preview shows. Raises Refused if its texts are no values."""
    texts = {name: text for name, text in preview.values.items() if name in _SWITCHES}
    switches = {name: text == str(True) for name, text in texts.items()}
    options = {name: text for name, text in preview.values.items() if name not in _SWITCHES}
    try:
        values = msgspec.convert(
            {**options, "prompt": preview.prompt}, ImagineOptions, strict=False
        )
    except msgspec.ValidationError as error:
        raise Refused(_(_GONE)) from error
    return TypedRequest(
        {**msgspec.structs.asdict(values), **switches},
        preview.urls,
        notes=(_EXPANDED,) if preview.is_expanded else (),
        own_words=preview.own_words if preview.is_expanded else "",
    )


def _preview_of(interaction: Interaction) -> ExpansionPreview:
    """What the message of a button shows. Raises Refused if that is gone."""
    preview = expansion_previews.shown(interaction.message)
    if preview is None:
        raise Refused(_(_GONE))
    return preview


async def _expanded(
    interaction: Interaction, preview: ExpansionPreview, context: PlanContext, seed: int
) -> ExpansionPreview:
    """The preview with words that are drawn by this seed."""
    model = find_model(preview.values.get("model"), context.models)
    negative = preview.values.get("negative", "")
    words = await services(interaction).prompt_expander.expand(
        preview.own_words, negative, model, seed, request_context(interaction)
    )
    return preview._replace(prompt=words)


async def expand_again(interaction: Interaction, match: "re.Match[str]") -> None:
    """Draw other words; the preview stays as it is if there are none."""
    await check_not_blocked(interaction)
    preview, seed = _preview_of(interaction), int(match["seed"]) % SEED_LIMIT
    context = await services(interaction).planner.context(request_context(interaction))
    await interaction.response.defer()
    try:
        preview = await _expanded(interaction, preview, context, seed)
    except BotError as error:
        await interaction.followup.send(from_english(str(error)), ephemeral=True)
        return
    await _edit(interaction, preview, seed)


async def undo(interaction: Interaction, match: "re.Match[str]") -> None:
    """Show the user's own words alone."""
    preview = _preview_of(interaction)
    await interaction.response.defer()
    own = preview._replace(prompt=preview.own_words)
    await _edit(interaction, own, int(match["seed"]))


async def _edit(interaction: Interaction, preview: ExpansionPreview, seed: int) -> None:
    await interaction.edit_original_response(
        embeds=expansion_previews.embeds(preview), view=expansion_previews.view(preview, seed)
    )


async def paint(interaction: Interaction, match: "re.Match[str]") -> None:
    """Start the job of the prompt that is shown, once."""
    kind, plan, _context = await planned(interaction, _typed(_preview_of(interaction)))
    await start_once(interaction, kind, plan, FLAG, match["detail"])


def _is_offered(picture: Picture) -> bool:
    work = picture.recipe
    is_plain = isinstance(work, Recipe) and not (work.images or work.changes or work.subseeds)
    return is_plain and picture.unavailable_reason is None and is_expandable(work.prompt)


ACTION: Final = Action(
    name="expand",
    label=NP_("button", "✨ Expand"),
    summary=N_("Add words to its prompt, and see them before they are painted"),
    scope=ActionScope.PICTURE,
    order=39,
    is_on_picture=_is_offered,
    is_in_menu=True,
    handler=offer_for_picture,
)
"""Below pictures that /imagine paints from words alone."""
COMPONENTS: Final = (
    Component(expansion_previews.PAINT_PATTERN, paint),
    Component(expansion_previews.EXPAND_PATTERN, expand_again),
    Component(expansion_previews.UNDO_PATTERN, undo),
)
"""The buttons of previews."""
