"""Check that failures of one picture or of the memory leave all other pictures as they are."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

import msgspec
import torch

from engine.bench.suite.painting import (
    JobResult,
    Predict,
    intercepted,
    job,
    paint,
    paint_alone,
    recipe,
)
from engine.bench.suite.report import Check
from engine.contract import Backend, Cancelled, Completed, Failed, Recipe
from engine.core.request import Request
from engine.models.base import Conditioning, DiffusionModel

STEPS: Final = 4
_LONG_STEPS: Final = 30
_CANCEL_TICK: Final = 4
_POISON: Final = "a picture of NaN"
_LEFT_FREE: Final = 300 * 2**20
"""Bytes of the device's memory that are left free to make it too small."""
_MEMORY_REASON: Final = "out of memory"
"""Part of the sentence of a job for which there was too little memory."""


def check_nan(model: DiffusionModel) -> Iterator[Check]:
    """A picture whose values become NaN fails alone."""
    healthy = recipe(model, steps=STEPS, prompt="a blue boat", seed=8)
    poisoned = recipe(model, steps=STEPS, prompt=_POISON, seed=9)
    alone = _alone(model, healthy, 2)
    rows = model.encode_prompt(poisoned)["encoder_hidden_states"][-1]

    def wrap(predict: Predict) -> Predict:
        def predict_nan(
            latents: torch.Tensor,
            timesteps: torch.Tensor,
            conditioning: Conditioning,
            backend: Backend,
        ) -> torch.Tensor:
            output = predict(latents, timesteps, conditioning, backend).clone()
            for row, embeds in enumerate(conditioning["encoder_hidden_states"]):
                if torch.equal(embeds, rows):
                    output[row] = torch.nan
            return output

        return predict_nan

    with intercepted(model, wrap):
        [result] = paint([model], [job(*model.card.with_row_class([poisoned, healthy]))])
    passed = (
        isinstance(result.ending, Completed)
        and result.images[0].failed is not None
        and result.images[1].sha256 == alone
    )
    yield Check(subject="one of two pictures", passed=passed, values=_about(result))


def check_cancel(model: DiffusionModel) -> Iterator[Check]:
    """A job that is cancelled ends at once, and the job beside it has the pixels that it has
    alone."""
    long = recipe(model, steps=_LONG_STEPS, seed=8)
    short = recipe(model, steps=2 * STEPS, seed=9)
    alone = paint_alone(model, short)

    def cancel(ticks: int, requests: Sequence[Request]) -> None:
        if ticks == _CANCEL_TICK:
            requests[0].request_cancel()

    jobs = [job(long, name="cancelled"), job(short, name="other")]
    cancelled, other = paint([model], jobs, cancel)
    passed = isinstance(cancelled.ending, Cancelled) and other.digests == [alone]
    passed = passed and cancelled.seconds < other.seconds
    yield Check(
        subject="one of two jobs",
        passed=passed,
        values={"cancelled": _about(cancelled), "other": _about(other)},
    )


def check_simulated_lack_of_memory(model: DiffusionModel) -> Iterator[Check]:
    """Batches that do not fit are repeated with fewer rows; if none fits, the job fails with a
    sentence, and the next one succeeds."""
    side = model.card.native_size
    smallest, *_, largest = sorted(model.card.row_classes(side, side))
    recipes = [
        recipe(model, steps=STEPS, seed=seed, row_class=largest) for seed in range(largest // 2)
    ]
    small = [msgspec.structs.replace(item, row_class=smallest) for item in recipes]
    expected = [paint_alone(model, item) for item in small[:2]]
    with intercepted(model, _failing_above(smallest)):
        [result] = paint([model], [job(*recipes)])
    passed = result.images[0].row_class == smallest and result.digests[:2] == expected
    yield Check(subject="more than the smallest batch", passed=passed, values=_about(result))
    with intercepted(model, _failing_above(0)):
        [result] = paint([model], [job(*recipes)])
    yield Check(subject="all batches", passed=_lacks_memory(result), values=_about(result))
    again = paint_alone(model, small[0])
    yield Check(subject="the next job", passed=again == expected[0])


def check_lack_of_memory(model: DiffusionModel) -> Iterator[Check]:
    """While another program's memory leaves too little, a job fails with a sentence or succeeds
    in smaller batches; with the memory back, a picture has the same pixels as before."""
    available = model.device.available_memory()
    if available is None:
        yield Check(subject="the device's memory has no limit of its own")
        return
    before = paint_alone(model, recipe(model, steps=STEPS))
    model.device.empty_cache()
    side = min(2 * model.card.native_size, 1024)
    large = [recipe(model, steps=STEPS, seed=seed, width=side, height=side) for seed in range(4)]
    free, _ = torch.cuda.mem_get_info(model.device.torch_device)
    occupied = torch.empty(
        max(0, free - _LEFT_FREE), dtype=torch.uint8, device=model.device.torch_device
    )
    try:
        [result] = paint([model], [job(*model.card.with_row_class(large))])
    finally:
        del occupied
        model.device.empty_cache()
    passed = _lacks_memory(result) or (
        isinstance(result.ending, Completed)
        and all(_MEMORY_REASON in image.failed for image in result.images.values() if image.failed)
    )
    yield Check(subject=f"four pictures of {side} x {side}", passed=passed, values=_about(result))
    again = paint_alone(model, recipe(model, steps=STEPS))
    yield Check(subject="the next job", passed=again == before)


def check_moves(model: DiffusionModel) -> Iterator[Check]:
    """Weights that were moved to the host and back give the same pixels."""
    target = recipe(model, steps=STEPS)
    before, available = paint_alone(model, target), model.device.available_memory()
    model.to_host()
    model.device.empty_cache()
    freed = None if available is None else (model.device.available_memory() or 0) - available
    model.to_device()
    again = paint_alone(model, target)
    passed = again == before and (freed is None or freed > 0)
    yield Check(subject="to the host and back", passed=passed, values={"freed bytes": freed})


def check_several_models(
    get: Callable[[str], DiffusionModel], names: Sequence[str]
) -> Iterator[Check]:
    """Jobs of several models at the same time have the pixels that they have alone; on a device
    with its own memory, the last model is on the host at first."""
    models = [get(name) for name in names]
    recipes = [[recipe(model, steps=STEPS, seed=seed) for seed in range(2)] for model in models]
    alone = [
        [paint_alone(model, item) for item in own]
        for model, own in zip(models, recipes, strict=True)
    ]
    if models[-1].device.available_memory() is not None:
        models[-1].to_host()
        models[-1].device.empty_cache()
    jobs = [job(*own, name=name) for name, own in zip(names, recipes, strict=True)]
    results = paint(models, jobs)
    for name, result, digests in zip(names, results, alone, strict=True):
        yield Check(subject=name, passed=result.digests == digests, values=_about(result))


def _failing_above(rows: int) -> Callable[[Predict], Predict]:
    """A wrapper under which larger batches fail for a lack of memory."""

    def wrap(predict: Predict) -> Predict:
        def predict_small(
            latents: torch.Tensor,
            timesteps: torch.Tensor,
            conditioning: Conditioning,
            backend: Backend,
        ) -> torch.Tensor:
            if len(latents) > rows:
                raise torch.OutOfMemoryError("out of memory, simulated")
            return predict(latents, timesteps, conditioning, backend)

        return predict_small

    return wrap


def _alone(model: DiffusionModel, recipe: Recipe, pictures: int) -> str:
    """The digest of a picture alone in the row class of a job of so many pictures."""
    return paint_alone(model, model.card.with_row_class([recipe] * pictures)[0])


def _lacks_memory(result: JobResult) -> bool:
    return isinstance(result.ending, Failed) and _MEMORY_REASON in result.ending.reason


def _about(result: JobResult) -> dict[str, object]:
    """What happened to a job, in short."""
    values: dict[str, object] = {"ending": type(result.ending).__name__}
    if isinstance(result.ending, Failed):
        values["reason"] = result.ending.reason
    failures = [image.failed for image in result.images.values() if image.failed]
    if failures:
        values["failed pictures"] = failures
    if result.images:
        values["row classes"] = sorted({image.row_class for image in result.images.values()})
    return values | {"seconds": round(result.seconds, 3)}
