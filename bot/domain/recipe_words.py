"""What steers a picture beside its prompts and source, in a few words; pure."""

from collections.abc import Collection, Iterator, Mapping
from typing import Final

from bot.i18n import N_, _
from engine.contract import Control, Preprocessor, Recipe, ReferenceRole, input_names
from engine.contract.input_names import PICTURE

SKETCH: Final = N_("a sketch")
_ANOTHER: Final = N_("another picture")
_INPUTS: Final = (SKETCH, N_("a style picture"), N_("a reference picture"))
"""For the catalogs: what `input_names` calls images."""
_SEPARATOR: Final = " · "
_REFERENCES: Final[Mapping[ReferenceRole, str]] = {
    ReferenceRole.LIKE: N_("like a picture"),
    ReferenceRole.STYLE: N_("in the style of a picture"),
}


def controls(recipe: Recipe) -> str:
    """What its controls do; empty if it has none."""
    return _SEPARATOR.join(map(_control, recipe.controls))


def references(recipe: Recipe) -> str:
    """What its references do; empty if it has none. Those that are mixed are one."""
    return _SEPARATOR.join(_references(recipe))


def adapters(recipe: Recipe, most: int | None = None) -> str:
    """The names and scales of its LoRAs, or of so many of them; empty if it has none."""
    names = [_scaled(adapter.name, adapter.scale) for adapter in recipe.adapters]
    first_names = names if most is None else names[:most]
    more = (
        [_("{count} more").format(count=len(names) - len(first_names))]
        if len(first_names) < len(names)
        else []
    )
    return _("LoRA {names}").format(names=", ".join([*first_names, *more])) if names else ""


def inputs(recipe: Recipe, images: Collection[str]) -> list[str]:
    """What those of these images are that a recipe needs, each once."""
    names = (input_names.input_name(recipe, image) for image in recipe.images if image in images)
    return [
        _ANOTHER if name == PICTURE else f"a {name}"  # translated where it is shown
        for name in dict.fromkeys(names)
    ]


def _scaled(text: str, scale: float) -> str:
    """The text with its scale, unless that is 1: `neon (0.8)`."""
    return text if scale == 1.0 else f"{text} ({scale:g})"


def _control(item: Control) -> str:
    is_drawn = item.preprocessor is not Preprocessor.NONE
    words = (
        _("follows the lines of a sketch")
        if is_drawn
        else _("follows a {kind} image").format(kind=item.kind)
    )
    return _scaled(words, item.scale)


def _references(recipe: Recipe) -> Iterator[str]:
    for item in recipe.references:
        if item.role is not ReferenceRole.BLEND:
            yield _scaled(_REFERENCES[item.role], item.scale)
    mixed = sum(item.role is ReferenceRole.BLEND for item in recipe.references)
    if mixed:
        yield _("a mix of {mixed} pictures").format(mixed=mixed) if mixed > 1 else _("of a picture")
