"""The seconds of forward passes and of postprocessing are charged to the jobs."""

import time
from concurrent.futures import CancelledError, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest
from diffusers import UNet2DConditionModel
from PIL import Image

from engine.bench.steered_files import write_control
from engine.contract import Cancelled, Event
from engine.core.batching import batch_key
from engine.core.decoding import Decoding
from engine.core.engine_core import EngineCore
from engine.core.executor import BatchExecutor
from engine.core.postprocess import Postprocessor
from engine.core.request import Request
from engine.errors import InvalidJob
from tests import controlled, tiny_model
from tests.engine_parts import (
    INPUT_FILES,
    Painted,
    engine_core,
    job,
    new_engine_core,
    recipe,
    run_job,
    run_together,
)


def test_forward_seconds_are_shared_by_rows() -> None:
    """All seconds are charged; a job without guidance pays half as much as one with it."""
    core = EngineCore([engine_core().model], Postprocessor(clock=lambda: 0.0))
    core._executor = BatchExecutor(1)
    long, guided, unguided = run_together(
        core,
        job(recipe(steps=9, row_class=8), job="long"),
        job(*[recipe(steps=4, seed=seed, row_class=8) for seed in range(2)], job="guided"),
        job(recipe(steps=4, row_class=8, guidance=1.0), job="unguided"),
    )
    assert isinstance(long, Painted)
    assert isinstance(guided, Painted)
    assert isinstance(unguided, Painted)
    charged = long.engine_seconds + guided.engine_seconds + unguided.engine_seconds
    assert charged == pytest.approx(core.meter.seconds)
    assert guided.engine_seconds == pytest.approx(4 * unguided.engine_seconds)
    assert long.engine_seconds > guided.engine_seconds / 2


def test_extra_work_is_charged_to_whom_it_is_for(tmp_path: Path) -> None:
    """A picture with a control pays for it, and a plain one in the same batches does not."""
    model = tiny_model.save(tmp_path / "model")
    write_control(tmp_path / "control", UNet2DConditionModel.from_pretrained(model / "unet"))
    loaded = controlled.controlled_core(model, ("scribble", tmp_path / "control"))
    core = EngineCore([loaded.model], Postprocessor(clock=lambda: 0.0))
    core._executor = BatchExecutor(1)
    control = controlled.control(core, "scribble", controlled.control_sketch(), end=0.5)
    plain_recipe = recipe(core, steps=9, row_class=4)
    works = plain_recipe, msgspec.structs.replace(plain_recipe, controls=(control,))
    plain, steered = (
        Request(job(work, inputs=work.images), lambda _: None, INPUT_FILES) for work in works
    )
    for request in (plain, steered):
        core.add_request(request)
    while len(core._scheduler.images) < 2:
        core.tick()
    before = plain.forward_seconds, steered.forward_seconds, core.meter.seconds
    core.tick()
    after = plain.forward_seconds, steered.forward_seconds, core.meter.seconds
    of_plain, of_steered, total = (end - start for start, end in zip(before, after, strict=True))
    assert of_steered == pytest.approx(1.2 * of_plain)
    assert of_plain + of_steered == pytest.approx(total)


def test_postprocessing_is_charged_too() -> None:
    """Otherwise jobs of one step would be too cheap."""
    core = new_engine_core()
    core._executor = BatchExecutor(1)
    painted = run_job(job(recipe(steps=1)), core)
    assert isinstance(painted, Painted)
    assert painted.engine_seconds > core.meter.seconds > 0.0


def test_a_cancelled_job_is_charged_what_it_used() -> None:
    """The pass in which it was cancelled counts; a job that never started pays nothing."""
    events: list[Event] = []
    core = new_engine_core()
    request = Request(job(recipe(steps=150)), events.append)
    core.add_request(request)
    while not events:
        core.tick()
    request.request_cancel()
    core.tick()
    cancelled = events[-1]
    assert isinstance(cancelled, Cancelled)
    assert cancelled.engine_seconds == pytest.approx(core.meter.seconds)
    assert core.meter.seconds > 0.0
    not_started = Request(job(), events.append)
    not_started.finish_cancelled()
    assert events[-1] == Cancelled(job="a", attempt=1, engine_seconds=0.0)


class PausableExecutor(BatchExecutor[Any, Any]):
    """An executor whose tasks stay in flight while it is paused."""

    is_paused = False

    def wait(self) -> list[tuple[Any, Any]]:
        """Return no tasks while the executor is paused."""
        return [] if self.is_paused else super().wait()


def test_a_job_cancelled_during_a_pass_is_charged_for_it() -> None:
    """Otherwise a client that cancels each job in its first pass would pay nothing."""
    events: list[Event] = []
    core = new_engine_core()
    core._executor = executor = PausableExecutor(1)
    first = Request(job(recipe(steps=150), job="first"), lambda _: None)
    core.add_request(first)
    while core.meter.ticks < 2:
        core.tick()
    first.request_cancel()
    core.tick()
    second = Request(job(recipe(steps=150)), events.append)
    core.add_request(second)
    while second not in [image.request for image in core._scheduler.images]:
        core.tick()
    executor.is_paused, before = True, second.forward_seconds
    core.tick()
    second.request_cancel()
    core.tick()
    cancelled = events[-1]
    assert isinstance(cancelled, Cancelled)
    assert cancelled.engine_seconds == before + core.meter.cost(batch_key(recipe())) > before
    assert core.requests == []
    executor.is_paused = False
    core.tick()
    core.tick()
    assert core.meter._in_flight == []


def test_the_seconds_of_a_failed_decode_are_charged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever thread it ran in."""
    core = new_engine_core()

    def fail_slowly(*_: object) -> Image.Image:
        time.sleep(0.05)
        raise InvalidJob("The model's values overflowed.")

    monkeypatch.setattr(core.model, "decode_latents", fail_slowly)
    request = Request(job(recipe(steps=1), recipe(steps=1, seed=2)), lambda _: None)
    core.add_request(request)
    while core.requests:
        core.tick()
    core.postprocessor.flush()
    assert request.postprocess_seconds > 0.09


def test_pictures_of_a_cancelled_job_are_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even by the threads that decode ahead."""
    core, decoded = new_engine_core(), list[object]()
    request = Request(job(recipe(steps=1)), lambda _: None)
    core.add_request(request)
    while not request.images:
        core.tick()
    core.postprocessor.flush()
    monkeypatch.setattr(core.model, "decode_latents", decoded.append)
    request.request_cancel()
    with ThreadPoolExecutor(1) as threads:
        decoding = Decoding(request.images[0], threads, time.monotonic)
    with pytest.raises(CancelledError):
        decoding.picture()
    assert not decoded
    assert decoding.seconds == 0.0
