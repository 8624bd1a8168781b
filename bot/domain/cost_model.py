"""The estimated cost of jobs in engine seconds, learned from finished jobs; pure."""

from collections.abc import Sequence
from typing import Final

import msgspec

from engine.contract import INITIAL_SECONDS_PER_PIXEL, Detail, Recipe, Upscale, Work

LEAST: Final = 0.01
"""Seconds of the cheapest job, so that each job counts."""


UPSCALE_SECONDS_PER_PIXEL: Final = 1e-6
"""Of the result; measured 0.5e-6 to 0.8e-6 on one core."""


class Sample(msgspec.Struct, frozen=True):
    """What a finished job cost."""

    pixels: int
    """Of one picture."""
    work: float
    """As in the function `work`."""
    seconds: float
    revision: str = ""
    """Of its model."""


def pixels(recipes: Sequence[Work]) -> int:
    """The pixels of one picture."""
    return recipes[0].width * recipes[0].height


def work(recipes: Sequence[Work]) -> float:
    """Pixels x rows x model evaluations: the cost of jobs of one size is proportional to it."""
    return sum(_work(recipe) for recipe in recipes)


def _work(recipe: Work) -> float:
    """Of an upscale 0, because it has no forward pass; of a Detail, that of its tiles."""
    if isinstance(recipe, Upscale):
        return 0.0
    if isinstance(recipe, Detail):
        return len(recipe.tiles) * _work(recipe.tile_recipe())
    return recipe.width * recipe.height * recipe.rows * _evaluations(recipe)


def _evaluations(recipe: Recipe) -> float:
    """Model evaluations; of a change of the sampler, those of both samplers."""
    steps = recipe.steps * (1.0 if recipe.strength is None else recipe.strength)
    phases = recipe.phases
    ends = [*(phase.step for phase in phases[1:]), steps]
    return sum(
        max(0.0, end - phase.step) * phase.sampler.scheduler.order
        for phase, end in zip(phases, ends, strict=True)
    )


def is_sample(recipes: Sequence[Work]) -> bool:
    """Whether a job has one model and one size, so that its cost says what these cost."""
    is_painted = all(isinstance(recipe, Recipe) for recipe in recipes)
    return is_painted and len({_group(recipe) for recipe in recipes}) == 1


def estimate(recipes: Sequence[Work], samples: Sequence[Sample]) -> float:
    """Seconds of a job: of each picture at the rate of the samples of its model and size.

    Without any, those of its model are used, else those of its size, else all.
    """
    work_by_group: dict[tuple[str, int], float] = {}
    for recipe in recipes:
        group = _group(recipe)
        work_by_group[group] = work_by_group.get(group, 0.0) + _work(recipe)
    painting = sum(work * _rate(*group, samples) for group, work in work_by_group.items())
    enlarged = sum(
        recipe.width * recipe.height for recipe in recipes if not isinstance(recipe, Recipe)
    )
    return max(LEAST, painting + enlarged * UPSCALE_SECONDS_PER_PIXEL)


def _group(recipe: Work) -> tuple[str, int]:
    return recipe.revision, recipe.width * recipe.height


def _rate(revision: str, pixels: int, samples: Sequence[Sample]) -> float:
    same_model = [sample for sample in samples if sample.revision == revision]
    same_size = [sample for sample in samples if sample.pixels == pixels]
    same_both = [sample for sample in same_model if sample.pixels == pixels]
    chosen = same_both or same_model or same_size or samples
    total = sum(sample.work for sample in chosen)
    return sum(sample.seconds for sample in chosen) / total if total else INITIAL_SECONDS_PER_PIXEL
