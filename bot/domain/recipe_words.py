"""What steers a picture beside its prompts and source, in a few words; pure."""

from collections.abc import Collection, Iterator, Mapping
from typing import Final

from engine.contract import Control, Preprocessor, Recipe, ReferenceRole, input_names
from engine.contract.input_names import PICTURE

SKETCH: Final = f"a {input_names.SKETCH}"
_SEPARATOR: Final = " · "
_REFERENCES: Final[Mapping[ReferenceRole, str]] = {
    ReferenceRole.LIKE: "like a picture",
    ReferenceRole.STYLE: "in the style of a picture",
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
    more = [f"{len(names) - len(first_names)} more"] if len(first_names) < len(names) else []
    return f"LoRA {', '.join([*first_names, *more])}" if names else ""


def inputs(recipe: Recipe, images: Collection[str]) -> list[str]:
    """What those of these images are that a recipe needs, each once."""
    names = (input_names.input_name(recipe, image) for image in recipe.images if image in images)
    return ["another picture" if name == PICTURE else f"a {name}" for name in dict.fromkeys(names)]


def _scaled(text: str, scale: float) -> str:
    """The text with its scale, unless that is 1: `neon (0.8)`."""
    return text if scale == 1.0 else f"{text} ({scale:g})"


def _control(item: Control) -> str:
    is_drawn = item.preprocessor is not Preprocessor.NONE
    words = "follows the lines of a sketch" if is_drawn else f"follows a {item.kind} image"
    return _scaled(words, item.scale)


def _references(recipe: Recipe) -> Iterator[str]:
    for item in recipe.references:
        if item.role is not ReferenceRole.BLEND:
            yield _scaled(_REFERENCES[item.role], item.scale)
    mixed = sum(item.role is ReferenceRole.BLEND for item in recipe.references)
    if mixed:
        yield f"a mix of {mixed} pictures" if mixed > 1 else "of a picture"
