"""Films of an engine: the fake engine, the server and a cluster send them alike."""

import io

import pytest
from PIL import Image, ImageChops, ImageStat

from engine.contract import ArtifactDone, ArtifactRole, Capture, Event, ImageDone
from engine.contract.wire import Connection
from engine.imaging import video
from tests.engine_subjects import StartEngine, Subject
from tests.engine_wire import connect_authenticated, events_of, job, paint, pictures_in, submit

FILM = Capture(previews=False, film=True)


def mean_difference(a: Image.Image, b: Image.Image) -> float:
    """0 to 255, at the size of the second image."""
    difference = ImageChops.difference(a.resize(b.size, Image.Resampling.BOX), b.convert("RGB"))
    return sum(ImageStat.Stat(difference).mean) / 3


async def test_a_film_follows_its_picture(subject: Subject, events: Connection[Event]) -> None:
    """Each picture has one, which ends with the picture; the pixels are those without films."""
    plain = await paint(events, job(subject, "a", 1, 2))
    await submit(events, job(subject, "b", 1, 2, capture=FILM))
    all_events = await events_of(events, "b")
    pictures = pictures_in(all_events)
    assert [picture.sha256 for picture in pictures] == [picture.sha256 for picture in plain]
    for index, picture in enumerate(pictures):
        results = [
            event
            for event in all_events
            if isinstance(event, ImageDone | ArtifactDone) and event.index == index
        ]
        assert [type(event) for event in results] == [ImageDone, ArtifactDone]
        film = results[1]
        assert isinstance(film, ArtifactDone)
        assert (film.role, film.media_type) == (ArtifactRole.FILM, "video/mp4")
        assert not film.flagged
        first, *_, last = video.decode(film.data)
        with Image.open(io.BytesIO(picture.png)) as image:
            assert mean_difference(last, image) < 4
            assert mean_difference(first, image) > mean_difference(last, image)


@pytest.mark.parametrize("checker", ["flagged", "unchecked"])
async def test_a_withheld_picture_has_no_film(start_engine: StartEngine, checker: str) -> None:
    """Its steps would show it."""
    async with (
        start_engine(checker=checker) as subject,
        connect_authenticated(subject.endpoint) as events,
    ):
        await submit(events, job(subject, "a", capture=FILM))
        all_events = await events_of(events, "a")
    assert pictures_in(all_events)[0].withheld
    assert not any(isinstance(event, ArtifactDone) for event in all_events)
