"""The whole corpus of hostile files, against the bot that has to read them."""

import asyncio
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import msgspec
import psutil
import pytest
from PIL import Image, ImageChops, ImageStat

from bot.playground import Person, Upload
from tests import hostile_files
from tests.hostile_files import STOWAWAY, Hostile, Outcome, Peaks
from tests.house import House

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
    assert peaks.bot < 64 * MEGABYTE
    assert 100 * MEGABYTE < peaks.sandbox < 1024 * MEGABYTE


NAMES = ["sketch.png", "../../etc/passwd", "CON.png\0.exe", "a" * 200, "\u202egnp.exe", "<@1>.svg"]
SLOW = "JPEG of thousands of scans"


async def ended(house: House, person: Person, file: Hostile, name: str) -> bool:
    """Was it painted over? If not, the person was told why, in private."""
    sketch = Upload(name, file.data, "image/png")
    asked = await person.slash("imagine", checked=False, prompt=file.name, sketch=sketch)
    await house.discord.until(
        lambda: asked.ephemerals or (asked.response and asked.response.attachments),
        timeout=60,
        why=f"an end of {file.name}",
    )
    if asked.ephemerals:
        assert asked.ephemerals[0].content.endswith(".")
    return not asked.ephemerals


@pytest.mark.timeout(240)
async def test_the_bot_outlives_them_all(house: House) -> None:
    """Each job ends, and then it paints as ever; no process and no byte of theirs is left."""
    people = [house.discord.person(name) for name in ("Ada", "Ben", "Cleo", "Dan")]
    files = [file for file in CORPUS if file.name != SLOW]
    painted = 0
    for start in range(0, len(files), len(people)):
        several = enumerate(zip(people, files[start:], strict=False), start)
        ends = [ended(house, *one, NAMES[nth % len(NAMES)]) for nth, one in several]
        painted += sum(await asyncio.gather(*ends))
    expected = [file.expected for file in files]
    assert expected.count("picture") <= painted <= len(files) - expected.count("refused")
    assert "U1" in (await house.imagine(sketch=Upload("fine.png", hostile_files.PNG))).buttons
    assert psutil.Process().children() == []
    kept = [path for path in house.data.rglob("*") if path.is_file()]
    assert not any(STOWAWAY in path.read_bytes() for path in kept)
    assert {path.suffix for path in kept if "sources" in path.parts} == {".png"}
    statuses = {row["status"] for row in house.record("SELECT DISTINCT status FROM jobs")}
    assert statuses == {"done", "refused"}
