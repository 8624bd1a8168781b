"""The texts of the form of a remix, and the settings that they say; pure."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from bot.domain import loras, rules
from bot.domain.model_names import find_model
from bot.domain.picture_size import ASPECTS
from bot.domain.prompt_flags import FlaggedPrompt, merged
from bot.domain.prompt_flags import read as read_flags
from bot.domain.typed_values import (
    BY_NAME,
    Notation,
    TypedOption,
    joined,
    key,
    read_value,
    shortened,
)
from bot.errors import Refused
from bot.i18n import N_, _
from engine.contract import RANDOM_SEED, Edit, ModelCard, PictureOptions, Recipe

ANY_SEED: Final = "any"
"""Stands for any seed in the settings."""
OPTIONS: Final = (
    *("seed", "steps", "guidance", "aspect", "width", "height", "count", "strength", "keep"),
    *("clip_skip", "loras", "sampler", "model", "negative", "styles", "raw"),
)
"""Those that the flags of its prompt and the lines of its settings set."""
_SIZES: Final = ("size", "aspect", "ar")
_NOTATION: Final = Notation(N_("setting"), "", ":")
_NAMES: Final = sorted(
    {"size", *(name for name, option in BY_NAME.items() if option.option in OPTIONS)}, reverse=True
)
_LINE: Final = re.compile(
    rf"[\s\-–—]*({'|'.join(_NAMES).replace('_', '[ _-]+')})(?![a-z])\s*[:=]?(.*)", re.IGNORECASE
)
_PIXELS: Final = re.compile(r"(\d{1,5})\s*[x×*]\s*(\d{1,5})", re.IGNORECASE)


class FormTexts(msgspec.Struct, frozen=True, kw_only=True):
    """What the fields of the form have; empty for a field that has nothing."""

    prompt: str = ""
    negative: str = ""
    settings: str = ""
    """One a line: `seed: 7`."""
    sampler: str = ""
    model: str = ""
    """A short name."""
    shape: str = ""
    """The name of an aspect; empty for the size of the settings."""


class RemixOptions(PictureOptions, frozen=True, kw_only=True):
    """What the form sets; None for what is as it was shown. Its prompt is empty."""

    aspect: str | None = None
    width: int | None = None
    height: int | None = None
    keep: float | None = None
    """The image guidance of an edit."""
    loras: str | None = None
    styles: str | None = None


class FormEdits(msgspec.Struct, frozen=True, kw_only=True):
    """What differs from the form as it was shown."""

    prompt: str | None
    """Without flags; None if it is as it was."""
    options: RemixOptions
    card: ModelCard | None
    """Another model."""
    notes: tuple[str, ...]
    """Sentences for the user."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing but the number of pictures differs."""
        options = msgspec.structs.replace(self.options, count=None)
        return self.prompt is None and self.card is None and options == RemixOptions(prompt="")


def settings_text(recipe: Recipe, *, seed: str, count: int) -> str:
    """The settings of a recipe, one a line, as `parse_settings` reads them."""
    lines = [
        f"seed: {seed}",
        f"steps: {recipe.steps}",
        f"guidance: {number_text(recipe.guidance)}",
        f"size: {recipe.width}x{recipe.height}",
        f"count: {count}",
    ]
    if recipe.strength is not None:
        lines.append(f"strength: {number_text(recipe.strength)}")
    if isinstance(recipe.source, Edit):
        lines.append(f"keep: {number_text(recipe.source.image_guidance)}")
    if recipe.clip_skip > 1:
        lines.append(f"clip skip: {recipe.clip_skip}")
    if recipe.adapters:
        lines.append(f"loras: {loras.text_of(recipe.adapters)}")
    return "\n".join(lines)


def number_text(number: float) -> str:
    """The number with at most six decimals, as `read_number` reads it."""
    return f"{number:.6f}".rstrip("0").rstrip(".")


def parse_settings(text: str) -> Mapping[str, object]:
    """The settings of a text, by option; a width and height for `size: 512x768`.

    A line without a value leaves its setting as it is. Raises Refused, with a sentence for the
    user.
    """
    values: dict[str, object] = {}
    for line in rules.strip_invisible(text).splitlines():
        if not line.strip(" \t-–—"):
            continue
        settings = _settings(line)
        for option, value in settings.items():
            if option in values:
                raise Refused(
                    _("The setting {named} is there twice; write it once.").format(
                        named=_named(option)
                    )
                )
            values[option] = value
    return {option: value for option, value in values.items() if value is not None}


def edited(settings: Mapping[str, object], defaults: Mapping[str, object]) -> dict[str, object]:
    """The settings without those that are as they were shown; of a size, both sides or none."""
    sides = ("width", "height")
    is_same_size = all(settings.get(side) == defaults.get(side) for side in sides)
    return {
        name: value
        for name, value in settings.items()
        if (not is_same_size if name in sides else value != defaults.get(name))
    }


def _settings(line: str) -> Mapping[str, object]:
    """The settings of a line: `steps: 30`, `steps=30`, `steps 30` or `--steps 30`."""
    match = _LINE.fullmatch(line)
    if match is None:
        name = re.split(r"[:=]", line.strip())[0].strip()
        raise Refused(
            _(
                "There is no setting “{shortened}”. Write one a line, as in “steps: 30”: "
                "seed, steps, guidance, size, count, strength, keep, clip skip or loras."
            ).format(shortened=shortened(name))
        )
    name, typed = match[1].casefold(), match[2].strip()
    pixels = _PIXELS.fullmatch(typed) if name in _SIZES else None
    if pixels is not None:
        return {"width": int(pixels[1]), "height": int(pixels[2])}
    option = BY_NAME["aspect" if name in _SIZES else key(name)]
    return {option.option: _value(option, typed)}


def _value(option: TypedOption, typed: str) -> object:
    """None for a line without a value, which leaves the setting as it is."""
    if typed:
        return read_value(option, typed, _NOTATION)
    if option.option == "raw":
        return True
    return {"seed": RANDOM_SEED, "loras": "", "negative": ""}.get(option.option)


def _named(option: str) -> str:
    return "size" if option in ("width", "height", "aspect") else BY_NAME[option].name


def edits_of(texts: FormTexts, defaults: FormTexts, models: Sequence[ModelCard]) -> FormEdits:
    """What the user has changed, also by flags of the prompt. Raises Refused."""
    prompt, old_prompt = rules.strip_invisible(texts.prompt), rules.strip_invisible(defaults.prompt)
    flagged = FlaggedPrompt(prompt, {}, {})
    if prompt != old_prompt:
        flagged = read_flags(prompt, OPTIONS)
    settings, shown = parse_settings(texts.settings), parse_settings(defaults.settings)
    old_texts = {"negative": rules.strip_invisible(defaults.negative), "loras": shown.get("loras")}
    fields = edited(settings, shown) | _menus(texts, defaults)
    fields = {**fields, **_shape(texts, fields), **_joined_texts(texts, settings)}
    values, notes = merged(fields, flagged)
    changes = {name: value for name, value in values.items() if value != old_texts.get(name)}
    model = changes.pop("model", None)
    has_style = changes.get("styles") is not None
    if has_style:
        changes["negative"] = values["negative"]
    return FormEdits(
        prompt=flagged.prompt if has_style or flagged.prompt != old_prompt else None,
        options=msgspec.convert({**changes, "prompt": ""}, RemixOptions),
        card=None if model is None else find_model(str(model), models),
        notes=notes,
    )


def _menus(texts: FormTexts, defaults: FormTexts) -> dict[str, object]:
    """The sampler and the model that were chosen."""
    return {
        name: getattr(texts, name)
        for name in ("sampler", "model")
        if getattr(texts, name) not in ("", getattr(defaults, name))
    }


def _shape(texts: FormTexts, fields: Mapping[str, object]) -> dict[str, object]:
    if not texts.shape:
        return {}
    if fields.keys() & {"aspect", "width", "height"}:
        raise Refused(_("Choose either a shape or another size; both are changed."))
    if texts.shape not in ASPECTS:
        raise Refused(_("There is no shape “{shape}”.").format(shape=texts.shape[:30]))
    return {"aspect": texts.shape}


def _joined_texts(texts: FormTexts, settings: Mapping[str, object]) -> dict[str, object]:
    """The texts to which flags add, changed or not."""
    negative = joined((rules.strip_invisible(texts.negative), settings.get("negative")))
    return {"negative": negative, "loras": settings.get("loras")}
