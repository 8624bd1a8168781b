"""The estimated cost of jobs in engine seconds, learned from finished jobs; pure."""

from collections.abc import Sequence
from typing import Final

import msgspec

from engine.contract import INITIAL_SECONDS_PER_PIXEL, Recipe

LEAST: Final = 0.01
"""Seconds of the cheapest job, so that each job counts."""


class Sample(msgspec.Struct, frozen=True):
    """What a finished job cost."""

    pixels: int
    """Of one picture."""
    work: float
    """As in the function `work`."""
    seconds: float


def pixels(recipes: Sequence[Recipe]) -> int:
    """The pixels of one picture."""
    return recipes[0].width * recipes[0].height


def work(recipes: Sequence[Recipe]) -> float:
    """Pixels x rows x model evaluations: the cost of jobs of one size is proportional to it."""
    return sum(_work(recipe) for recipe in recipes)


def _work(recipe: Recipe) -> float:
    steps = recipe.steps * (1.0 if recipe.strength is None else recipe.strength)
    evaluations = steps * recipe.sampler.scheduler.order
    return recipe.width * recipe.height * recipe.rows * evaluations


def estimate(recipes: Sequence[Recipe], samples: Sequence[Sample]) -> float:
    """Seconds of a job, at the rate of the samples of its size, or else of all samples."""
    same_size = [sample for sample in samples if sample.pixels == pixels(recipes)] or samples
    total = sum(sample.work for sample in same_size)
    rate = (
        sum(sample.seconds for sample in same_size) / total if total else INITIAL_SECONDS_PER_PIXEL
    )
    return max(LEAST, work(recipes) * rate)
