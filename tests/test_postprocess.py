"""Decoding, safety checks and previews."""

import dataclasses
import io
import logging
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image, ImageChops

from engine.contract import Backend, Event, Failed, Img2Img, Paint, Stepped, Verdict, sha256
from engine.contract.images import grid
from engine.contract.images.encode import encode_png
from engine.core import pictures
from engine.core.engine_core import EngineCore
from engine.core.request import Request
from engine.device import Device
from engine.errors import DeviceLost, EngineError
from engine.log import LineFormatter
from engine.pipeline.denoise import DenoisingState
from engine.pipeline.sources import InputImages
from tests import tiny_model
from tests.engine_parts import (
    Painted,
    engine_core,
    failure_reason,
    fresh_engine_core,
    job,
    new_engine_core,
    painted_images,
    recipe,
    run_job,
    sketch,
)
from tests.samples import pixels_digest


def previews_in(events: list[Event]) -> list[bytes]:
    """The previews in these events."""
    return [event.preview for event in events if isinstance(event, Stepped) and event.preview]


def previews_of(core: EngineCore) -> list[bytes]:
    """The previews of a job of three images, at least one."""
    events: list[Event] = []
    recipes = [recipe(core, steps=90, seed=seed, row_class=8) for seed in range(3)]
    run_job(job(*recipes), core, events.append)
    assert previews_in(events)
    return previews_in(events)


def is_blank(preview: bytes) -> bool:
    """Whether this JPEG contains only blank cells."""
    with Image.open(io.BytesIO(preview)) as image:
        blank = Image.new("RGB", image.size, grid.PLAIN.background)
        difference = ImageChops.difference(image.convert("RGB"), blank).convert("L")
        return max(difference.tobytes()) <= 3


def test_a_preview_is_a_small_grid() -> None:
    """The grid has a cell for each image."""
    preview = previews_of(engine_core())[0]
    with Image.open(io.BytesIO(preview)) as image:
        assert image.format == "JPEG"
        assert image.size == (128, 128)


def test_a_job_without_previews_gets_none() -> None:
    """A job can disable previews, because they take time."""
    events: list[Event] = []
    run_job(job(recipe(steps=90), previews=False), emit=events.append)
    assert not previews_in(events)


def test_a_flagged_preview_is_blank() -> None:
    """The safety check applies to previews as it does to results."""
    assert all(map(is_blank, previews_of(engine_core(tiny_model.ALWAYS))))
    assert not any(map(is_blank, previews_of(engine_core(tiny_model.NEVER))))


def test_a_preview_that_cannot_be_checked_is_blank() -> None:
    """A failed check flags the preview."""
    core = engine_core(tiny_model.NEVER, tiny_model.break_checker)
    assert all(map(is_blank, previews_of(core)))


def test_a_preview_that_fails_affects_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    """The job continues, and other jobs get their previews."""
    core = new_engine_core()
    check_safety, events = core.model.check_safety, list[Event]()

    def fail_for_squares(image: Image.Image) -> tuple[Verdict, ...]:
        if image.size == (64, 64):
            raise RuntimeError("No preview today.")
        return check_safety(image)

    core.model.check_safety = fail_for_squares  # type: ignore[method-assign] # a shared model
    try:
        small = run_job(job(recipe(steps=150), job="small"), core, events.append)
        assert isinstance(small, Failed), "the check of the result fails as well"
        assert len([event for event in events if isinstance(event, Stepped)]) == 150
        assert "No preview today." in caplog.text
        large = job(recipe(steps=50, width=72))
        assert isinstance(run_job(large, core, events.append), Painted)
    finally:
        del core.model.check_safety
    assert previews_in(events)


def test_previews_are_limited_to_their_share_of_the_time() -> None:
    """If the share is tiny, there is only one preview."""
    events: list[Event] = []
    run_job(job(recipe(steps=150)), new_engine_core(preview_time_share=1e-9), events.append)
    assert len(previews_in(events)) == 1


def test_a_flagged_image_has_a_digest_but_no_bytes() -> None:
    """The bot can store the digest, but has no image to show."""
    flagging = engine_core(tiny_model.ALWAYS)
    [withheld] = painted_images(job(recipe(flagging)), flagging)
    [shown] = painted_images(job())
    assert withheld.withheld and not withheld.png
    assert not shown.withheld
    assert withheld.sha256 == shown.sha256 == pixels_digest(shown.png)
    [verdict] = withheld.verdicts
    assert verdict.checker == "model" and verdict.score is not None and verdict.score > 0.5


def test_a_job_may_include_flagged_images() -> None:
    """The image has the same digest and verdict as without this option; previews stay blank."""
    flagging = engine_core(tiny_model.ALWAYS)
    events: list[Event] = []
    ending = run_job(job(recipe(flagging, steps=60), include_flagged=True), flagging, events.append)
    assert isinstance(ending, Painted)
    [image] = ending.pictures
    assert image.flagged and not image.withheld
    assert image.sha256 == pixels_digest(image.png)
    assert previews_in(events) and all(map(is_blank, previews_in(events)))


def test_an_unchecked_image_never_has_its_bytes() -> None:
    """A job that includes flagged images does not get the bytes either."""
    core = engine_core(tiny_model.NEVER, tiny_model.break_checker)
    [image] = painted_images(job(recipe(core), include_flagged=True), core)
    assert image.withheld
    assert [verdict.score for verdict in image.verdicts] == [None]


def test_each_image_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The line has the job, the image's number and the scores, but not the prompt."""
    caplog.set_level(logging.INFO)
    flagging = engine_core(tiny_model.ALWAYS)
    painted_images(job(recipe(flagging), recipe(flagging, seed=8), job="logged"), flagging)
    formatter = LineFormatter("engine")
    records = [record for record in caplog.records if "checked" in record.message]
    lines = [formatter.format(record) for record in records]
    assert [line.partition("picture=")[2].rpartition(":")[0] for line in lines] == [
        "1 verdict=flagged scores=model",
        "2 verdict=flagged scores=model",
    ]
    assert "red house" not in "".join(lines)


def img2img_job(core: EngineCore, **changes: object) -> Paint:
    """A job with an init image."""
    source = encode_png(sketch())
    return job(recipe(core, source=Img2Img(sha256(source), 0.5)), source=source, **changes)


@pytest.mark.parametrize("include_flagged", [False, True])
@pytest.mark.parametrize("threshold", [tiny_model.ALWAYS, tiny_model.NEVER])
def test_a_flagged_init_image_is_not_used(threshold: float, include_flagged: bool) -> None:
    """The job fails before any evaluation."""
    core, events = engine_core(threshold), list[Event]()
    ending = run_job(img2img_job(core, include_flagged=include_flagged), core, events.append)
    if threshold == tiny_model.NEVER:
        assert isinstance(ending, Painted)
        return
    reason = "The sketch was withheld by the safety check."
    assert ending == Failed(job="a", attempt=1, reason=reason, init_image_flagged=True)
    assert events == [ending]
    assert core.requests == []


def test_an_init_image_that_cannot_be_checked_is_not_used() -> None:
    """A failed check flags the init image."""
    core = engine_core(tiny_model.NEVER, tiny_model.break_checker)
    ending = run_job(img2img_job(core), core)
    assert isinstance(ending, Failed) and ending.init_image_flagged


def test_latents_that_overflow_fail_the_image() -> None:
    """The failure is not a verdict of the safety check."""

    def overflow(pipeline: StableDiffusionPipeline) -> None:
        pipeline.unet.conv_out.bias.fill_(float("nan"))

    core = engine_core(change=overflow)
    assert "overflowed" in failure_reason(job(recipe(core)), core)


def test_a_black_image_is_a_failure() -> None:
    """A black image usually means that the VAE overflowed."""

    def blacken(pipeline: StableDiffusionPipeline) -> None:
        pipeline.vae.decoder.conv_out.bias.fill_(-1000.0)

    core = engine_core(change=blacken)
    assert "completely black" in failure_reason(job(recipe(core)), core)


def test_decoding_is_retried_once_for_lack_of_memory() -> None:
    """The cache is emptied before the second attempt."""
    core, failures = engine_core(), [1, 2, 3]
    decode_latents = core.model.decode_latents

    def fail(latents: torch.Tensor, backend: Backend = Backend.TORCH) -> Image.Image:
        if failures:
            raise torch.OutOfMemoryError(f"CUDA out of memory, {failures.pop()}")
        return decode_latents(latents, backend)

    core.model.decode_latents = fail  # type: ignore[method-assign] # a shared model
    try:
        assert "out of memory" in failure_reason(job())
        assert len(failures) == 1
        assert painted_images(job())
    finally:
        del core.model.decode_latents


@pytest.mark.parametrize("concurrent", [1, 2])
def test_a_device_that_is_lost_while_decoding_ends_no_job(
    monkeypatch: pytest.MonkeyPatch, concurrent: int
) -> None:
    """In either thread it is reported, and the job gets no ending: another process paints it."""
    model, losses = fresh_engine_core().model, list[EngineError]()
    device = dataclasses.replace(model.device, max_concurrent_batches=concurrent)
    monkeypatch.setattr(model, "device", device)
    core = new_engine_core(model, on_device_lost=losses.append)

    def fail(latents: torch.Tensor, backend: Backend = Backend.TORCH) -> Image.Image:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(model, "decode_latents", fail)
    events: list[Event] = []
    core.add_request(Request(job(recipe(core)), events.append))
    while core.requests:
        core.tick()
    core.postprocessor.flush()
    core.postprocessor.close()
    assert [type(error) for error in losses] == [DeviceLost]
    assert not [event for event in events if not isinstance(event, Stepped)]


@pytest.mark.parametrize("threads", [1, 2])
def test_one_decoder_thread_decodes_alone(monkeypatch: pytest.MonkeyPatch, threads: int) -> None:
    """No frame of a film is decoded beside a picture, because that takes the memory of both."""
    model, both, met = fresh_engine_core().model, threading.Barrier(2), list[bool]()
    monkeypatch.setattr(Device, "decoder_threads", threads)
    state = DenoisingState(recipe(row_class=2), InputImages(model))

    def meet(*_: object) -> list[None]:
        try:
            both.wait(1.0 if threads == 1 else 20.0)
        except threading.BrokenBarrierError:
            met.append(False)
        else:
            met.append(True)
        return []

    monkeypatch.setattr(model, "decode_latents", meet)
    monkeypatch.setattr(model, "decode_frames", meet)
    with ThreadPoolExecutor(2) as pool:
        pool.submit(pictures.decode, state).add_done_callback(lambda done: done.result())
        pool.submit(pictures.decode_frames, state, state.latents).result()
    assert met == [threads > 1] * 2
