"""Models that do not fit on the device together."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch

from engine.bench.backends import pipeline_of
from engine.contract import (
    Cancelled,
    Completed,
    Event,
    ImageDone,
    Img2Img,
    Paint,
    Recipe,
    Sampler,
    sha256,
)
from engine.contract.images.encode import encode_png
from engine.core.engine_core import EngineCore
from engine.core.model_pool import ModelPool
from engine.core.placement import MIN_SLICE_SECONDS
from engine.core.postprocess import Postprocessor
from engine.core.request import Request
from engine.core.warmup import warmup
from engine.models.base import Conditioning, DiffusionModel
from tests import tiny_model
from tests.budget_device import load_within
from tests.engine_parts import job, load_engine_core, recipe, sketch


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The folders of three models of equal size; the third has other weights."""
    folder = tmp_path_factory.mktemp("models")

    def change(pipeline: object) -> None:
        for parameter in pipeline.unet.parameters():  # type: ignore[attr-defined] # diffusers is untyped
            parameter.mul_(1.01)

    return [
        str(tiny_model.save(folder / "one")),
        str(tiny_model.save(folder / "two")),
        str(tiny_model.save(folder / "three", change=change)),
    ]


class Clock:
    """A clock that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        """The time in seconds."""
        return self.now


def residents(pool: ModelPool) -> list[int]:
    """The indices of the models on the device."""
    return [index for index, model in enumerate(pool.models) if model.is_resident]


def predict(model: DiffusionModel, conditioning: Conditioning | None = None) -> torch.Tensor:
    """The output of a forward pass with fixed inputs, if there is no other conditioning."""
    with torch.inference_mode():
        conditioning = conditioning or model.encode_prompt(recipe(guidance=1.0))
        latents = torch.linspace(-1, 1, 4 * 8 * 8).reshape(1, 4, 8, 8)
        return model.predict(latents, torch.tensor([500.0]), conditioning).clone()


def test_moved_weights_give_the_same_bits(names: list[str]) -> None:
    """A model on the host cannot be used by mistake."""
    [model] = load_within(names[:1], 1.0)
    with torch.inference_mode():
        image = model.decode_latents(torch.zeros(1, 4, 8, 8).fill_(0.3))
        before, verdicts = predict(model), model.check_safety(image)
        conditioning = model.encode_prompt(recipe(guidance=1.0))
    for _ in range(2):
        model.to_host()
        assert not model.is_resident
        with pytest.raises(RuntimeError):
            predict(model, conditioning)
        model.to_device()
        assert torch.equal(predict(model), before)
    assert model.check_safety(image) == verdicts


def test_a_model_on_the_host_keeps_no_encoded_prompts(names: list[str]) -> None:
    """They are on the device."""
    [model] = load_within(names[:1], 1.0)
    encoded = list[object]()
    encoder = pipeline_of(model).text_encoder
    encoder.register_forward_hook(lambda *_: encoded.append(None))
    for count in (1, 1):
        predict(model)
        assert len(encoded) == count
    model.to_host()
    model.to_device()
    predict(model)
    assert len(encoded) == 2


def test_the_weights_of_the_checker_move_too(tmp_path: Path) -> None:
    """Also those of a checker that is not part of the pipeline."""
    [model] = load_within([str(tiny_model.save_xl(tmp_path / "xl"))], 1.0)
    with torch.inference_mode():
        image = model.decode_latents(torch.zeros(1, 4, 8, 8).fill_(0.3))
    before = model.check_safety(image)
    model.to_host()
    assert [verdict.score for verdict in model.check_safety(image)] == [None]
    model.to_device()
    assert model.check_safety(image) == before


def test_models_that_fit_are_never_moved(names: list[str]) -> None:
    """All of them are ready at once."""
    pool = ModelPool(load_within(names, 3.0))
    assert pool.ready(dict.fromkeys(pool.models, 0.0)) == set(pool.models)
    assert pool.moves == 0


def test_the_model_that_has_work_is_moved_to_the_device(names: list[str]) -> None:
    """The least recently used one makes room; a model in use or in its time slice does not."""
    clock = Clock()
    first, second, third = models = load_within(names, 2.0)
    third.to_host()
    pool = ModelPool(models, clock)
    clock.now = 1.0
    with pool.use(second):
        pass
    clock.now = 2.0
    assert pool.ready({third: 2.0}) == {second, third}
    assert residents(pool) == [1, 2]
    with pool.use(second):
        work = {first: 2.0, third: 2.0}
        assert pool.ready(work) == {third}, "the second starts nothing more"
        assert residents(pool) == [1, 2]
    assert pool.ready(work) == {first, third}
    assert pool.ready({second: 2.0} | work) == {first, third}, "their slices have not ended"
    clock.now += MIN_SLICE_SECONDS
    assert second in pool.ready({second: 2.0} | work)
    assert pool.moves == 3


def test_all_others_make_room_for_a_large_batch(names: list[str]) -> None:
    """Those in use stay."""
    first, second, third = models = load_within(names, 3.0)
    pool = ModelPool(models)
    with pool.use(second):
        assert pool.make_room(third)
        assert residents(pool) == [1, 2]
        assert not pool.make_room(third)
    pool.place(first)
    assert residents(pool) == [0, 1, 2]


def test_a_model_that_does_not_fit_is_tried_again(
    names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After all others that are not in use were moved, and again when one is released."""
    first, second, third = models = load_within(names, 3.0)
    third.to_host()
    pool, move = ModelPool(models), third.to_device

    def fail_beside_others() -> None:
        if any(model.is_resident for model in (first, second)):
            raise torch.OutOfMemoryError("out of memory")
        move()

    monkeypatch.setattr(third, "to_device", fail_beside_others)
    with pool.use(second):
        assert pool.ready({third: 0.0}) == {second}
        assert residents(pool) == [1]
        pool.wait_released()
    assert pool.ready({third: 0.0}) == {third}


class PassClock(Clock):
    """A clock that each forward pass sets forward."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def call(self, run: Callable[[], torch.Tensor]) -> torch.Tensor:
        """Run a pass."""
        self.now += self._seconds
        return run()


def recipe_of(model: DiffusionModel, **changes: Any) -> Recipe:  # noqa: ANN401 - any field
    """A quick recipe for this model."""
    return recipe(model=model.card.name, revision=model.card.revision, **changes)


def mixed_jobs(models: list[DiffusionModel]) -> list[Paint]:
    """A job of each model with several sizes and samplers, and one of all of them."""
    png = encode_png(sketch())
    img2img: dict[str, Any] = {"source": Img2Img(sha256(png), 0.5)}
    jobs = [
        job(
            recipe_of(model, seed=nth, steps=12),
            recipe_of(model, seed=nth, sampler=Sampler.EULER_A, width=72, row_class=4),
            job=f"j{nth}",
        )
        for nth, model in enumerate(models)
    ]
    all_models = [recipe_of(model, seed=9, **img2img) for model in models]
    return [*jobs, job(*all_models, job="all", inputs=(sha256(png),))]


@pytest.mark.parametrize(("pass_seconds", "least_moves"), [(0.001, 3), (1.0, 8)])
def test_pictures_have_the_same_bits_whatever_is_moved(
    names: list[str], pass_seconds: float, least_moves: int
) -> None:
    """Also if models are moved in the middle of their jobs, and in a job of more models than fit on
    the device. Previews and safety checks use the weights too."""
    models = load_within(names, 1.0)
    for model in models[1:]:
        model.to_host()
    clock = PassClock(pass_seconds)
    core = EngineCore(models, Postprocessor(1.0), call_model=clock.call, clock=clock)
    events: dict[str, list[Event]] = {}
    png = encode_png(sketch())
    for paint in mixed_jobs(models):
        sink = events.setdefault(paint.job, [])
        core.add_request(Request(paint, sink.append, {sha256(png): png}))
    while core.requests:
        core.tick()
        assert sum(model.is_resident for model in models) == 1
    core.postprocessor.flush()
    assert core.pool.moves >= least_moves
    for paint in mixed_jobs(models):
        assert isinstance(events[paint.job][-1], Completed), events[paint.job][-1]
        digests = {
            event.index: event.image.sha256
            for event in events[paint.job]
            if isinstance(event, ImageDone)
        }
        expected = expected_digests(names, paint, {sha256(png): png})
        assert [digests[index] for index in range(len(paint.recipes))] == expected


def expected_digests(names: list[str], paint: Paint, files: dict[str, bytes]) -> list[str]:
    """What each picture of the job is with its model alone."""
    result = []
    for a_recipe in paint.recipes:
        core = alone(a_recipe.model)
        one = msgspec.structs.replace(paint, recipes=(a_recipe,))
        sink: list[Event] = []
        core.add_request(Request(one, sink.append, files))
        while core.requests:
            core.tick()
        core.postprocessor.flush()
        result += [event.image.sha256 for event in sink if isinstance(event, ImageDone)]
    return result


@cache
def alone(name: str) -> EngineCore:
    """An engine core with this model only."""
    return load_engine_core(name)


def test_a_job_that_is_cancelled_while_it_waits_for_its_model_ends(names: list[str]) -> None:
    """The other job goes on."""
    first, second = models = load_within(names[:2], 1.0)
    second.to_host()
    core, events = EngineCore(models, Postprocessor(1.0), clock=Clock()), list[Event]()
    waiting = Request(job(recipe_of(second)), events.append)
    core.add_request(Request(job(recipe_of(first, steps=30), job="b"), lambda _: None))
    core.add_request(waiting)
    for _ in range(3):
        core.tick()
    waiting.request_cancel()
    while core.requests:
        core.tick()
    assert isinstance(events[-1], Cancelled)
    assert core.pool.moves == 0


def test_other_models_make_room_before_bits_change(
    names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lack of memory leads to a smaller row class only when no other model can make room."""
    first, second = models = load_within(names[:2], 2.0)
    monkeypatch.setattr(first, "fits_in_memory", lambda *_: not second.is_resident)
    core, events = EngineCore(models, Postprocessor(1.0)), list[Event]()
    core.add_request(Request(job(recipe_of(first, row_class=8)), events.append))
    while core.requests:
        core.tick()
    core.postprocessor.flush()
    [done] = [event for event in events if isinstance(event, ImageDone)]
    assert done.image.row_class == 8
    assert not second.is_resident


def test_a_pass_without_memory_is_repeated_with_more_room(
    names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It keeps its row class if another model could be moved."""
    first, second = models = load_within(names[:2], 2.0)
    predict = first.predict

    def fail_beside_second(*inputs: Any) -> torch.Tensor:  # noqa: ANN401 - those of `predict`
        if second.is_resident:
            raise torch.OutOfMemoryError("out of memory")
        return predict(*inputs)

    with torch.inference_mode():
        first.is_batch_invariant(64, 64, 8)
    monkeypatch.setattr(first, "predict", fail_beside_second)
    core, events = EngineCore(models, Postprocessor(1.0)), list[Event]()
    core.add_request(Request(job(recipe_of(first, row_class=8)), events.append))
    while core.requests:
        core.tick()
    core.postprocessor.flush()
    [done] = [event for event in events if isinstance(event, ImageDone)]
    assert done.image.row_class == 8


def test_models_are_warmed_up_one_after_another(names: list[str]) -> None:
    """The default stays on the device."""
    models = load_within(names, 1.0)
    for model in models[1:]:
        model.to_host()
    warmup(models)
    assert [model.is_resident for model in models] == [True, False, False]
