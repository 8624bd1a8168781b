"""Measure the engine beside diffusers' own pipeline in eager mode, in the same run.

The pipeline has copies of the networks, in the memory layout with which diffusers loads them.
"""

import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import torch
from diffusers import DiffusionPipeline

from engine.bench.backends import costs_of, measure_row_classes
from engine.bench.suite.painting import JobResult, job, paint, recipe
from engine.bench.suite.parity import diffusers_pipeline
from engine.bench.suite.report import Check
from engine.contract import Paint, Recipe, Sampler
from engine.errors import EngineError
from engine.models.base import DiffusionModel
from engine.schedulers import make_scheduler

_ROUNDS: Final = 3
"""Of the loads with one job; the result is the median."""
_WARMUP_STEPS: Final = 2


@dataclass(frozen=True)
class Load:
    """Jobs that are submitted at the same time."""

    jobs: int
    pictures: int
    """Of each job."""
    adaptive: bool
    goal: float | None = None
    """How many times as many pictures per second as diffusers it should paint at least."""
    pictures_goal: float | None = None
    """How many pictures per second it should paint at least, on an H200."""

    @property
    def subject(self) -> str:
        """What the report calls it."""
        mode = "adaptive" if self.adaptive else "exact"
        return f"engine, {mode}: {self.jobs} x {self.pictures} pictures"


@dataclass(frozen=True)
class SpeedPlan:
    """What is measured with one model."""

    steps: int
    serial_jobs: int
    """Jobs of diffusers, one after another, for each number of pictures."""
    loads: Sequence[Load]


def measure_speed(model: DiffusionModel, plan: SpeedPlan) -> Iterator[Check]:
    """diffusers for each number of pictures of a job, and then the loads of the engine.

    A load with a goal passes if it reaches it.
    """
    _prepare(model)
    serial: dict[int, float] = {}
    pipeline = diffusers_pipeline(model, model.device.dtype)
    for pictures in sorted({load.pictures for load in plan.loads}):
        serial[pictures] = _diffusers_rate(pipeline, model, plan, pictures)
        subject = f"diffusers, one job after another: {plan.serial_jobs} x {pictures} pictures"
        yield Check(subject=subject, values={"pictures/s": round(serial[pictures], 4)})
    del pipeline
    model.device.empty_cache()
    for load in plan.loads:
        values = _engine_values(model, plan, load)
        rate, factor = values["pictures/s"], values["pictures/s"] / serial[load.pictures]
        values["times diffusers"] = round(factor, 2)
        reached = [
            value >= goal
            for value, goal in ((factor, load.goal), (rate, load.pictures_goal))
            if goal is not None
        ]
        goals = {"goal, times diffusers": load.goal, "goal, pictures/s": load.pictures_goal}
        values |= {name: goal for name, goal in goals.items() if goal is not None}
        yield Check(subject=load.subject, passed=all(reached) if reached else None, values=values)


def _prepare(model: DiffusionModel) -> None:
    """Test, capture and measure the batches in use, and call the decoder and the checker once."""
    side = model.card.native_size
    measure_row_classes(model, side, side)
    for rows in model.card.row_classes(side, side):
        paint([model], [job(recipe(model, steps=_WARMUP_STEPS, row_class=rows))])


def _jobs(model: DiffusionModel, plan: SpeedPlan, load: Load) -> list[Paint]:
    """The jobs, which are all of the native size and the same sampler."""
    return [
        job(
            *model.card.with_row_class(_recipes(model, plan, nth, load.pictures)),
            name=str(nth),
            owner=str(nth),
            adaptive=load.adaptive,
        )
        for nth in range(load.jobs)
    ]


def _recipes(model: DiffusionModel, plan: SpeedPlan, nth: int, pictures: int) -> list[Recipe]:
    first = recipe(model, steps=plan.steps, sampler=Sampler.EULER, prompt=f"a red house {nth}")
    return [
        msgspec.structs.replace(first, seed=1000 * nth + picture) for picture in range(pictures)
    ]


def _engine_values(model: DiffusionModel, plan: SpeedPlan, load: Load) -> dict[str, Any]:
    """Pictures per second from the submission of all jobs to the last picture, as a PNG."""
    runs = []
    for _ in range(_ROUNDS if load.jobs == 1 else 1):
        results = paint([model], _jobs(model, plan, load), costs=costs_of(model))
        for result in results:
            if any(digest.startswith("failed") for digest in result.digests):
                raise EngineError(f"The job {result.job.job} has failed pictures.")
        runs.append(results)
    by_end = sorted(runs, key=_seconds)[len(runs) // 2]
    latencies = sorted(result.seconds for result in by_end)
    return {
        "pictures/s": round(load.jobs * load.pictures / _seconds(by_end), 4),
        "p50 s": round(statistics.median(latencies), 3),
        "p95 s": round(latencies[min(len(latencies) - 1, int(0.95 * len(latencies)))], 3),
        "row classes": sorted(
            {image.row_class for result in by_end for image in result.images.values()}
        ),
    }


def _seconds(results: Sequence[JobResult]) -> float:
    return max(result.seconds for result in results)


def _diffusers_rate(
    pipeline: DiffusionPipeline, model: DiffusionModel, plan: SpeedPlan, pictures: int
) -> float:
    """Pictures per second of diffusers' pipeline with jobs of so many pictures."""
    _run_pipeline(pipeline, model, _recipes(model, plan, 0, pictures), _WARMUP_STEPS)
    model.device.synchronize()
    start = time.monotonic()
    for nth in range(plan.serial_jobs):
        _run_pipeline(pipeline, model, _recipes(model, plan, nth, pictures), plan.steps)
    model.device.synchronize()
    return plan.serial_jobs * pictures / (time.monotonic() - start)


def _run_pipeline(
    pipeline: DiffusionPipeline, model: DiffusionModel, recipes: Sequence[Recipe], steps: int
) -> None:
    """Paint a job with diffusers, and convert its pictures to images."""
    pipeline.scheduler = make_scheduler(recipes[0].sampler, model.scheduler_config)
    pipeline(
        prompt=[recipe.prompt for recipe in recipes],
        num_inference_steps=steps,
        guidance_scale=recipes[0].guidance,
        width=recipes[0].width,
        height=recipes[0].height,
        generator=[torch.Generator("cpu").manual_seed(recipe.seed) for recipe in recipes],
    )
