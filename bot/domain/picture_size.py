"""The size of the pictures of a request: by aspect, or by width and height; pure."""

import math
import re
from typing import Final, NamedTuple

from bot.errors import Refused
from bot.i18n import N_, _
from engine.contract import MIN_SIZE, ModelCard

ASPECTS: Final = {
    "square": 1.0,
    "portrait": 2 / 3,
    "landscape": 3 / 2,
    "tall": 9 / 16,
    "wide": 16 / 9,
}
"""Width / height by name."""
SUGGESTED: Final = (
    *ASPECTS,
    *("4:5", "5:4", "3:4", "4:3", "2:3", "3:2", "9:16", "16:9", "1:2", "2:1", "21:9"),
)
"""At most 25, Discord's limit."""
MAX_TYPED: Final = 10_000
"""Of a width or height in pixels; models paint less."""
_MAX_RATIO: Final = 4.0
"""That of `ModelCard.size_for_aspect`."""
_RATIO: Final = re.compile(
    r"([0-9]{1,5}(?:[.,][0-9]{1,3})?)\s*[:/x×]\s*([0-9]{1,5}(?:[.,][0-9]{1,3})?)", re.IGNORECASE
)


class ChosenSize(NamedTuple):
    """Width and height in pixels, and a sentence for the user if they are not those of the
    request."""

    size: tuple[int, int]
    notes: tuple[str, ...] = ()


def parse_aspect(text: str) -> float:
    """Width / height of one of ASPECTS, or of a ratio such as `3:2`. Raises Refused, with a
    sentence for the user."""
    name = text.strip().casefold()
    if name in ASPECTS:
        return ASPECTS[name]
    sides = _RATIO.fullmatch(name)
    width, height = (float(side.replace(",", ".")) for side in sides.groups()) if sides else (0, 0)
    if not width or not height:
        raise Refused(
            _(
                "There is no aspect “{text}”. Choose one of: {aspects}; or give width "
                "and height as in 3:2."
            ).format(text=text[:50], aspects=", ".join(ASPECTS))
        )
    return width / height


def chosen_size(
    model: ModelCard,
    *,
    aspect: str | None = None,
    width: int | None = None,
    height: int | None = None,
) -> ChosenSize:
    """The size that the model paints for these options, each of which may be None.

    A width without a height gets that of the aspect, or the native one of the model, and the other
    way round. Raises Refused, with a sentence for the user.
    """
    ratio = None if aspect is None else parse_aspect(aspect)
    for name, side in (("width", width), ("height", height)):
        if side is not None and not 1 <= side <= MAX_TYPED:
            raise Refused(
                _("The {name} is {side}; it must be 1 to {limit}.").format(
                    name=name, side=side, limit=MAX_TYPED
                )
            )
    if width is None and height is None:
        return _by_ratio(model, aspect or "", 1.0 if ratio is None else ratio)
    if width is not None and height is not None and aspect is not None:
        raise Refused(_("Give the width and the height, or one of them and the aspect."))
    whole = _both_sides(model, ratio, width, height)
    size = nearest_size(model, *whole)
    if all(side in (None, painted) for side, painted in zip((width, height), size, strict=True)):
        return ChosenSize(size)  # a side that nobody typed may be rounded
    return ChosenSize(size, (_note(whole, size),))


def nearest_size(model: ModelCard, width: int, height: int) -> tuple[int, int]:
    """The size nearest to this one, of 1 to MAX_TYPED pixels a side, that the model paints.

    A size that is too large is shrunk in its aspect ratio.
    """
    scale = min(
        1.0, model.max_side / max(width, height), math.sqrt(model.max_pixels / (width * height))
    )
    sides = [_snapped(side * scale, model) for side in (width, height)]
    while sides[0] * sides[1] > model.max_pixels and max(sides) > MIN_SIZE:
        sides[sides.index(max(sides))] -= model.size_multiple
    return sides[0], sides[1]


def _by_ratio(model: ModelCard, aspect: str, ratio: float) -> ChosenSize:
    size = model.size_for_aspect(ratio)
    if 1 / _MAX_RATIO <= ratio <= _MAX_RATIO:
        return ChosenSize(size)
    longest = "4:1" if ratio > 1 else "1:4"
    return ChosenSize(
        size,
        (
            N_("The aspect {aspect} was changed to {longest}.").format(
                aspect=aspect[:20], longest=longest
            ),
        ),
    )


def _both_sides(
    model: ModelCard, ratio: float | None, width: int | None, height: int | None
) -> tuple[int, int]:
    """The width and height, of which at least one was typed, before they are rounded."""
    if width is None:
        width = model.native_size if ratio is None else _side((height or 0) * ratio)
    if height is None:
        height = model.native_size if ratio is None else _side(width / ratio)
    return width, height


def _side(pixels: float) -> int:
    return min(max(round(pixels), 1), MAX_TYPED)


def _snapped(pixels: float, model: ModelCard) -> int:
    multiple = model.size_multiple
    return min(max(round(pixels / multiple) * multiple, MIN_SIZE), model.max_side)


def _note(whole: tuple[int, int], size: tuple[int, int]) -> str:
    return N_(
        "The size {size} was changed to {nearest}, the nearest that the model paints."
    ).format(size=f"{whole[0]}x{whole[1]}", nearest=f"{size[0]}x{size[1]}")
