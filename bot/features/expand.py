"""✨ Words that are added to the prompt of /imagine, and shown before they are painted."""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from bot.context import Interaction, services
from bot.domain.kinds.imagine import ImagineOptions
from bot.domain.model_names import find_model
from bot.domain.plan import PlanContext
from bot.domain.prompt_expansion import is_expandable
from bot.errors import BotError, Refused
from bot.features.changing import start, start_once
from bot.features.exports import Component
from bot.features.imagining import TypedRequest, planned
from bot.features.responses import check_not_blocked, defer_privately, request_context
from bot.i18n import N_, _, from_english
from bot.messages import captions, expansion_previews
from bot.messages.expansion_previews import ExpansionPreview
from engine.contract import RANDOM_SEED, SEED_LIMIT

FLAG: Final = "expand"
"""The flag, and the field of Preferences."""
_NOTHING_TO_EXPAND: Final = N_("No words were added: the prompt has none, or no room for more.")
_EXPANDED: Final = N_("✨ The prompt was expanded; Show recipe has all of its words.")
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
        kind, plan, _ = await planned(interaction, noted)
        await start(interaction, kind, plan)
        return
    _, plan, context = await planned(interaction, typed)
    await services(interaction).prompt_expander.check(plan, request_context(interaction))
    await defer_privately(interaction)
    seed = typed.values.get("seed")
    seed = context.seed if seed in (None, RANDOM_SEED) else int(seed)
    own = ExpansionPreview(prompt, prompt, _texts(typed.values), typed.urls)
    preview = await _expanded(interaction, own, context, seed)
    await interaction.edit_original_response(
        content="\n".join(captions.escape(from_english(note), _MAX_NOTE) for note in typed.notes),
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
        await interaction.followup.send(str(error), ephemeral=True)
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
    kind, plan, _ = await planned(interaction, _typed(_preview_of(interaction)))
    await start_once(interaction, kind, plan, FLAG, match["detail"])


COMPONENTS: Final = (
    Component(expansion_previews.PAINT_PATTERN, paint),
    Component(expansion_previews.EXPAND_PATTERN, expand_again),
    Component(expansion_previews.UNDO_PATTERN, undo),
)
"""The buttons of previews."""
