"""Measure a grid of four pictures of a distilled model beside one of a model with guidance."""

import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import msgspec

from engine.bench.backends import exit_bench
from engine.bench.matrices import paint
from engine.bench.workloads import uniform
from engine.contract import ModelCard, Paint, Recipe
from engine.core.worker import start_worker
from engine.errors import UsageError
from engine.models.base import DiffusionModel
from engine.weights.model_folder import FEW_STEP_STARTER, STARTER

MODELS: Final = f"{FEW_STEP_STARTER},{STARTER}"
"""The models that are measured if none are named."""
PICTURES: Final = 4
_ROUNDS: Final = 9


@dataclass(frozen=True)
class GridTimes:
    """Medians of some rounds, in each of which both models paint a grid."""

    model: str
    steps: int
    seconds: float
    other_model: str
    other_steps: int
    other_seconds: float
    ratio: float
    """The median of the rounds' ratios."""


HEAD: Final = "model                     steps  grid, s  beside           steps  grid, s  ratio\n"


def line(times: GridTimes) -> str:
    """One line of the table."""
    return (
        f"{times.model[:25]:<26}{times.steps:<7}{times.seconds:<9.3f}{times.other_model[:15]:<17}"
        f"{times.other_steps:<7}{times.other_seconds:<9.3f}{times.ratio:.2f}\n"
    )


def run(models: list[DiffusionModel]) -> Iterator[GridTimes]:
    """Measure the first model with its own settings, the second with 20 steps and its guidance.

    Raises UsageError unless there are two models, or EngineError if a picture is not painted.
    """
    if len(models) != 2:
        raise UsageError("--few-steps measures two models: name both in --model.")
    cards = [model.card for model in models]
    grids = [_with_own_settings(cards[0]), uniform(cards[1], PICTURES, 0).paint]
    worker = start_worker(models, exit_bench)
    try:
        for grid in grids:  # warms up
            paint(worker, [grid])
        rounds = [[paint(worker, [grid]).seconds for grid in grids] for _ in range(_ROUNDS)]
    finally:
        worker.close()
    seconds, other_seconds = map(statistics.median, zip(*rounds, strict=True))
    yield GridTimes(
        model=cards[0].name,
        steps=cards[0].steps,
        seconds=seconds,
        other_model=cards[1].name,
        other_steps=_steps(grids[1]),
        other_seconds=other_seconds,
        ratio=statistics.median(few / many for few, many in rounds),
    )


def _with_own_settings(card: ModelCard) -> Paint:
    job = uniform(card, PICTURES, 0).paint
    recipes = [
        msgspec.structs.replace(recipe, steps=card.steps, sampler=card.sampler)
        for recipe in job.recipes
        if isinstance(recipe, Recipe)
    ]
    return msgspec.structs.replace(job, recipes=card.with_row_class(recipes))


def _steps(job: Paint) -> int:
    return next(recipe.steps for recipe in job.recipes if isinstance(recipe, Recipe))
