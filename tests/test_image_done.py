"""Each image of a request is decoded and sent as soon as its own evaluations are done."""

import io
import time
from typing import Any

import msgspec
import pytest
import torch
from PIL import Image

from engine.contract import (
    ArtifactDone,
    ArtifactRole,
    Cancelled,
    Completed,
    Ending,
    Event,
    Failed,
    ImageDone,
    Img2Img,
    Paint,
    PaintedImage,
    Queued,
    Stepped,
    Verdict,
    sha256,
)
from engine.contract.images.encode import encode_png
from engine.core.request import Request
from engine.core.worker import Worker
from engine.errors import DeviceLost
from engine.imaging.init_image import decode_source
from engine.server import input_store
from engine.server.event_queue import EventQueue
from engine.server.input_store import InputStore
from tests.engine_parts import (
    before_each_pass,
    digests,
    engine_core,
    failure_reason,
    job,
    new_engine_core,
    recipe,
    run_job,
    sketch,
)

VERDICT = Verdict(checker="model", score=0.0, flagged=False)


def done_indices(events: list[Event]) -> list[int]:
    """The indices of the images that were sent, in order."""
    return [event.index for event in events if isinstance(event, ImageDone)]


def run_until_first_image(paint: Paint, events: list[Event]) -> tuple[Any, Request]:
    """An engine core that has sent one image of this job, and the job's request."""
    core = new_engine_core()
    request = Request(paint, events.append)
    core.add_request(request)
    while not done_indices(events):
        core.tick()
        core.postprocessor.flush()
    return core, request


def test_a_short_image_does_not_wait_for_a_long_one() -> None:
    """It is sent while the other is denoised, and progress counts it."""
    events: list[Event] = []
    recipes = [recipe(steps=40, row_class=8), recipe(steps=2, seed=8, row_class=8)]
    core, request = run_until_first_image(job(*recipes), events)
    assert done_indices(events) == [1]
    assert request.step < 40
    while request in core.requests:
        core.tick()
    core.postprocessor.flush()
    assert done_indices(events) == [1, 0]
    assert isinstance(events[-1], Completed)
    steps = [event for event in events if isinstance(event, Stepped)]
    assert {event.done for event in steps} == {0, 1}
    assert [event.step for event in steps] == sorted({event.step for event in steps})
    sent = {event.index: event.image.sha256 for event in events if isinstance(event, ImageDone)}
    assert [sent[0], sent[1]] == [digests(single)[0] for single in recipes]


def test_a_cancelled_job_sends_no_more_images() -> None:
    """The image that was sent stays valid."""
    events: list[Event] = []
    recipes = [recipe(steps=2), recipe(steps=90, seed=8), recipe(steps=90, seed=9)]
    core, request = run_until_first_image(job(*recipes), events)
    request.request_cancel()
    core.tick()
    core.postprocessor.flush()
    assert core.requests == []
    assert done_indices(events) == [0]
    assert isinstance(events[-1], Cancelled)
    assert events[-1].engine_seconds > 0


def test_a_failure_follows_the_images_that_are_done() -> None:
    """They are sent before the ending."""
    events: list[Event] = []
    paint = job(recipe(steps=2), recipe(steps=90, seed=8))
    core, request = run_until_first_image(paint, events)

    def fail(_: torch.Tensor) -> None:
        raise RuntimeError("This is not to be painted.")

    with before_each_pass(core, fail):
        while request in core.requests:
            core.tick()
    core.postprocessor.flush()
    assert done_indices(events) == [0]
    assert isinstance(events[-1], Failed)


def test_images_that_were_sent_survive_a_lost_device() -> None:
    """The job has no ending; another process paints the others."""
    events: list[Event] = []
    core, _ = run_until_first_image(job(recipe(steps=2), recipe(steps=90, seed=8)), events)

    def lose_device(_: torch.Tensor) -> None:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    with before_each_pass(core, lose_device), pytest.raises(DeviceLost):
        while core.requests:
            core.tick()
    core.postprocessor.flush()
    assert done_indices(events) == [0]
    assert not any(isinstance(event, Ending) for event in events)


def test_images_that_were_sent_are_not_painted_again() -> None:
    """After a lack of memory only the others start again, in smaller batches."""
    events: list[Event] = []
    recipes = [recipe(steps=2, row_class=8), recipe(steps=30, seed=8, row_class=8)]
    core, request = run_until_first_image(job(*recipes), events)

    def run_out(embeds: torch.Tensor) -> None:
        if len(embeds) > 4:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    with before_each_pass(core, run_out):
        while request in core.requests:
            core.tick()
    core.postprocessor.flush()
    images = {event.index: event.image for event in events if isinstance(event, ImageDone)}
    assert done_indices(events) == [0, 1]
    assert isinstance(events[-1], Completed)
    assert [images[0].row_class, images[1].row_class] == [8, 4]
    assert images[1].sha256 == digests(msgspec.structs.replace(recipes[1], row_class=4))[0]


def test_a_large_job_leaves_slots_for_others() -> None:
    """It has at most half of the slots, and a later job ends long before it."""
    core, order = new_engine_core(max_running=4), list[str]()
    running: list[int] = []

    def on_event(event: Event) -> None:
        if isinstance(event, Completed):
            order.append(event.job)

    large = job(*[recipe(steps=9, seed=seed) for seed in range(20)], job="large")
    with before_each_pass(core, lambda _: running.append(core.running)):
        worker = Worker(core, lambda _: None)
        try:
            request = worker.submit(large, on_event)
            while not request.images:
                time.sleep(0.001)
            worker.submit(job(recipe(steps=2), job="small"), on_event)
            while len(order) < 2:
                time.sleep(0.001)
        finally:
            worker.close()
    assert order == ["small", "large"]
    assert max(running) <= 3


def test_a_large_job_paints_what_its_images_are_alone() -> None:
    """Also if there are more images than slots, and some need other steps."""
    recipes = [recipe(steps=steps, seed=steps) for steps in (5, 1, 3, 2, 4)]
    events: list[Event] = []
    run_job(job(*recipes), new_engine_core(max_running=2), events.append)
    sent = {event.index: event.image.sha256 for event in events if isinstance(event, ImageDone)}
    assert [sent[index] for index in range(5)] == [digests(single)[0] for single in recipes]


def test_previews_of_many_images_are_small() -> None:
    """Sixteen cells take no more space than four."""
    events: list[Event] = []
    core = new_engine_core()
    recipes = [recipe(steps=20, seed=seed, width=256, height=128) for seed in range(16)]
    run_job(job(*recipes), core, events.append)
    previews = [event.preview for event in events if isinstance(event, Stepped) and event.preview]
    with Image.open(io.BytesIO(previews[0])) as image:
        assert image.size == (4 * 128, 4 * 64)


# Input images


def test_each_input_image_is_decoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Recipes of one job may have different init images."""
    calls = list[bytes]()

    def counting(data: bytes) -> Image.Image:
        calls.append(data)
        return decode_source(data)

    monkeypatch.setattr("engine.core.preparation.decode_source", counting)
    files = {sha256(data): data for data in (encode_png(sketch()), encode_png(sketch(80, 48)))}
    recipes = [
        recipe(seed=seed, source=Img2Img(image=digest, strength=0.5))
        for seed in range(2)
        for digest in files
    ]
    events: list[Event] = []
    request = Request(job(*recipes, recipe(), inputs=tuple(files)), events.append, files)
    core = new_engine_core()
    core.add_request(request)
    while request in core.requests:
        core.tick()
    core.postprocessor.flush()
    assert sorted(calls) == sorted(files.values())
    sent = {event.image.sha256 for event in events if isinstance(event, ImageDone)}
    assert len(sent) == 5


def test_an_input_that_was_not_sent_is_named() -> None:
    """The job fails before its first evaluation."""
    reason = failure_reason(job(inputs=("ab" * 32,)))
    assert reason == "The input image abababababab was not sent to the engine."


def test_an_input_with_another_digest_is_refused() -> None:
    """Its bytes are not used under a wrong name."""
    events: list[Event] = []
    core, files = engine_core(), {"ab" * 32: encode_png(sketch())}
    core.add_request(Request(job(inputs=tuple(files)), events.append, files))
    [ending] = events
    assert isinstance(ending, Failed)
    assert ending.reason == "The input image abababababab has another sha256 than its name says."


def test_unused_inputs_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest are dropped; those of jobs do not count."""
    monkeypatch.setattr(input_store, "MAX_UNUSED_BYTES", 10)
    store = InputStore()
    for name in "abc":
        store.add(name, b"1234")
    assert store.unused_bytes == 8
    assert store.take(["a", "b"]) == {"b": b"1234"}
    assert store.unused_bytes == 4
    for _ in range(3):
        store.add("c", b"12345")
    assert store.take("cc") == {"c": b"12345"}
    assert store.unused_bytes == 0
    store.add("large", b"x" * 11)
    assert store.unused_bytes == 0


# The events of a connection


def image_done(index: int, size: int) -> ImageDone:
    """A picture of this size."""
    image = PaintedImage(
        png=b"x" * size, sha256="", verdicts=(VERDICT,), row_class=2, fingerprint=""
    )
    return ImageDone(job="a", attempt=1, index=index, image=image)


def test_results_are_sent_in_order_and_counted() -> None:
    """Pictures, artifacts and endings are all sent; of the progress only the newest."""
    events = EventQueue()
    film = ArtifactDone(
        job="a",
        attempt=1,
        index=0,
        role=ArtifactRole.FILM,
        media_type="video/mp4",
        data=b"y" * 5000,
    )
    ending = Completed(job="a", attempt=1, seconds=1.0, engine_seconds=1.0)
    first, second = image_done(0, 3000), image_done(1, 2000)
    events.put(Queued(job="b", attempt=1, jobs_ahead=1))
    for step in (1, 2):
        events.put(Stepped(job="c", attempt=1, step=step, steps=3))
    for event in (first, film, second, ending):
        events.put(event)
    assert 10_000 < events.unsent_bytes < 20_000
    taken = list(events._take_all())
    assert taken == [
        first,
        film,
        second,
        ending,
        Queued(job="b", attempt=1, jobs_ahead=1),
        Stepped(job="c", attempt=1, step=2, steps=3),
    ]
    assert events.unsent_bytes == 0
