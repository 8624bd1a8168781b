"""The estimated cost of jobs in engine seconds, learned from finished jobs; pure."""

from collections.abc import Sequence
from typing import Final

import msgspec

from engine.contract import (
    BACKEND_WORK,
    INITIAL_SECONDS_PER_PIXEL,
    Capture,
    Detail,
    Recipe,
    Upscale,
    Work,
    row_work,
    strip_steps,
)

LEAST: Final = 0.01
"""Seconds of the cheapest job, so that each job counts."""
UPSCALE_SECONDS_PER_PIXEL: Final = 1e-6
"""Of the result; measured 0.5e-6 to 0.8e-6 on one core."""
FRAME_ROWS: Final = 2.0
"""Decoding and checking a frame costs as much as so many plain rows of an evaluation: about 1 with
the starter, about 3 by the operations of Stable Diffusion's decoder."""
ENCODING_SECONDS_PER_PIXEL: Final = 2e-7
"""Of each frame of a film; measured 0.8e-7 to 1.4e-7 on one core, 4e-7 for the smallest."""
MIN_FILM_PIXELS: Final = 256 * 256
"""Of a frame; smaller pictures are enlarged."""
_NO_CAPTURE: Final = Capture()


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
    """Pixels x rows x model evaluations x the work of a row, which LoRAs, controls and references
    increase: the cost of jobs of one size is proportional to it."""
    return sum(_work(recipe) for recipe in recipes)


def _work(recipe: Work) -> float:
    """Of an upscale 0, because it has no forward pass; of a Detail, that of its tiles."""
    if isinstance(recipe, Upscale):
        return 0.0
    if isinstance(recipe, Detail):
        return len(recipe.tiles) * _work(recipe.tile_recipe())
    rows = recipe.rows * row_work(recipe)
    return recipe.width * recipe.height * rows * _evaluations(recipe)


def _evaluations(recipe: Recipe) -> float:
    """Model evaluations; of a change of the sampler, those of both samplers."""
    phases = recipe.phases
    ends = [*(phase.step for phase in phases[1:]), recipe.executed_steps]
    return sum(
        max(0.0, end - phase.step) * phase.sampler.scheduler.order
        for phase, end in zip(phases, ends, strict=True)
    )


def is_sample(recipes: Sequence[Work]) -> bool:
    """Whether a job has one model and one size, so that its cost says what these cost."""
    is_painted = all(isinstance(recipe, Recipe) for recipe in recipes)
    return is_painted and len({_group(recipe) for recipe in recipes}) == 1


def estimate(
    recipes: Sequence[Work], samples: Sequence[Sample], capture: Capture = _NO_CAPTURE
) -> float:
    """Seconds of a job: of each picture at the rate of the samples of its model and size.

    Without any, those of its model are used, else those of its size, else all. The frames that are
    captured are decoded, and those of a film encoded.
    """
    work_by_group: dict[tuple[str, int], float] = {}
    for recipe in recipes:
        group = _group(recipe)
        decoding = _decoding_work(recipe, capture)
        work_by_group[group] = work_by_group.get(group, 0.0) + _work(recipe) + decoding
    painting = sum(work * _rate(*group, samples) for group, work in work_by_group.items())
    enlarged = sum(
        recipe.width * recipe.height for recipe in recipes if not isinstance(recipe, Recipe)
    )
    encoding = sum(_encoding_seconds(recipe) for recipe in recipes) if capture.film else 0.0
    return max(LEAST, painting + enlarged * UPSCALE_SECONDS_PER_PIXEL + encoding)


def _decoding_work(work: Work, capture: Capture) -> float:
    """Of the frames that are captured."""
    if not isinstance(work, Recipe):
        return 0.0
    frames = work.executed_steps if capture.film else len(strip_steps(work, capture.strip))
    return frames * work.width * work.height * FRAME_ROWS * BACKEND_WORK[work.backend]


def _encoding_seconds(work: Work) -> float:
    """Of a film, which shows each step and at last the picture."""
    frames = 1 + work.recipe.executed_steps
    return frames * max(MIN_FILM_PIXELS, work.width * work.height) * ENCODING_SECONDS_PER_PIXEL


def _group(recipe: Work) -> tuple[str, int]:
    return recipe.revision, recipe.width * recipe.height


def _rate(revision: str, pixels: int, samples: Sequence[Sample]) -> float:
    same_model = [sample for sample in samples if sample.revision == revision]
    same_size = [sample for sample in samples if sample.pixels == pixels]
    same_both = [sample for sample in same_model if sample.pixels == pixels]
    chosen = same_both or same_model or same_size or samples
    total = sum(sample.work for sample in chosen)
    return sum(sample.seconds for sample in chosen) / total if total else INITIAL_SECONDS_PER_PIXEL
