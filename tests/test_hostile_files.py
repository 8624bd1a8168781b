"""The whole corpus of hostile files, against the bot that has to read them."""

import subprocess
import sys
from io import BytesIO
from pathlib import Path

import msgspec
import pytest
from PIL import Image, ImageChops, ImageStat

from tests import hostile_files
from tests.hostile_files import STOWAWAY, Hostile, Outcome, Peaks

ROOT = Path(__file__).parents[1]
CORPUS = hostile_files.corpus()
SECONDS = 25.0
MEGABYTE = 1024 * 1024


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a process of its own, so that its memory can be told, has put what became of them."""
    folder = tmp_path_factory.mktemp("hostile")
    for number, file in enumerate(CORPUS):
        (folder / f"{number:03}.file").write_bytes(file.data)
    command = [sys.executable, "-W", "ignore", "-m", "tests.hostile_files", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True)
    return folder


@pytest.fixture(scope="module")
def outcomes(folder: Path) -> list[Outcome]:
    """In the order of the corpus."""
    return msgspec.json.decode((folder / "outcomes.json").read_bytes(), type=list[Outcome])


def test_there_are_many_and_all_differ() -> None:
    """By name and by content."""
    assert len(CORPUS) >= 60
    assert len({file.name for file in CORPUS}) == len({file.data for file in CORPUS}) == len(CORPUS)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("number", range(len(CORPUS)), ids=[file.name for file in CORPUS])
def test_each_is_a_clean_picture_or_refused_in_words(
    folder: Path, outcomes: list[Outcome], number: int
) -> None:
    """In bounded time; what is odd but harmless comes out right."""
    file, outcome = CORPUS[number], outcomes[number]
    assert outcome.seconds < SECONDS
    if outcome.refusal is not None:
        assert file.expected != "picture"
        assert file.said in outcome.refusal
        assert outcome.refusal.endswith(".")
        assert "failed at this one" not in outcome.refusal
    else:
        assert file.expected != "refused"
        check(file, (folder / f"{number:03}.png").read_bytes())


def check(file: Hostile, png: bytes) -> None:
    """An RGB PNG of nothing but pixels, and of the right ones."""
    assert STOWAWAY not in png
    assert set(kinds(png)) == {b"IHDR", b"IDAT", b"IEND"}
    with Image.open(BytesIO(png)) as picture:
        assert (picture.format, picture.mode, picture.info) == ("PNG", "RGB", {})
        assert max(picture.size) <= 2048
        if file.shows is not None:
            assert picture.size == file.shows.size
            difference = ImageStat.Stat(ImageChops.difference(picture, file.shows))
            assert max(difference.mean) < 4


def kinds(png: bytes) -> list[bytes]:
    """Of all chunks, to the last byte."""
    found, start = [], 8
    while start < len(png):
        found.append(png[start + 4 : start + 8])
        start += 12 + int.from_bytes(png[start : start + 4])
    assert start == len(png)
    return found


@pytest.mark.timeout(240)
def test_memory_stays_bounded(folder: Path, outcomes: list[Outcome]) -> None:
    """The bot's grows by no more than the largest picture that may come out takes to write."""
    assert len(outcomes) == len(CORPUS)
    peaks = msgspec.json.decode((folder / "peaks.json").read_bytes(), type=Peaks)
    assert peaks.bot < 100 * MEGABYTE
    assert 100 * MEGABYTE < peaks.sandbox < 1024 * MEGABYTE
