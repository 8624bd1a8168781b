"""Measure how much longer a picture takes with its film than without."""

import queue
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import msgspec

from engine.bench.backends import exit_bench
from engine.contract import (
    ArtifactDone,
    Capture,
    Completed,
    Ending,
    Event,
    ImageDone,
    Paint,
    Recipe,
)
from engine.core.worker import Worker, start_worker
from engine.errors import EngineError
from engine.imaging.video import FilmWriter, decode, film_size
from engine.models.base import DiffusionModel, dummy_recipe

STEPS: Final = 20
_GUIDANCE: Final = 7.5
_ROUNDS: Final = 7


@dataclass(frozen=True)
class FilmTimes:
    """Medians of some rounds; in each, the picture is painted without its film and with it."""

    side: int
    steps: int
    picture_seconds: float
    film_seconds: float
    """The same picture with its film."""
    encoding_seconds: float
    """Spent on the video encoder alone."""
    ratio: float
    """Time with the film but without its encoding, relative to the time of the picture."""
    film_bytes: int
    is_equal: bool
    """Whether the picture has the same pixels with and without the film."""


HEAD: Final = "side  steps  picture, s  with film, s  encoding, s  ratio  film, KiB  equal\n"


def line(times: FilmTimes) -> str:
    """One line of the table."""
    return (
        f"{times.side:<6}{times.steps:<7}{times.picture_seconds:<12.3f}{times.film_seconds:<14.3f}"
        f"{times.encoding_seconds:<13.3f}{times.ratio:<7.2f}{times.film_bytes / 1024:<11.0f}"
        f"{'yes' if times.is_equal else 'NO'}\n"
    )


def run(model: DiffusionModel) -> Iterator[FilmTimes]:
    """Measure a picture of the native size. Raises EngineError if it is not painted."""
    side = model.card.native_size
    recipe = msgspec.structs.replace(
        dummy_recipe(model.card, side, side), steps=STEPS, guidance=_GUIDANCE
    )
    worker = start_worker([model], exit_bench)
    try:
        _paint(worker, recipe, film=True)  # warms up
        rounds = [
            (_paint(worker, recipe, film=False), _paint(worker, recipe, film=True))
            for _ in range(_ROUNDS)
        ]
    finally:
        worker.close()
    picture = statistics.median(plain.seconds for plain, _ in rounds)
    with_film = statistics.median(filmed.seconds for _, filmed in rounds)
    film = rounds[-1][1].film
    encoding = _encoding_seconds(film, side)
    yield FilmTimes(
        side=side,
        steps=STEPS,
        picture_seconds=picture,
        film_seconds=with_film,
        encoding_seconds=encoding,
        ratio=(with_film - encoding) / picture,
        film_bytes=len(film),
        is_equal=len({run.sha256 for pair in rounds for run in pair}) == 1,
    )


@dataclass(frozen=True)
class _Run:
    seconds: float
    sha256: str
    film: bytes


def _paint(worker: Worker, recipe: Recipe, *, film: bool) -> _Run:
    events: queue.Queue[Event] = queue.Queue()
    capture = Capture(previews=False, film=film)
    start = time.monotonic()
    worker.submit(Paint(job="film", attempt=1, recipes=(recipe,), capture=capture), events.put)
    sha256, data = "", b""
    while not isinstance(event := events.get(), Ending):
        if isinstance(event, ImageDone):
            sha256 = event.image.sha256
        elif isinstance(event, ArtifactDone):
            data = event.data
    if not isinstance(event, Completed) or (film and not data):
        raise EngineError(f"The picture was not painted: {event}.")
    return _Run(time.monotonic() - start, sha256, data)


def _encoding_seconds(film: bytes, side: int) -> float:
    """How long the encoder takes for these frames."""
    frames = list(decode(film))[: STEPS + 1]
    times = []
    for _ in range(_ROUNDS):
        start = time.monotonic()
        writer = FilmWriter(film_size(side, side), len(frames))
        for frame in frames:
            writer.add(frame)
        writer.finish()
        times.append(time.monotonic() - start)
    return statistics.median(times)
