"""What jobs cost the engine, in its seconds: learned from what others took; pure."""

from collections.abc import Sequence
from typing import Final

import msgspec

from engine.contract import Recipe

LEAST: Final = 0.01
"""Seconds of the cheapest job, so that each turn counts for something."""
_GUESS: Final = 1e-6
"""Seconds for a pixel of a row and step, while nothing is known."""


class Sample(msgspec.Struct, frozen=True):
    """What a job took."""

    pixels: int
    """Of one picture."""
    work: float
    seconds: float


def pixels(recipes: Sequence[Recipe]) -> int:
    """Of one picture."""
    return recipes[0].width * recipes[0].height


def work(recipes: Sequence[Recipe]) -> float:
    """Pixels x rows x evaluations: jobs of one size cost in proportion to it."""
    return sum(_work(recipe) for recipe in recipes)


def _work(recipe: Recipe) -> float:
    steps = recipe.steps * (1.0 if recipe.strength is None else recipe.strength)
    evaluations = steps * recipe.sampler.scheduler.order
    return recipe.width * recipe.height * recipe.rows * evaluations


def estimate(recipes: Sequence[Recipe], samples: Sequence[Sample]) -> float:
    """Seconds that a job will take: at the rate of others of its size, or else of any size."""
    alike = [sample for sample in samples if sample.pixels == pixels(recipes)] or samples
    done = sum(sample.work for sample in alike)
    rate = sum(sample.seconds for sample in alike) / done if done else _GUESS
    return max(LEAST, work(recipes) * rate)
