"""Films and strips: the steps of a picture, captured while it is painted."""

import gc
import io
import itertools
import queue
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from PIL import Image, ImageChops, ImageStat

from engine.contract import (
    ArtifactDone,
    ArtifactRole,
    Backend,
    Cancelled,
    Capture,
    Change,
    Ending,
    Event,
    ImageDone,
    JobEvent,
    Paint,
    Recipe,
    Sampler,
    Upscale,
    Verdict,
    pixels_sha256,
    strip_steps,
)
from engine.contract.images import grid
from engine.contract.samplers import DIFFUSION_SAMPLERS
from engine.core.engine_core import EngineCore
from engine.core.postprocess import Postprocessor
from engine.core.request import Request
from engine.imaging import video
from tests import tiny_model
from tests.engine_parts import (
    Painted,
    engine_core,
    failure_reason,
    job,
    new_engine_core,
    painted_images,
    recipe,
    run_job,
)

FILM = Capture(previews=False, film=True)
HOLD_FRAMES = round(video.HOLD_SECONDS * video.FRAMES_PER_SECOND)


def artifacts(
    *recipes: Recipe, core: EngineCore | None = None, **fields: object
) -> list[ArtifactDone]:
    """The artifacts of a job that must succeed, after all of whose pictures they were sent."""
    events: list[Event] = []
    ending = run_job(job(*recipes, **fields), core, events.append)
    assert isinstance(ending, Painted), ending
    return [event for event in events if isinstance(event, ArtifactDone)]


def frames_of(artifact: ArtifactDone) -> list[Image.Image]:
    """The frames of a film, without the repetitions of the last one."""
    assert (artifact.role, artifact.media_type) == (ArtifactRole.FILM, "video/mp4")
    frames = list(video.decode(artifact.data))
    return frames[: len(frames) - HOLD_FRAMES]


def difference(a: Image.Image, b: Image.Image) -> float:
    """The mean difference of two images, 0 to 255, at the size of the second."""
    same_size = a.convert("RGB").resize(b.size, Image.Resampling.BOX)
    return sum(ImageStat.Stat(ImageChops.difference(same_size, b.convert("RGB"))).mean) / 3


def is_blank(image: Image.Image) -> bool:
    """Whether it is a blank cell."""
    return difference(image, Image.new("RGB", image.size, grid.PLAIN.background)) < 3


@pytest.mark.parametrize(
    ("sampler", "steps"),
    [(sampler, 5) for sampler in DIFFUSION_SAMPLERS if sampler not in (Sampler.LCM, Sampler.TCD)]
    + [(Sampler.EULER, 1), (Sampler.HEUN, 2), (Sampler.PNDM, 2)],
)
def test_a_film_has_a_frame_of_each_step(sampler: Sampler, steps: int) -> None:
    """The noise, one frame for each step, however many evaluations it has, and the picture."""
    painted = recipe(sampler=sampler, steps=steps)
    [film] = artifacts(painted, capture=FILM)
    frames = frames_of(film)
    assert len(frames) == steps + 1
    [picture] = [Image.open(io.BytesIO(i.png)) for i in painted_images(job(painted))]
    differences = [difference(frame, picture) for frame in frames]
    assert differences[-1] < 4
    assert differences[0] == max(differences) or steps == 1


def test_capturing_changes_no_bit_of_the_picture() -> None:
    """The frames are decoded beside the picture, from copies of its state."""
    painted = [recipe(seed=1, steps=6), recipe(seed=2, steps=6, sampler=Sampler.EULER_A)]
    plain = painted_images(job(*painted))
    captured = painted_images(job(*painted, capture=Capture(film=True, strip=3)))
    assert [image.sha256 for image in captured] == [image.sha256 for image in plain]


def test_a_film_of_a_picture_with_changes_has_a_frame_of_each_step() -> None:
    """Also where the sampler changes from one with two evaluations a step to one with one."""
    changes = (Change(step=2, sampler=Sampler.EULER), Change(step=4, prompt="a blue boat"))
    painted = recipe(sampler=Sampler.HEUN, steps=6, changes=changes)
    [film] = artifacts(painted, capture=FILM)
    [picture] = [Image.open(io.BytesIO(i.png)) for i in painted_images(job(painted))]
    frames = frames_of(film)
    assert len(frames) == 7
    assert difference(frames[-1], picture) < 4


def test_an_enlargement_has_no_film() -> None:
    """It has no steps of its own."""
    enlarged = Upscale(
        picture=recipe(), image="a" * 64, upscaler="none", upscaler_revision="1", scale=2
    )
    assert "enlargement" in failure_reason(
        Paint(job="a", attempt=1, recipes=(enlarged,), capture=FILM)
    )


def test_equal_recipes_give_equal_films() -> None:
    """A film is a function of its recipe, also beside other pictures."""
    [alone] = artifacts(recipe(seed=4), capture=FILM)
    together = artifacts(recipe(seed=4), recipe(seed=5), capture=FILM)
    assert {film.index: film.data == alone.data for film in together} == {0: True, 1: False}


def test_each_picture_is_sent_before_its_film() -> None:
    """The film takes longer, so nobody waits for it to see the picture."""
    events: list[Event] = []
    run_job(job(recipe(), recipe(seed=9), capture=FILM), emit=events.append)
    results = [event for event in events if isinstance(event, ImageDone | ArtifactDone)]
    for index in (0, 1):
        kinds = [type(event) for event in results if event.index == index]
        assert kinds == [ImageDone, ArtifactDone]


def test_a_withheld_picture_has_no_film() -> None:
    """Neither its steps nor their number of bytes are sent."""
    flagging = engine_core(tiny_model.ALWAYS)
    capture = Capture(film=True, strip=3)
    assert artifacts(recipe(flagging), core=flagging, capture=capture) == []


def test_flagged_frames_are_blank(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the picture itself passes the check here."""
    core = new_engine_core()
    pictures = painted_images(job(recipe()), core)
    check_safety = core.model.check_safety
    flag = engine_core(tiny_model.ALWAYS).model.check_safety

    def flag_frames(image: Image.Image) -> tuple[Verdict, ...]:
        is_picture = pixels_sha256(image) == pictures[0].sha256
        return check_safety(image) if is_picture else flag(image)

    monkeypatch.setattr(core.model, "check_safety", flag_frames)
    [film] = artifacts(recipe(), core=core, capture=FILM)
    assert [is_blank(frame) for frame in frames_of(film)] == [True] * 4 + [False]
    assert not film.flagged
    [film] = artifacts(recipe(), core=core, capture=FILM, include_flagged=True)
    assert not any(is_blank(frame) for frame in frames_of(film))
    assert film.flagged


def test_unchecked_frames_are_blank(monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed check withholds a frame even if the job includes flagged ones."""
    core = new_engine_core()
    [picture] = painted_images(job(recipe()), core)
    check_safety = core.model.check_safety
    broken = engine_core(tiny_model.NEVER, tiny_model.break_checker).model.check_safety

    def break_for_frames(image: Image.Image) -> tuple[Verdict, ...]:
        is_picture = pixels_sha256(image) == picture.sha256
        return check_safety(image) if is_picture else broken(image)

    monkeypatch.setattr(core.model, "check_safety", break_for_frames)
    [film] = artifacts(recipe(), core=core, capture=FILM, include_flagged=True)
    assert [is_blank(frame) for frame in frames_of(film)] == [True] * 4 + [False]


def test_a_strip_shows_steps_side_by_side() -> None:
    """Its cells have labels, and none of them is the last step, where nothing can be changed."""
    [strip] = artifacts(recipe(steps=10), capture=Capture(strip=4))
    assert (strip.role, strip.media_type) == (ArtifactRole.STRIP, "image/png")
    with Image.open(io.BytesIO(strip.data)) as image:
        assert image.width >= 4 * 64
        assert image.height > 64
    [again] = artifacts(recipe(steps=10), capture=Capture(strip=4))
    assert again.data == strip.data


@pytest.mark.parametrize(
    ("steps", "count", "expected"),
    [
        (10, 4, (1, 4, 6, 9)),
        (4, 25, (1, 2, 3)),
        (20, 2, (1, 19)),
        (20, 1, (19,)),
        (2, 5, (1,)),
        (1, 5, (1,)),
        (20, 0, ()),
    ],
)
def test_strip_steps(steps: int, count: int, expected: tuple[int, ...]) -> None:
    """Evenly spaced steps at which a change can take effect."""
    assert strip_steps(recipe(steps=steps), count) == expected


@contextmanager
def held_frames(core: EngineCore) -> Iterator[None]:
    """Hold the first frame that is decoded, until the block ends."""
    decode_frames, is_open = core.model.decode_frames, threading.Event()

    def decode_later(
        latents: torch.Tensor, backend: Backend = Backend.TORCH
    ) -> list[Image.Image | None]:
        assert is_open.wait(60)
        return decode_frames(latents, backend)

    core.model.decode_frames = decode_later  # type: ignore[method-assign] # a shared model
    try:
        yield
    finally:
        is_open.set()
        del core.model.decode_frames


class Log:
    """The events of several requests, in the order in which they were emitted."""

    def __init__(self) -> None:
        self._events: queue.Queue[Event] = queue.Queue()

    def start(self, core: EngineCore, *paints: Paint) -> list[Request]:
        """Requests that the core has accepted and denoised."""
        requests = [Request(paint, self._events.put) for paint in paints]
        for request in requests:
            core.add_request(request)
        while core.requests:
            core.tick()
        return requests

    def until_ending(self, name: str) -> list[str]:
        """The job and type of each event, up to the ending of this job."""
        taken: list[str] = []
        while True:
            event = self._events.get(timeout=60)
            assert isinstance(event, JobEvent | Ending)
            taken.append(f"{event.job} {type(event).__name__}")
            if isinstance(event, Ending) and event.job == name:
                return taken


def test_other_pictures_go_before_the_frames_of_a_film() -> None:
    """A short job that starts with a long film ends while frames of the film still wait."""
    core, log = new_engine_core(), Log()
    with held_frames(core):
        log.start(
            core,
            job(recipe(steps=12), job="film", capture=FILM),
            job(recipe(seed=3, steps=2), job="short"),
        )
    order = log.until_ending("film")
    assert order.index("short Completed") < order.index("film ArtifactDone")
    assert order[-2:] == ["film ArtifactDone", "film Completed"]


def test_a_film_can_be_cancelled() -> None:
    """A job that is cancelled after its picture was sent ends without its film."""
    core, log = new_engine_core(), Log()
    with held_frames(core):
        [request] = log.start(core, job(recipe(), job="film", capture=FILM))
        request.request_cancel()
    assert log.until_ending("film")[-1] == "film Cancelled"


def test_closing_ends_films() -> None:
    """Closing the postprocessor cancels the films that it still makes."""
    core, log = new_engine_core(), Log()
    with held_frames(core):
        log.start(core, job(recipe(steps=12), job="film", capture=FILM))
        core.postprocessor.close(0.0)
    assert log.until_ending("film")[-1] == "film Cancelled"


def test_a_film_needs_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it, the job is refused with the command that installs it; a strip needs none."""
    monkeypatch.setitem(sys.modules, "av", None)
    assert "pip install imagine-bot[film]" in failure_reason(job(capture=FILM))
    assert len(artifacts(recipe(), capture=Capture(strip=2))) == 1


def test_frames_count_as_engine_time() -> None:
    """A film is charged to its owner: its frames, two at a time, and its encoding."""
    plain = readings_of_postprocessing(Capture())
    filmed = readings_of_postprocessing(FILM)
    assert filmed >= plain + 11


def readings_of_postprocessing(capture: Capture) -> float:
    """What a picture of 20 steps is charged after its denoising, by a clock that counts."""
    readings = itertools.count()
    core = EngineCore([engine_core().model], Postprocessor(clock=lambda: next(readings)))
    request = Request(job(recipe(steps=20), capture=capture), lambda _: None)
    denoise(core, request)
    while not request.is_stopped:
        core.postprocessor.flush()
    return request.postprocess_seconds


@contextmanager
def delayed_postprocessing(core: EngineCore) -> Iterator[None]:
    """The postprocessor does nothing until the end of the block."""
    end = threading.Event()

    def wait() -> None:
        end.wait()

    core.postprocessor.call_later(wait)
    try:
        yield
    finally:
        end.set()


def denoise(core: EngineCore, request: Request) -> None:
    """Run all evaluations of a request."""
    core.add_request(request)
    while request in core.requests:
        core.tick()


def test_a_cancelled_request_does_not_stay_in_memory() -> None:
    """Also if it was cancelled while its picture waited to be decoded."""
    core = new_engine_core()
    events: list[Event] = []
    request = Request(job(recipe(), capture=FILM), events.append)
    with delayed_postprocessing(core):
        denoise(core, request)
        request.request_cancel()
    for _ in range(20):
        core.postprocessor.flush()
    assert [type(event) for event in events][-1] is Cancelled
    reference = weakref.ref(request)
    run_job(job(recipe(), job="b"), core)
    del request
    gc.collect()
    assert reference() is None


def test_closing_ends_requests_whose_files_are_not_made() -> None:
    """Their pictures were sent, but files that belong to them wait for their turn."""
    events, are_sent, may_go_on = list[Event](), threading.Event(), threading.Event()

    def on_event(event: Event) -> None:
        events.append(event)
        if sum(isinstance(event, ImageDone) for event in events) == 2:
            are_sent.set()
            may_go_on.wait()

    core = EngineCore([engine_core().model], Postprocessor())
    jobs = [job(recipe(), job=name, capture=Capture(strip=2)) for name in "ab"]
    requests = [Request(paint, on_event) for paint in jobs]
    with delayed_postprocessing(core):
        for request in requests:
            denoise(core, request)
    are_sent.wait()
    assert not any(isinstance(event, ArtifactDone | Ending) for event in events)
    closing = threading.Thread(target=core.postprocessor.close)
    closing.start()
    while not all(request.is_stopped for request in requests):
        time.sleep(0.01)
    may_go_on.set()
    closing.join()
    assert sorted(event.job for event in events if isinstance(event, Ending)) == ["a", "b"]
