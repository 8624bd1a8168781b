"""Failures in the engine core: each has its true reason, and none affects another job."""

import random
from contextlib import AbstractContextManager
from typing import Any

import msgspec
import pytest
import torch
from PIL import Image

from engine.contract import (
    Adapter,
    Completed,
    Control,
    Edit,
    Event,
    Failed,
    Img2Img,
    Inpaint,
    Reference,
    Sampler,
    sha256,
)
from engine.contract.images.encode import encode_png
from engine.contract.images.refusals import MAX_FILE_BYTES
from engine.core.engine_core import EngineCore
from engine.core.request import Request
from engine.core.warmup import warmup
from engine.errors import InvalidJob
from tests.engine_parts import (
    Painted,
    before_each_pass,
    digests,
    engine_core,
    failure_reason,
    fresh_engine_core,
    job,
    new_engine_core,
    painted_images,
    recipe,
    rendered_images,
    run_together,
)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (InvalidJob("There is no such paint."), "There is no such paint."),
        (MemoryError(), "out of memory"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate"), "smaller size"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "out of memory"),
        (KeyError("a bug"), "The engine failed (KeyError)"),
        (RuntimeError("shapes do not match"), "The engine failed (RuntimeError)"),
    ],
)
def test_a_job_fails_with_its_reason_and_the_next_succeeds(error: Exception, reason: str) -> None:
    """An error of a forward pass does not end the engine core."""

    def fail(_: torch.Tensor) -> None:
        raise error

    with before_each_pass(engine_core(), fail):
        assert reason in failure_reason(job())
    assert painted_images(job())


def test_a_failing_job_affects_no_other() -> None:
    """The jobs of a failed batch are separated, so that only the faulty one fails again; the others
    have unchanged bits."""
    core = engine_core()
    poison = core.model.encode_prompt(recipe(prompt="poison"))["encoder_hidden_states"]
    recipes = [
        recipe(row_class=8, sampler=Sampler.EULER_A),
        recipe(row_class=8, prompt="poison"),
        recipe(row_class=8, seed=8, guidance=1.0),
    ]

    def fail_for_poison(embeds: torch.Tensor) -> None:
        if any(torch.equal(row, poison[1]) for row in embeds):
            raise RuntimeError("This one is not to be painted.")

    with before_each_pass(core, fail_for_poison):
        first, poisoned, last = run_together(core, *map(job, recipes))
    assert isinstance(poisoned, Failed)
    for ending, single in ((first, recipes[0]), (last, recipes[2])):
        assert isinstance(ending, Painted)
        assert ending.pictures[0].sha256 == digests(single)[0]


def test_a_cancelled_job_may_be_the_faulty_one() -> None:
    """A job that shared its failed batch is tried in batches of its own and succeeds."""
    core = new_engine_core()
    poison = core.model.encode_prompt(recipe(prompt="poison"))["encoder_hidden_states"][1]
    bad = Request(job(recipe(prompt="poison", row_class=8)), lambda _: None)
    events = list[Event]()

    def cancel_and_fail(embeds: torch.Tensor) -> None:
        if any(torch.equal(row, poison) for row in embeds):
            bad.request_cancel()
            raise RuntimeError("This one is not to be painted.")

    good = Request(job(recipe(row_class=8, seed=3), job="good"), events.append)
    core.add_request(bad)
    core.add_request(good)
    with before_each_pass(core, cancel_and_fail):
        while core.requests:
            core.tick()
    core.postprocessor.flush()
    assert isinstance(events[-1], Completed), events[-1]


def memory_for(core: EngineCore, max_rows: int) -> AbstractContextManager[None]:
    """In the block, batches of more rows than this run out of memory."""

    def run_out(embeds: torch.Tensor) -> None:
        if len(embeds) > max_rows:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    return before_each_pass(core, run_out)


def core_without_measurements() -> EngineCore:
    """An engine core with a separate model, no shape of which has been measured."""
    return fresh_engine_core()


def test_a_job_without_enough_memory_is_restarted_in_smaller_batches() -> None:
    """The images have the row class that was used, and a replay with it has the same bits."""
    core = engine_core()
    grid = [recipe(row_class=8, seed=seed, sampler=Sampler.EULER_A) for seed in range(4)]
    with memory_for(core, 4):
        images = painted_images(job(*grid))
    assert {image.row_class for image in images} == {4}
    smaller = [msgspec.structs.replace(single, row_class=4) for single in grid]
    assert [image.sha256 for image in images] == digests(*smaller)


def test_a_new_size_without_enough_memory_is_painted_in_smaller_batches() -> None:
    """The measurement of a new shape may run out of memory too."""
    core = core_without_measurements()
    with memory_for(core, 2):
        [image] = painted_images(job(recipe(core, row_class=8)), core)
    assert image.row_class == 2
    [again] = painted_images(job(recipe(core, row_class=2)), core)
    assert image.sha256 == again.sha256


def test_warmup_leaves_out_batches_that_do_not_fit() -> None:
    """The warm-up goes on with smaller batches."""
    core = core_without_measurements()
    with memory_for(core, 2):
        warmup([core.model])
        assert painted_images(job(recipe(core)), core)[0].png


def test_all_images_of_a_job_without_enough_memory_are_restarted() -> None:
    """Images whose batches fitted are restarted too: no image may be in two batches at the same
    time."""
    core = engine_core()
    pair = [recipe(row_class=2, seed=1, steps=6), recipe(row_class=8, seed=2, steps=6)]
    with memory_for(core, 4):
        images = painted_images(job(*pair))
    assert [image.row_class for image in images] == [2, 4]
    smaller = msgspec.structs.replace(pair[1], row_class=4)
    assert [image.sha256 for image in images] == digests(pair[0]) + digests(smaller)


def test_a_batch_that_cannot_fit_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """The measurements lead to smaller batches from the start."""
    core = engine_core()
    monkeypatch.setattr(core.model, "fits_in_memory", lambda *shape: shape[2] <= 2)
    with memory_for(core, 2):
        [image] = painted_images(job(recipe(row_class=8)))
    assert image.row_class == 2
    assert image.sha256 == digests(recipe(row_class=2))[0]


def test_memory_is_estimated_from_measurements(monkeypatch: pytest.MonkeyPatch) -> None:
    """The estimate is proportional to rows and pixels; on a CPU there is no limit."""
    model: Any = engine_core(change=lambda _: None).model
    assert model.fits_in_memory(2048, 2048, 32)
    monkeypatch.setattr(type(model.device), "available_memory", lambda _: 1_000_000)
    model._memory.learn(64 * 64 * 2, 200_000)
    assert model.fits_in_memory(64, 64, 8)
    assert not model.fits_in_memory(64, 64, 16)
    assert not model.fits_in_memory(256, 64, 8)
    assert model.is_batch_invariant(256, 64, 8)
    assert model.fits_in_memory(256, 64, 8), "its memory is reserved"
    assert not model.fits_in_memory(256, 64, 8, text_chunks=2), "this one would need its own"


def test_running_out_of_memory_is_a_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    """The batch needed more than was free, so it is not tried again until more is free."""
    core = core_without_measurements()
    available = [1_000_000]
    monkeypatch.setattr(type(core.model.device), "available_memory", lambda _: available[0])
    with memory_for(core, 2), pytest.raises(torch.OutOfMemoryError):
        core.model.is_batch_invariant(64, 64, 8)
    assert not core.model.fits_in_memory(64, 64, 8)
    available[0] = 10_000_000
    assert core.model.fits_in_memory(64, 64, 8)


def test_a_job_that_fits_in_no_batch_fails() -> None:
    """The reason says what the user can change."""
    with memory_for(engine_core(), 1):
        assert "ask for a smaller size" in failure_reason(job(recipe(row_class=8)))
    assert digests(recipe(row_class=8))


def test_the_smallest_batch_is_retried_once() -> None:
    """Other requests may have used the memory at the first attempt."""
    calls: list[int] = []

    def run_out_once(embeds: torch.Tensor) -> None:
        calls.append(len(embeds))
        if len(calls) == 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    with before_each_pass(engine_core(), run_out_once):
        images = painted_images(job(recipe(sampler=Sampler.EULER_A)))
    assert [image.sha256 for image in images] == digests(recipe(sampler=Sampler.EULER_A))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"model": "other"}, "needs the model other"),
        ({"revision": "0" * 64}, "needs the model"),
        ({"adapters": (Adapter(name="a", revision="1", scale=1.0),)}, "needs the LoRA a, which"),
        (
            {"controls": (Control(kind="a", revision="r3", image="0" * 64, scale=1.0),)},
            "has no control “a” here",
        ),
        (
            {"references": (Reference(image="0" * 64),)},
            "no reference",
        ),
        ({"source": Inpaint("0" * 64, "1" * 64, 0.5)}, "input image is missing"),
        ({"source": Edit("0" * 64, 1.5)}, "does not edit pictures"),
        ({"width": 2048, "height": 2048}, "too large"),
        ({"source": Img2Img("0" * 64, 0.5)}, "input image is missing"),
    ],
)
def test_a_recipe_for_another_engine_is_refused(changes: dict[str, Any], reason: str) -> None:
    """The job fails with a reason before its first evaluation."""
    assert reason in failure_reason(job(recipe(**changes)))


def test_an_init_image_that_is_no_image_is_refused() -> None:
    """A correct digest does not make the file an image."""
    img2img = recipe(source=Img2Img(sha256(b"nonsense"), 0.5))
    assert "must be a PNG, JPEG, WebP" in failure_reason(job(img2img, source=b"nonsense"))


def test_an_init_image_may_be_larger_than_an_upload() -> None:
    """The PNG of a small JPEG with many details is large."""
    noise = random.Random(0).randbytes(1900 * 1900 * 3)
    data = encode_png(Image.frombytes("RGB", (1900, 1900), noise))
    assert len(data) > MAX_FILE_BYTES
    img2img = recipe(source=Img2Img(sha256(data), 0.5))
    assert rendered_images(job(img2img, source=data))[0].size == (64, 64)


def test_an_init_image_may_be_thinner_than_an_upload() -> None:
    """As a long strip is after it was scaled down."""
    data = encode_png(Image.new("RGB", (2048, 1)))
    img2img = recipe(source=Img2Img(sha256(data), 0.5))
    assert rendered_images(job(img2img, source=data))[0].size == (64, 64)
