"""The texts of the form of a remix, and the settings that they say; pure."""

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from bot.domain import loras, rules
from bot.domain.numbers import parse_number
from bot.errors import Refused
from engine.contract import (
    MAX_GUIDANCE,
    RANDOM_SEED,
    Edit,
    Recipe,
)

ANY_SEED: Final = "any"
"""Stands for any seed in the settings."""
_NO_SEED: Final = ("", ANY_SEED, "random", "-1")
_NAMES: Final[Mapping[str, str]] = {
    "seed": "seed",
    "steps": "steps",
    "guidance": "guidance",
    "guidance scale": "guidance",
    "cfg": "guidance",
    "cfg scale": "guidance",
    "size": "size",
    "aspect": "size",
    "ar": "size",
    "count": "count",
    "strength": "strength",
    "keep": "keep",
    "clip skip": "clip_skip",
    "loras": "loras",
    "lora": "loras",
}
"""The names of settings that a text may have, and their fields."""
_LINE: Final = re.compile(
    rf"[\s\-–—]*({'|'.join(sorted(_NAMES, reverse=True)).replace(' ', '[ _]+')})(?![a-z])"
    r"\s*[:=]?(.*)",
    re.IGNORECASE,
)
_MAX_SHOWN: Final = 30
_PIXELS: Final = re.compile(r"(\d{1,5})\s*[x×*]\s*(\d{1,5})", re.IGNORECASE)
_RATIO: Final = re.compile(r"(\d{1,4}(?:[.,]\d{1,4})?)\s*:\s*(\d{1,4}(?:[.,]\d{1,4})?)")


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


class FormSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What a text of settings says; None for a line that is not there."""

    seed: int | None = None
    """RANDOM_SEED stands for any."""
    steps: int | None = None
    guidance: float | None = None
    size: tuple[int, int] | float | None = None
    """Width and height in pixels, or width / height."""
    count: int | None = None
    strength: float | None = None
    keep: float | None = None
    """The image guidance of an edit."""
    clip_skip: int | None = None
    loras: str | None = None
    """As `loras.parse` reads them."""


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
    """The number with at most six decimals, as `parse_number` reads it."""
    return f"{number:.6f}".rstrip("0").rstrip(".")


def parse_settings(text: str, aspects: Mapping[str, float]) -> FormSettings:
    """The settings of a text; `aspects` are width / height by name.

    Raises Refused, with a sentence for the user.
    """
    values: dict[str, object] = {}
    for line in rules.strip_invisible(text).splitlines():
        if not line.strip(" \t-–—"):
            continue
        name, value = _split(line)
        field = _NAMES.get(name)
        if field is None:
            raise Refused(
                f"There is no setting “{name[:_MAX_SHOWN]}”. Write one a line, as in “steps: 30”: "
                "seed, steps, guidance, size, count, strength, keep, clip skip or loras."
            )
        if field in values:
            raise Refused(f"The setting {name} is there twice; write it once.")
        values[field] = _value(field, value, aspects)
    return msgspec.convert(
        {field: value for field, value in values.items() if value is not None}, FormSettings
    )


def edited(settings: FormSettings, defaults: FormSettings) -> FormSettings:
    """The settings without those that are as they were shown."""
    fields = FormSettings.__struct_fields__
    return FormSettings(
        **{
            name: getattr(settings, name)
            for name in fields
            if getattr(settings, name) != getattr(defaults, name)
        }
    )


def _split(line: str) -> tuple[str, str]:
    """The name and the value of a line: `steps: 30`, `steps=30`, `steps 30` or `--steps 30`."""
    match = _LINE.fullmatch(line)
    if match is not None:
        return " ".join(re.split(r"[\s_]+", match[1].casefold())), match[2].strip()
    return re.split(r"[:=]", line.strip())[0].strip(), ""


def _value(field: str, text: str, aspects: Mapping[str, float]) -> object:
    """The value of a setting; None if it has none, which leaves it as it is. Raises Refused."""
    match field:
        case "seed":
            return RANDOM_SEED if text.casefold() in _NO_SEED else _integer("seed", text)
        case "loras":
            return text
        case _ if not text:
            return None
        case "guidance":
            return parse_number(text, "guidance", MAX_GUIDANCE)
        case "strength":
            return parse_number(text, "strength", 1.0)
        case "keep":
            return parse_number(text, "image guidance", MAX_GUIDANCE)
        case "size":
            return _size(text, aspects)
    return _integer(field.replace("_", " "), text)


def _integer(name: str, text: str) -> int:
    if not re.fullmatch(r"-?[0-9]{1,12}", text):
        raise Refused(f"The {name} is “{text[:_MAX_SHOWN]}”; it must be a whole number.")
    return int(text)


def _size(text: str, aspects: Mapping[str, float]) -> tuple[int, int] | float:
    """Width and height, or their ratio. Raises Refused."""
    if text.casefold() in aspects:
        return aspects[text.casefold()]
    pixels, ratio = _PIXELS.fullmatch(text), _RATIO.fullmatch(text)
    if pixels:
        return int(pixels[1]), int(pixels[2])
    if ratio:
        width, height = (float(part.replace(",", ".")) for part in ratio.groups())
        if width > 0 and height > 0:
            return width / height
    raise Refused(
        f"The size is “{text[:_MAX_SHOWN]}”; write pixels as 512x768, a ratio as 3:2, or one of: "
        f"{', '.join(aspects)}."
    )
