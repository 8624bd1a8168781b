"""Upscales and Details in the engine core: like recipes, with an earlier picture as their input."""

import io
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from PIL import Image

from engine.contract import (
    Backend,
    Cancelled,
    Capture,
    Detail,
    Ending,
    Event,
    Paint,
    PaintedImage,
    Sampler,
    Stepped,
    Subseed,
    Upscale,
    Work,
    pixels_sha256,
    sha256,
    with_row_class,
)
from engine.contract.images.encode import encode_png
from engine.contract.metadata import read_metadata
from engine.core.engine_core import EngineCore
from engine.core.enlarger import Enlarger
from engine.core.postprocess import Postprocessor
from engine.core.request import Request
from engine.core.worker import Worker
from engine.device import Device
from engine.errors import DeviceLost, EngineError
from engine.upscale import load_upscalers
from tests import tiny_model
from tests.engine_parts import (
    INPUT_FILES,
    Painted,
    before_each_pass,
    engine_core,
    failure_reason,
    painted_images,
    recipe,
    rendered_images,
    run_job,
    run_together,
    sketch,
)


@cache
def core(*thresholds: float) -> EngineCore:
    """An engine core with the tiny model, of this threshold or the default, and the upscaler."""
    model = engine_core(*thresholds).model
    return EngineCore([model], Postprocessor(1.0), enlarger=Enlarger(load_upscalers()))


def enlargement(image: Image.Image, picture: Work | None = None) -> dict[str, Any]:
    """The fields that Upscale and Detail have in common."""
    upscaler = load_upscalers()[0]
    return {
        "picture": picture or recipe(width=image.width, height=image.height, steps=8),
        "image": pixels_sha256(image),
        "upscaler": upscaler.name,
        "upscaler_revision": upscaler.revision,
    }


def upscale(image: Image.Image, scale: int = 2, **changes: Any) -> Upscale:  # noqa: ANN401
    """An upscale of this image."""
    return Upscale(**(enlargement(image) | {"scale": scale} | changes))


def detail(image: Image.Image, **changes: Any) -> Detail:  # noqa: ANN401 - any field
    """A Detail of this image, in tiles of 64 pixels."""
    fields = {"scale": 2, "tile": 64, "overlap": 16, "strength": 0.5, "row_class": 2}
    return Detail(**(enlargement(image) | fields | changes))


def paint(*works: Work, images: tuple[Image.Image, ...] = (), **changes: Any) -> Paint:  # noqa: ANN401
    """A job of this work, with these input images."""
    files = {sha256(png): png for png in map(encode_png, images or (sketch(),))}
    INPUT_FILES.update(files)
    fields: dict[str, Any] = {"job": "a", "attempt": 1, "recipes": works, "inputs": tuple(files)}
    return Paint(**(fields | changes))


def decoded(image: PaintedImage) -> Image.Image:
    """The picture."""
    return Image.open(io.BytesIO(image.png)).convert("RGB")


@pytest.mark.parametrize("scale", [2, 4])
def test_an_upscale_is_what_the_upscaler_makes_of_the_picture(scale: int) -> None:
    """It is checked for safety, and its fingerprint names the upscaler and its processor."""
    (image,) = painted_images(paint(upscale(sketch(), scale)), core())
    upscaler = load_upscalers()[0]
    expected = upscaler.upscale(sketch(), scale)
    assert decoded(image).tobytes() == expected.tobytes()
    assert image.sha256 == pixels_sha256(expected)
    assert (image.fingerprint, image.row_class) == (upscaler.fingerprint, 2)
    assert [verdict.checker for verdict in image.verdicts] == ["model"]


def test_an_upscale_needs_no_forward_pass() -> None:
    """It does not wait for batches, and its time is charged."""
    ticks = core().meter.ticks
    painted = run_job(paint(upscale(sketch())), core())
    assert isinstance(painted, Painted)
    assert core().meter.ticks == ticks
    assert painted.engine_seconds > 0


def test_an_upscale_of_an_upscale() -> None:
    """Its input is the earlier result."""
    first = upscale(sketch())
    (image,) = painted_images(paint(first), core())
    second = upscale(decoded(image), picture=first)
    (result,) = painted_images(paint(second, images=(decoded(image),)), core())
    assert decoded(result).size == (256, 256)


@pytest.mark.parametrize("make", [upscale, detail])
def test_a_flagged_result_is_withheld(make: Any) -> None:  # noqa: ANN401 - one of two functions
    """The safety check sees the result, whatever the check of its input was."""
    strict = core(tiny_model.ALWAYS)
    work = make(sketch(), picture=recipe(strict, steps=8))
    (image,) = painted_images(paint(work), strict)
    assert image.withheld
    (image,) = painted_images(paint(work, include_flagged=True), strict)
    assert image.flagged and image.png


@pytest.mark.parametrize("make", [upscale, detail])
def test_the_input_must_be_the_picture(make: Any) -> None:  # noqa: ANN401 - one of two functions
    """The digest of its pixels is checked; that of the file is another matter."""
    other = sketch().transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    expected = "The picture that should be enlarged was not sent"
    assert failure_reason(paint(make(sketch()), images=(other,)), core()).startswith(expected)


@pytest.mark.parametrize("make", [upscale, detail])
def test_another_upscaler_is_refused(make: Any) -> None:  # noqa: ANN401 - one of two functions
    """The sentence says what is installed, or which extra to install."""
    work = msgspec.structs.replace(make(sketch()), upscaler_revision="e" * 64)
    assert "but realesr-animevideov3" in failure_reason(paint(work), core())
    assert "imagine-bot[upscale]" in failure_reason(paint(work), engine_core())
    assert "cannot enlarge by 3" in failure_reason(paint(upscale(sketch(), 3)), core())


def test_recipes_and_upscales_may_share_a_job() -> None:
    """Each picture has the bits that it has alone."""
    works: list[Work] = [recipe(), upscale(sketch()), detail(sketch()), recipe(seed=8)]
    alone = [painted_images(paint(work), core())[0].sha256 for work in works]
    assert [image.sha256 for image in painted_images(paint(*works), core())] == alone


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"sampler": Sampler.EULER_A},
        {"sampler": Sampler.DPMPP_2M_SDE, "subseeds": (Subseed(3, 0.5),)},
        {"guidance": 1.0},
    ],
)
def test_a_detail_has_the_same_bits_under_load(changes: dict[str, Any]) -> None:
    """Its tiles share batches with other jobs, which changes nothing."""
    work = detail(sketch(), picture=recipe(steps=8, **changes), row_class=4)
    (alone,) = painted_images(paint(work), core())
    assert decoded(alone).size == (128, 128)
    others = paint(*(recipe(seed=seed, row_class=4) for seed in range(3)), job="b")
    together, _ = run_together(core(), paint(work), others)
    assert isinstance(together, Painted)
    assert together.pictures[0].sha256 == alone.sha256
    upscaler = load_upscalers()[0].fingerprint
    assert alone.fingerprint == f"{core().model.card.fingerprint}, {upscaler}"


def test_tiles_agree_where_they_overlap() -> None:
    """A flat picture has no visible tile borders: steps across them are not larger than others."""
    image = Image.new("RGB", (96, 96), (120, 130, 140))
    work = detail(image, overlap=32, strength=0.3, picture=recipe(width=96, height=96, steps=20))
    (result,) = rendered_images(paint(work, images=(image,)), core())
    levels = np.asarray(result, float)
    steps = np.abs(np.diff(levels, axis=1)).mean(axis=(0, 2))
    edges = {box.left for box in work.tiles} | {box.right for box in work.tiles}
    borders = sorted(edge - 1 for edge in edges if 0 < edge < work.width)
    inside = np.delete(steps, borders)
    assert steps[borders].mean() <= inside.mean() + 2 * inside.std()


def test_a_detail_reports_progress_and_previews() -> None:
    """The preview of its tiles is one picture."""
    events: list[Event] = []
    work = detail(sketch(), picture=recipe(steps=16))
    capture = Capture(previews=True)
    painted = run_job(paint(work, capture=capture), core(), events.append)
    assert isinstance(painted, Painted)
    steps = [event for event in events if isinstance(event, Stepped)]
    assert steps[-1].step == steps[-1].steps
    previews = [event.preview for event in steps if event.preview]
    assert previews
    assert Image.open(io.BytesIO(previews[0])).size == (128, 128)


def test_all_tiles_of_a_detail_have_its_row_class() -> None:
    """If memory runs out after some tiles, all are painted again in smaller batches."""
    work = detail(sketch(), row_class=4)
    small = EngineCore(
        [engine_core().model], Postprocessor(), 4, enlarger=Enlarger(load_upscalers())
    )
    in_small_batches = msgspec.structs.replace(work, row_class=2)
    _, alone = (painted_images(paint(each), small)[0] for each in (work, in_small_batches))
    rows: list[int] = []

    def run_out_of_memory_once(embeddings: torch.Tensor) -> None:
        rows.append(len(embeddings))
        if len(rows) == 7:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    with before_each_pass(small, run_out_of_memory_once):
        (image,) = painted_images(paint(work), small)
    assert (image.row_class, image.sha256) == (2, alone.sha256)
    assert (rows.count(4), rows.count(2)) == (7, 4 * len(work.tiles))


def test_a_detail_keeps_the_picture() -> None:
    """At a low strength it stays close to the upscaled picture."""
    near, far = (detail(sketch(), strength=strength) for strength in (0.2, 1.0))
    upscaled = np.asarray(load_upscalers()[0].upscale(sketch(), 2), float)
    differences = [
        np.abs(np.asarray(picture, float) - upscaled).mean()
        for picture in rendered_images(paint(near, far), core())
    ]
    assert differences[0] < differences[1]


def test_cancelled_enlargements_end() -> None:
    """A request that is cancelled while its picture is upscaled ends as cancelled, once."""
    works: tuple[Work, ...] = (upscale(sketch()), detail(sketch()))
    for work in works:
        events: list[Event] = []
        request = Request(paint(work), events.append, INPUT_FILES)
        core().add_request(request)
        request.request_cancel()
        core().enlarger.thread.flush()
        while request in core().requests:
            core().tick()
        core().postprocessor.flush()
        assert [type(event).__name__ for event in events] == ["Cancelled"]


def test_closing_ends_what_is_not_upscaled() -> None:
    """The requests end as cancelled."""
    closing = EngineCore(
        [engine_core().model], Postprocessor(), enlarger=Enlarger(load_upscalers())
    )
    events: list[Event] = []
    image = sketch(256, 256)
    for name in "abcd":
        job = paint(upscale(image), images=(image,), job=name)
        closing.add_request(Request(job, events.append, INPUT_FILES))
    closing.close(timeout=60)
    closing.postprocessor.close()
    endings = [event for event in events if isinstance(event, Ending)]
    assert [ending.job for ending in endings if isinstance(ending, Cancelled)][-3:] == list("bcd")
    assert len(endings) == 4


def test_a_device_lost_beside_the_upscaler_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine ends, and the request gets no ending, so that it can be painted again."""
    events: list[Event] = []
    losses: list[EngineError] = []
    closing = threading.Event()

    class Executor(ThreadPoolExecutor):
        """Shows when the enlarger waits for its thread, after it has cancelled what is pending."""

        def submit(self, work: Callable[[], None]) -> Future[None]:  # type: ignore[override]
            if losses:
                closing.set()
            return super().submit(work)

    def on_fatal(error: EngineError) -> None:
        losses.append(error)
        closing.wait(10)

    enlarger = Enlarger(load_upscalers(), Executor(1))
    losing = EngineCore(core().models, Postprocessor(), enlarger=enlarger)
    worker = Worker(losing, on_fatal)

    def record_event(_: Device) -> None:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(Device, "record_event", record_event)
    worker.submit(paint(upscale(sketch())), events.append, INPUT_FILES)
    while not losses:
        time.sleep(0.01)
    worker.close()
    assert [type(error) for error in losses] == [DeviceLost]
    assert not any(isinstance(event, Ending) for event in events)


def test_a_detail_records_what_painted_its_tiles() -> None:
    """If the engine lacks the backend of its picture, that is torch, and the digest says the same
    when it is painted again."""
    first = detail(sketch())
    recipe_ = msgspec.structs.replace(first.recipe, backend=Backend.OPENVINO)
    work = msgspec.structs.replace(first, picture=recipe_)
    (image,) = painted_images(paint(work), core())
    assert image.backend is Backend.TORCH
    (recorded,) = read_metadata(image.png).recipes
    assert isinstance(recorded, Detail)
    assert recorded.tile_recipe().backend is Backend.TORCH
    assert recorded.recipe.backend is Backend.OPENVINO
    stored = with_row_class(work, image.row_class, image.backend)
    assert isinstance(stored, Detail)
    assert recorded.backend is stored.backend is Backend.TORCH
    assert painted_images(paint(stored), core())[0].sha256 == image.sha256
    assert with_row_class(stored, image.row_class, Backend.OPENVINO) == work
