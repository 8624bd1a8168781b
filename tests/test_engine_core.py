"""The engine core: an image has the same bits beside any other job, and cancellation is quick."""

import dataclasses
import re
import threading
import time
from typing import Any

import pytest
import torch

from engine.contract import (
    Backend,
    Cancelled,
    Event,
    Img2Img,
    Recipe,
    Sampler,
    Stepped,
    Subseed,
    sha256,
)
from engine.contract.images.encode import encode_png
from engine.core.executor import BatchExecutor
from engine.core.preparation import prepare
from engine.core.request import Request
from engine.core.scheduler import AGING_PERIOD
from engine.core.warmup import warmup
from engine.device.cores import has_all_cores
from tests.engine_parts import (
    Painted,
    digests,
    engine_core,
    failure_reason,
    fresh_engine_core,
    job,
    new_engine_core,
    painted_images,
    recipe,
    rendered_images,
    run_job,
    run_together,
    sketch,
)


@pytest.mark.parametrize("guidance", [1.0, 5.0])
@pytest.mark.parametrize("sampler", [Sampler.DDIM, Sampler.EULER_A, Sampler.DPMPP_2M_SDE])
@pytest.mark.parametrize(("width", "height"), [(64, 64), (136, 72)])
def test_an_image_alone_has_the_bits_of_the_image_in_a_grid(
    width: int, height: int, sampler: Sampler, guidance: float
) -> None:
    """A replay of one image of four has the same bits."""
    grid = [
        recipe(
            seed=seed,
            sampler=sampler,
            guidance=guidance,
            width=width,
            height=height,
            row_class=8,
        )
        for seed in range(40, 44)
    ]
    together = digests(*grid)
    assert len(set(together)) == 4
    assert together == [digests(single)[0] for single in grid]


def test_different_images_in_one_job_change_no_bit() -> None:
    """The images have other prompts, samplers, numbers of steps and sizes."""
    mixed = [
        recipe(row_class=8),
        recipe(row_class=8, prompt="a boat", steps=9, sampler=Sampler.HEUN),
        recipe(row_class=8, width=72, guidance=1.0, sampler=Sampler.LCM),
        recipe(row_class=2, negative="grey", subseeds=(Subseed(3, 0.4),)),
    ]
    assert digests(*mixed) == [digests(single)[0] for single in mixed]


def test_more_rows_than_the_row_class_take_turns() -> None:
    """Four images of row class 2 are painted in batches of two rows, with the bits of single
    images."""
    grid = [recipe(seed=seed) for seed in range(4)]
    assert digests(*grid) == [digests(single)[0] for single in grid]


def test_img2img_in_a_grid_changes_no_bit() -> None:
    """A replay of each of four images from one init image has the same bits."""
    data = encode_png(sketch())
    grid = [
        recipe(seed=seed, row_class=8, source=Img2Img(sha256(data), 0.6), steps=5)
        for seed in range(4)
    ]
    together = painted_images(job(*grid, source=data))
    alone = [painted_images(job(single, source=data))[0] for single in grid]
    assert [image.sha256 for image in together] == [image.sha256 for image in alone]


def test_an_init_image_of_another_size_is_resized() -> None:
    """The painted image has the size of the recipe."""
    data = encode_png(sketch(200, 100))
    img2img = recipe(source=Img2Img(sha256(data), 0.5), width=64, height=96)
    assert rendered_images(job(img2img, source=data))[0].size == (64, 96)


def test_each_evaluation_emits_progress() -> None:
    """`steps` counts evaluations; a second-order sampler has more of them than steps."""
    events: list[Event] = []
    run_job(job(recipe(sampler=Sampler.HEUN, steps=60)), emit=events.append)
    steps = [event for event in events if isinstance(event, Stepped)]
    assert [step.step for step in steps] == list(range(1, 120))
    assert {step.steps for step in steps} == {119}
    assert any(step.preview for step in steps)


def test_a_job_is_cancelled_between_two_evaluations() -> None:
    """Nothing is evaluated after the request to cancel, and the slots of the job are free."""
    events: list[Event] = []
    core, request = engine_core(), Request(job(recipe(steps=150)), events.append)
    core.add_request(request)
    while not events:
        core.tick()
    statuses = [request.status]
    request.request_cancel()
    statuses.append(request.status)
    core.tick()
    statuses.append(request.status)
    assert [status.name for status in statuses] == ["RUNNING", "CANCELLING", "CANCELLED"]
    assert [type(event) for event in events] == [Stepped, Cancelled]
    assert core.requests == []


def test_a_job_cancelled_before_its_preparation_is_not_prepared() -> None:
    """Its prompt is not encoded."""
    core = new_engine_core()
    first, second = (Request(job(job=name), lambda _: None) for name in "ab")
    for request in (first, second):
        core.add_request(request)
    second.request_cancel()
    core.tick()
    assert core.requests == [first]


def test_a_job_cancelled_during_its_preparation_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such a job has no images that a later tick could remove."""
    events: list[Event] = []
    core, request = new_engine_core(), Request(job(), events.append)
    core._executor = BatchExecutor(1)

    def prepare_and_cancel(request: Request, *arguments: Any) -> None:  # noqa: ANN401 # its own
        prepare(request, *arguments)
        request.request_cancel()

    monkeypatch.setattr("engine.core.engine_core.prepare", prepare_and_cancel)
    core.add_request(request)
    core.tick()
    assert [type(event) for event in events] == [Cancelled]
    assert core.requests == []


def test_a_short_job_ends_before_a_long_one_that_came_earlier() -> None:
    """The short job joins the ticks of the long one."""
    core, events = engine_core(), list[Event]()
    slow = Request(job(recipe(steps=150, row_class=8), job="slow"), lambda _: None)
    quick = Request(job(recipe(steps=2, row_class=8), job="quick"), events.append)
    core.add_request(slow)
    while not slow.step:
        core.tick()
    core.add_request(quick)
    while quick in core.requests:
        core.tick()
    assert core.requests == [slow]
    assert slow.step < 10
    slow.request_cancel()
    core.tick()


def test_preparing_a_new_size_blocks_no_other_job(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other jobs are painted during the preparation."""
    model = engine_core().model
    device = dataclasses.replace(model.device, max_concurrent_batches=3)
    monkeypatch.setattr(model, "device", device)
    core = new_engine_core()
    is_batch_invariant = core.model.is_batch_invariant
    slow = Request(job(recipe(steps=150)), lambda _: None)
    core.add_request(slow)
    while not slow.step:
        core.tick()
    before = slow.step

    def wait_for_steps(
        width: int, height: int, rows: int, text_chunks: int, backend: Backend
    ) -> bool:
        while slow.step < before + 5:
            time.sleep(0.001)
        return is_batch_invariant(width, height, rows, text_chunks, backend)

    monkeypatch.setattr(core.model, "is_batch_invariant", wait_for_steps)
    events = list[Event]()
    core.add_request(Request(job(recipe(width=72), job="new"), events.append))
    while not any(isinstance(event, Stepped) for event in events):
        core.tick()
    assert slow.step >= before + 5
    for request in core.requests:
        request.request_cancel()
    core.tick()


def test_a_pass_has_all_cores_only_if_nothing_else_runs() -> None:
    """Else two passes together would have more threads than there are cores."""
    core, running, alone = new_engine_core(), 0, list[bool]()
    for width in (64, 72):  # a new size is measured first
        run_job(job(recipe(steps=1, width=width)), core)
    predict, lock = core.model.predict, threading.Lock()

    def record_cores(*inputs: Any) -> torch.Tensor:  # noqa: ANN401 - those of `predict`
        nonlocal running
        with lock:
            assert not has_all_cores() or running == 0
            alone.append(has_all_cores())
            running += 1
        try:
            return predict(*inputs)
        finally:
            with lock:
                running -= 1

    core.model.predict = record_cores  # type: ignore[method-assign, assignment] # a shared model
    try:
        run_job(job(recipe(steps=5)), core)
        assert alone == [True] * 5
        run_together(core, job(recipe(steps=20)), job(recipe(steps=20, width=72)))
    finally:
        del core.model.predict
    assert (False in alone) == (core.model.device.max_concurrent_batches > 1)


def test_warmup_measures_the_batches_of_the_native_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches are measured in descending order of size."""
    model, shapes = fresh_engine_core().model, list[tuple[int, int, int]]()

    def record_shape(width: int, height: int, rows: int, backend: Backend) -> bool:
        shapes.append((width, height, rows))
        return True

    monkeypatch.setattr(model, "is_batch_invariant", record_shape)
    warmup([model])
    assert shapes == [(64, 64, 8), (64, 64, 4), (64, 64, 2)]


def test_several_models_are_served_at_the_same_time() -> None:
    """Each job is painted by the model that is named in its recipes."""

    def change_bias(pipeline: object) -> None:
        pipeline.unet.conv_out.bias.fill_(0.1)  # type: ignore[attr-defined] # no types

    first, second = engine_core(), engine_core(change=change_bias)
    shared_core = new_engine_core(first.model, second.model)
    jobs = [job(recipe(core, seed=3)) for core in (first, second)]
    endings = run_together(shared_core, *jobs)
    for ending, paint, core in zip(endings, jobs, (first, second), strict=True):
        assert isinstance(ending, Painted)
        assert ending.pictures == painted_images(paint, core)
    unknown_job = job(recipe(model="strange"))
    assert re.search(
        "needs the model strange .* and .* are loaded", failure_reason(unknown_job, shared_core)
    )


def test_a_newcomer_gets_most_of_the_engine() -> None:
    """An owner of twelve images still makes progress beside the newcomer."""
    core = new_engine_core()
    core._executor = BatchExecutor(1)
    heavy = [
        Request(
            job(*grid(steps=60), job=f"heavy{number}", owner="heavy", prior_seconds=100.0),
            lambda _: None,
        )
        for number in range(3)
    ]
    new = Request(job(*grid(steps=40), job="new", owner="new"), lambda _: None)
    for request in [*heavy, new]:
        core.add_request(request)
    while new in core.requests:
        core.tick()
    assert core.meter.ticks == 40 + 40 // (AGING_PERIOD - 1)
    assert [request.step for request in heavy] == [1, 0, 0]
    for request in heavy:
        request.request_cancel()
    core.tick()


def grid(steps: int) -> list[Recipe]:
    """Four recipes that fill a batch."""
    return [recipe(steps=steps, seed=seed, row_class=8) for seed in range(4)]


def test_nan_stays_with_its_image() -> None:
    """The image's job fails; images that shared its batches have the bits of single images."""
    core = engine_core()
    poison = core.model.encode_prompt(recipe(prompt="poison"))["encoder_hidden_states"][1]
    recipes = [
        recipe(row_class=8, sampler=Sampler.DPMPP_2M_SDE),
        recipe(row_class=8, prompt="poison"),
        recipe(row_class=8, seed=8, guidance=1.0),
    ]
    predict = core.model.predict

    def overflow(
        latents: torch.Tensor,
        timesteps: torch.Tensor,
        conditioning: dict[str, torch.Tensor],
        backend: Backend,
    ) -> torch.Tensor:
        embeds = conditioning["encoder_hidden_states"]
        is_bad = torch.tensor([torch.equal(row, poison) for row in embeds])
        latents = torch.where(is_bad[:, None, None, None], torch.nan, latents)
        return predict(latents, timesteps, conditioning, backend)

    core.model.predict = overflow  # type: ignore[method-assign, assignment]
    try:
        good, bad, other, all_in_one = run_together(core, *map(job, recipes), job(*recipes))
    finally:
        del core.model.predict
    assert "overflowed" in getattr(bad, "reason", "")
    for ending, single in ((good, recipes[0]), (other, recipes[2])):
        assert isinstance(ending, Painted)
        assert ending.pictures[0].sha256 == digests(single)[0]
    assert isinstance(all_in_one, Painted)
    expected = [digests(recipes[0])[0], "", digests(recipes[2])[0]]
    assert [image.sha256 for image in all_in_one.pictures] == expected
    failed = all_in_one.pictures[1]
    assert "overflowed" in (failed.failed or "")
    assert not failed.png
    assert not failed.withheld
