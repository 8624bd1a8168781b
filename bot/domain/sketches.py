"""How a sketch is used, by words in place of numbers; pure."""

from collections.abc import Mapping
from typing import Final

from bot.domain.steering import FOLLOW_LINES
from engine.contract import ModelCard

KEEP: Final = "keep"
BALANCED: Final = "balanced"
FREE: Final = "free"
LINES: Final = "lines"
"""In place of a strength: the lines of the sketch are followed."""
STRENGTHS: Final = {KEEP: 0.4, BALANCED: 0.6, FREE: 0.85}
"""The strengths of painting over by their names."""
LINE_SCALES: Final = {KEEP: 1.5, BALANCED: 1.0, FREE: 0.5}
"""The scales of lines that are followed, by the same names."""


def strength_of(name: str, model: ModelCard, steps: int | None = None) -> float:
    """The strength of this name, or the smallest with which the model runs one of its steps.

    Raises KeyError for another name.
    """
    smallest = model.rounding.smallest_strength(model.steps if steps is None else steps)
    return max(STRENGTHS[name], smallest)


def suggestions(mode: str | None) -> Mapping[str, float]:
    """The values of the option `strength` for this mode, by their texts."""
    return {f"{name} ({value:g})": value for name, value in values_in(mode).items()}


def values_in(mode: object) -> Mapping[str, float]:
    """The values of the option `strength` for this mode, by their names."""
    return LINE_SCALES if mode == FOLLOW_LINES else STRENGTHS
