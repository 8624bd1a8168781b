"""Recipes as texts that can be copied on a phone; pure."""

import re
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from bot.domain import loras
from bot.domain.model_names import short_names
from bot.domain.picture_size import ASPECTS
from bot.domain.preferences import NO_PREFERENCES, Preferences
from bot.domain.prompt_flags import has_flags
from bot.domain.prompt_template import escaped
from bot.domain.recipe_diff import recipe_changes
from bot.domain.styles import NONE
from bot.i18n import N_, _, from_english
from engine.contract import ModelCard, PromptFormat, Recipe, Work
from engine.contract.infotext import write_infotext
from engine.contract.metadata import encode_recipes

FILE_NAME: Final = "recipe.json"
_MAX_FILE_BYTES: Final = 1024 * 1024
_MAX_CONTENT: Final = 2000
_MAX_LISTED: Final = 24
_MAX_LISTED_CHARS: Final = 60
_MAX_NOTE_CHARS: Final = 200
_MAX_NOTES: Final = 6
_IN_FILE: Final = N_("The recipe is too long for a message. It is in the file.")


class RecipeText(NamedTuple):
    """The text of a message, and whether the recipe is only complete with its file."""

    content: str
    needs_file: bool


def describe(
    recipes: Sequence[Work],
    numbers: Sequence[int],
    models: Sequence[ModelCard],
    notes: Sequence[str] = (),
    *,
    preferences: Preferences = NO_PREFERENCES,
) -> RecipeText:
    """The recipes of the pictures with these numbers: the first, and how the others differ.

    `models` are those that are loaded; `preferences` are what /imagine uses for options that are
    not given.
    """
    command = _command(recipes, models, preferences)
    differences = _others(recipes, numbers)
    parts = [
        code_block(write_infotext(recipes[0], is_flow=_is_flow(recipes[0], models))),
        *([] if command is None else [code_block(command)]),
        *([] if not differences else [code_block(differences)]),
        *(f"- {_plain(from_english(note))}" for note in notes[:_MAX_NOTES]),
    ]
    shown: list[str] = []
    for part in parts:
        if len("\n".join([*shown, part, _(_IN_FILE)])) <= _MAX_CONTENT:
            shown.append(part)
    is_cut = len(shown) < len(parts)
    needs_file = is_cut or command is None or len(recipes) > _MAX_LISTED
    return RecipeText("\n".join([*shown, *([_(_IN_FILE)] if is_cut else [])]), needs_file)


def code_block(text: str) -> str:
    """The text in a block that Discord copies as a whole and in which nothing is Markdown."""
    separated = re.sub("`(?=``)", "`\u200b", text)
    return f"```\n{separated.strip()}\n```"


def recipe_file(recipes: Sequence[Work]) -> bytes:
    """The recipes as a JSON file."""
    return encode_recipes(recipes, _MAX_FILE_BYTES).encode()


def _plain(note: str) -> str:
    """A note, which may quote a file, without signs of Markdown and mentions."""
    return re.sub(r"[\\`*_~|\[\]<>@#]", "", " ".join(note.split()))[:_MAX_NOTE_CHARS]


def _is_flow(work: Work, models: Sequence[ModelCard]) -> bool:
    """Whether its model is loaded and one with flow matching."""
    return any(model.is_flow for model in models if model.revision == work.recipe.revision)


def _command(
    recipes: Sequence[Work], models: Sequence[ModelCard], preferences: Preferences
) -> str | None:
    """The /imagine that paints these recipes; None if it lacks an option that they need."""
    options = imagine_options(recipes, models, preferences)
    if options is None:
        return None
    return "/imagine " + " ".join(f"{name}:{value}" for name, value in options.items())


def imagine_options(
    recipes: Sequence[Work],
    models: Sequence[ModelCard],
    preferences: Preferences = NO_PREFERENCES,
) -> Mapping[str, str] | None:
    """The options of /imagine, as texts, that paint these recipes; None if it lacks one that they
    need."""
    first, count = recipes[0], len(recipes)
    if not isinstance(first, Recipe):
        return None
    name = next(
        (name for name, model in short_names(models).items() if model.revision == first.revision),
        None,
    )
    if name is None or any(first.with_seed(first.seed + n) != r for n, r in enumerate(recipes)):
        return None
    model = short_names(models)[name]
    aspect = next(
        (a for a, ratio in ASPECTS.items() if model.size_for_aspect(ratio) == first.size),
        None,
    )
    is_plain = first.prompt_format is PromptFormat.PLAIN
    has_own_skip = first.negative_clip_skip != (1 if is_plain else first.clip_skip)
    if first.subseeds or first.changes or first.images or has_own_skip:
        return None
    if has_flags(first.prompt):  # they were words when it was painted
        return None
    prompt = " ".join(first.prompt.split())
    options = {
        "prompt": prompt if is_plain else escaped(prompt),
        "negative": " ".join(first.negative.split()),
        "aspect": "" if aspect in (None, preferences.aspect or "square") else aspect,
        "width": f"{first.width}" if aspect is None else "",
        "height": f"{first.height}" if aspect is None else "",
        "seed": f"{first.seed}",
        "steps": f"{first.steps}",
        "guidance": f"{first.guidance:g}",
        "sampler": f"{first.sampler}",
        "count": f"{count}",
        "model": "" if model is models[0] else name,
        "clip_skip": f"{first.clip_skip}" if first.clip_skip > 1 else "",
        "loras": loras.text_of(first.adapters),
        "styles": NONE[0] if preferences.styles else "",
        "raw": "True" if is_plain else "",
    }
    return {name: value for name, value in options.items() if value}


def _others(recipes: Sequence[Work], numbers: Sequence[int]) -> str:
    """What differs from the first recipe, in a line for each other one."""
    lines = []
    for number, recipe in list(zip(numbers, recipes, strict=True))[1:_MAX_LISTED]:
        changes = " · ".join(recipe_changes(recipes[0], recipe)) or _("the same")
        lines.append(f"{number}: {' '.join(changes.split())[:_MAX_LISTED_CHARS]}")
    if len(recipes) > _MAX_LISTED:
        lines.append(_("… and {count} more").format(count=len(recipes) - _MAX_LISTED))
    return "\n".join(lines)
