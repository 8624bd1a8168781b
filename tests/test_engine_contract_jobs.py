"""Jobs of an engine: the fake engine, the server and a cluster paint, refuse and flag alike."""

import asyncio
from typing import Any

import pytest

from bot.engine_client.socket_client import SocketEngineClient
from engine.contract import (
    Adapter,
    Completed,
    Event,
    Failed,
    Img2Img,
    Input,
    PaintedImage,
    Queued,
    Sampler,
    Stepped,
    sha256,
)
from engine.contract.images.encode import encode_png
from engine.contract.wire import Connection
from tests.engine_parts import sketch
from tests.engine_subjects import ROW_CLASS, StartEngine, Subject
from tests.engine_wire import (
    connect_authenticated,
    events_of,
    job,
    paint,
    pictures_in,
    submit,
)
from tests.samples import pixels_digest

SKETCH = encode_png(sketch())
FORMATS = "It must be a PNG, JPEG, WebP, AVIF, GIF, BMP or TIFF image."
OVERFLOWED = "The model's values overflowed: try another seed, size or sampler."


@pytest.mark.parametrize("previews", [True, False])
async def test_a_job_ends_with_its_pictures(
    subject: Subject, events: Connection[Event], previews: bool
) -> None:
    """Each recipe has a picture with the digest of its pixels, and step numbers increase."""
    await events.send(job(subject, "a", 1, 2, steps=40, previews=previews))
    all_events = await events_of(events, "a")
    progress = [event for event in all_events if isinstance(event, Queued | Stepped)]
    pictures, ending = pictures_in(all_events), all_events[-1]
    assert isinstance(ending, Completed)
    assert ending.attempt == 1
    assert len({image.sha256 for image in pictures}) == 2
    for image in pictures:
        assert image.png.startswith(b"\x89PNG")
        assert pixels_digest(image.png) == image.sha256
        assert image.fingerprint == subject.model.fingerprint
        assert image.row_class == ROW_CLASS
        assert [verdict.flagged for verdict in image.verdicts] == [False]
    steps = [event for event in progress if isinstance(event, Stepped)]
    assert [event.step for event in steps] == sorted({event.step for event in steps})
    assert {event.steps for event in steps} == {40}
    jpegs = [event.preview for event in steps if event.preview is not None]
    assert bool(jpegs) == previews
    assert all(jpeg.startswith(b"\xff\xd8") and len(jpeg) < 10_000 for jpeg in jpegs)
    assert all(isinstance(event, Queued) for event in progress[: len(progress) - len(steps)])
    assert ending.seconds > 0
    assert ending.engine_seconds > 0


async def test_the_recipe_determines_the_picture(
    subject: Subject, events: Connection[Event]
) -> None:
    """Equal recipes give equal bits: alone, beside others, and for another connection."""
    [alone] = await paint(events, job(subject, "alone", 1))
    beside, different = await paint(events, job(subject, "beside", 1, 2))
    async with connect_authenticated(subject.endpoint) as other:
        [again] = await paint(other, job(subject, "again", 1, attempt=2))
    assert alone.png == beside.png == again.png != different.png
    for change in ({"prompt": "a boat"}, {"steps": 5}, {"guidance": 3.0}, {"width": 72}):
        [changed] = await paint(events, job(subject, "changed", 1, **change))
        assert changed.sha256 != alone.sha256


async def test_the_engine_may_choose_the_row_class(
    subject: Subject, events: Connection[Event]
) -> None:
    """Each picture has the one that was used, and is the picture of that recipe."""
    [adaptive] = await paint(events, job(subject, "a", 1, adaptive=True))
    assert adaptive.row_class in subject.model.row_classes(64, 64)
    [repeated] = await paint(events, job(subject, "b", 1, row_class=adaptive.row_class))
    assert repeated.sha256 == adaptive.sha256


# Refusals


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"model": "another"}, "This picture needs the model another (REVISION), but LOADED."),
        ({"revision": "1" * 40}, "This picture needs the model NAME (111111111111), but LOADED."),
        (
            {"adapters": (Adapter(name="sepia", revision="1", scale=1.0),)},
            "This picture needs the LoRA sepia, which is not here for the model NAME.",
        ),
        (
            {"width": 2048, "height": 2048},
            "2048 x 2048 is too large for this model: at most PIXELS pixels are allowed.",
        ),
        (
            {"sampler": Sampler.LCM, "steps": 60},
            "The sampler lcm takes at most 50 steps; this request has 60.",
        ),
        (
            {"source": Img2Img(sha256(SKETCH), 0.5)},
            "An input image is missing, or its sha256 is not that in the recipe.",
        ),
    ],
    ids=["model", "revision", "adapters", "size", "steps", "sketch"],
)
async def test_an_impossible_job_fails(
    subject: Subject, events: Connection[Event], changes: dict[str, Any], reason: str
) -> None:
    """The reason is a sentence for the user, and the next job is painted."""
    card = subject.model
    for placeholder, value in {
        "LOADED": f"NAME ({card.revision[:12]}) is loaded",
        "NAME": card.name,
        "REVISION": card.revision[:12],
        "PIXELS": str(card.max_pixels),
    }.items():
        reason = reason.replace(placeholder, value)
    await events.send(job(subject, **changes))
    *progress, ending = await events_of(events, "a")
    assert ending == Failed(job="a", attempt=1, reason=reason)
    assert all(isinstance(event, Queued) for event in progress)
    assert await paint(events, job(subject, "next"))


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (b"no image", f"The sketch is not an image that can be read. {FORMATS}"),
        (SKETCH[:-60], f"The sketch is damaged or truncated. {FORMATS}"),
    ],
)
async def test_an_invalid_sketch_fails(
    subject: Subject, events: Connection[Event], source: bytes, reason: str
) -> None:
    """Its digest is right, but it cannot be decoded."""
    await submit(events, job(subject, sketch=source, strength=0.5))
    assert (await events_of(events, "a"))[-1] == Failed(job="a", attempt=1, reason=reason)


async def test_a_job_that_fails_does_not_end_the_engine(
    subject: Subject, events: Connection[Event]
) -> None:
    """The reason tells what the operator should look at."""
    async with subject.fail():
        await events.send(job(subject))
        ending = (await events_of(events, "a"))[-1]
    assert isinstance(ending, Failed)
    assert ending.reason == "The engine failed (RuntimeError); its log has the details."
    assert not ending.init_image_flagged
    assert await paint(events, job(subject, "next"))


# Sketches


async def test_a_sketch_is_painted_over(subject: Subject, events: Connection[Event]) -> None:
    """The strength is the share of the steps that are run."""
    pictures = []
    for strength, steps in ((0.5, 4), (1.0, 8)):
        await submit(events, job(subject, "a", steps=8, sketch=SKETCH, strength=strength))
        all_events = await events_of(events, "a")
        assert {event.steps for event in all_events if isinstance(event, Stepped)} == {steps}
        pictures.append(pictures_in(all_events)[0].sha256)
    [plain] = await paint(events, job(subject, "a", steps=8))
    assert len({*pictures, plain.sha256}) == 3


async def test_a_flagged_sketch_fails(start_engine: StartEngine) -> None:
    """The ending says that it was the sketch."""
    async with (
        start_engine(checker="flagged") as subject,
        connect_authenticated(subject.endpoint) as events,
    ):
        await submit(events, job(subject, sketch=SKETCH, strength=0.5, include_flagged=True))
        assert (await events_of(events, "a"))[-1] == Failed(
            job="a",
            attempt=1,
            reason="The sketch was withheld by the safety check.",
            init_image_flagged=True,
        )


# Pictures without bytes


@pytest.mark.parametrize("include_flagged", [True, False])
@pytest.mark.parametrize("checker", ["flagged", "unchecked"])
async def test_flagged_pictures_are_withheld(
    start_engine: StartEngine, checker: str, include_flagged: bool
) -> None:
    """They are sent only if the job includes them, and if they could be checked.

    The digest is always that of the pixels.
    """
    async with (
        start_engine(checker=checker) as subject,
        connect_authenticated(subject.endpoint) as events,
    ):
        pictures = await paint(events, job(subject, "a", 1, 2, include_flagged=include_flagged))
    is_sent = include_flagged and checker == "flagged"
    for picture in pictures:
        [verdict] = picture.verdicts
        assert (verdict.checker, verdict.flagged) == ("model", True)
        assert (verdict.score is None) == (checker == "unchecked")
        assert bool(picture.png) == is_sent
        assert picture.withheld != is_sent
        assert len(picture.sha256) == 64
        assert picture.failed is None
        if is_sent:
            assert pixels_digest(picture.png) == picture.sha256
    assert len({picture.sha256 for picture in pictures}) == 2


async def test_a_failed_picture_does_not_affect_the_others(
    subject: Subject, events: Connection[Event]
) -> None:
    """The others are the same as without it."""
    expected = await paint(events, job(subject, "a", 1, 2, 3))
    subject.overflow(2)
    pictures = await paint(events, job(subject, "b", 1, 2, 3))
    [index] = [index for index, picture in enumerate(pictures) if picture.failed is not None]
    failed = PaintedImage(
        png=b"",
        sha256="",
        failed=OVERFLOWED,
        row_class=ROW_CLASS,
        fingerprint=subject.model.fingerprint,
    )
    assert pictures == (*expected[:index], failed, *expected[index + 1 :])


async def test_a_job_whose_pictures_all_fail_has_failed(
    subject: Subject, events: Connection[Event]
) -> None:
    """The reason is that of its first picture."""
    subject.overflow(1, 2)
    await events.send(job(subject, "a", 1, 2))
    ending = (await events_of(events, "a"))[-1]
    assert isinstance(ending, Failed)
    assert ending.reason == OVERFLOWED


# Jobs of many pictures, and their inputs


async def test_a_job_may_have_many_pictures(subject: Subject, events: Connection[Event]) -> None:
    """Each is sent by itself, and is what it would be alone."""
    pictures = await paint(events, job(subject, "many", *range(1, 17), steps=2))
    assert len({picture.sha256 for picture in pictures}) == 16
    [alone] = await paint(events, job(subject, "alone", 9, steps=2))
    assert pictures[8] == alone


async def test_an_input_is_sent_before_the_job_that_lists_it(
    subject: Subject, events: Connection[Event]
) -> None:
    """A job that lists an input without Input, or with other bytes, fails with the reason."""
    a_job = job(subject, sketch=SKETCH, strength=0.5)
    [digest] = a_job.inputs
    await events.send(a_job)
    ending = (await events_of(events, "a"))[-1]
    assert isinstance(ending, Failed)
    assert ending.reason == f"The input image {digest[:12]} was not sent to the engine."
    await events.send(Input(sha256=digest, data=SKETCH + b"!"))
    await events.send(a_job)
    ending = (await events_of(events, "a"))[-1]
    assert isinstance(ending, Failed)
    assert ending.reason == f"The input image {digest[:12]} has another sha256 than its name says."
    assert await paint(events, a_job)


async def test_an_input_of_another_connection_is_not_used(
    subject: Subject, events: Connection[Event]
) -> None:
    """Each connection has its own."""
    a_job = job(subject, sketch=SKETCH, strength=0.5)
    async with connect_authenticated(subject.endpoint) as other:
        await other.send(Input(sha256=a_job.inputs[0], data=SKETCH))
        assert await paint(other, job(subject))
        await events.send(a_job)
        ending = (await events_of(events, "a"))[-1]
    assert isinstance(ending, Failed) and "was not sent" in ending.reason


async def test_the_client_sends_inputs_with_each_job(subject: Subject) -> None:
    """Jobs that are submitted at the same time may have the same sketch."""
    client = SocketEngineClient()
    jobs = [job(subject, f"job {nth}", sketch=SKETCH, strength=0.5) for nth in range(6)]
    async with client.connect(subject.endpoint):
        listening = asyncio.create_task(client.listen(lambda _: None))
        files = {jobs[0].inputs[0]: SKETCH}
        tasks = (client.submit(a_job, lambda _: None, files) for a_job in jobs)
        endings = await asyncio.gather(*tasks)
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
    assert all(isinstance(ending, Completed) for ending in endings), endings
