"""The corpus of hostile files, sanitized and sent to a bot."""

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
from tests.bot_harness import BotHarness
from tests.hostile_files import Outcome, PeakMemory
from tests.hostile_parts import PAYLOAD, PNG, HostileFile

ROOT = Path(__file__).parents[1]
CORPUS = hostile_files.corpus()
SECONDS = 25.0
MEGABYTE = 1024 * 1024


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of a separate process, whose memory can be measured."""
    folder = tmp_path_factory.mktemp("hostile")
    for number, file in enumerate(CORPUS):
        (folder / f"{number:03}.file").write_bytes(file.data)
    command = [sys.executable, "-W", "ignore", "-m", "tests.hostile_files", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True)
    return folder


@pytest.fixture(scope="module")
def outcomes(folder: Path) -> list[Outcome]:
    """The outcomes in the order of the corpus."""
    return msgspec.json.decode((folder / "outcomes.json").read_bytes(), type=list[Outcome])


def test_all_files_of_the_corpus_differ() -> None:
    """Both names and contents are unique."""
    assert len(CORPUS) >= 60
    assert len({file.name for file in CORPUS}) == len({file.data for file in CORPUS}) == len(CORPUS)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("number", range(len(CORPUS)), ids=[file.name for file in CORPUS])
def test_each_file_is_sanitized_or_refused(
    folder: Path, outcomes: list[Outcome], number: int
) -> None:
    """It takes a bounded time; unusual but valid files are decoded correctly."""
    file, outcome = CORPUS[number], outcomes[number]
    assert outcome.seconds < SECONDS
    if outcome.refusal is not None:
        assert file.expected != "image"
        assert file.reason in outcome.refusal
        assert outcome.refusal.endswith(".")
        assert "decoder failed" not in outcome.refusal
    else:
        assert file.expected != "refused"
        check(file, (folder / f"{number:03}.png").read_bytes())


def check(file: HostileFile, png: bytes) -> None:
    """Assert that this is an RGB PNG with exactly the expected pixels."""
    assert PAYLOAD not in png
    assert set(chunk_types(png)) == {b"IHDR", b"IDAT", b"IEND"}
    with Image.open(BytesIO(png)) as picture:
        assert (picture.format, picture.mode, picture.info) == ("PNG", "RGB", {})
        assert max(picture.size) <= 2048
        if file.image is not None:
            assert picture.size == file.image.size
            difference = ImageStat.Stat(ImageChops.difference(picture, file.image))
            assert max(difference.mean) < 4


def chunk_types(png: bytes) -> list[bytes]:
    """The types of all chunks; the last one ends with the file."""
    types, start = [], 8
    while start < len(png):
        types.append(png[start + 4 : start + 8])
        start += 12 + int.from_bytes(png[start : start + 4])
    assert start == len(png)
    return types


@pytest.mark.timeout(240)
def test_memory_stays_bounded(folder: Path, outcomes: list[Outcome]) -> None:
    """The bot's memory grows by no more than encoding the largest image takes."""
    assert len(outcomes) == len(CORPUS)
    peaks = msgspec.json.decode((folder / "peaks.json").read_bytes(), type=PeakMemory)
    assert peaks.bot < 64 * MEGABYTE
    assert 100 * MEGABYTE < peaks.sandbox < 1024 * MEGABYTE


NAMES = ["sketch.png", "../../etc/passwd", "CON.png\0.exe", "a" * 200, "\u202egnp.exe", "<@1>.svg"]
SLOW = "JPEG of thousands of scans"


async def is_painted(harness: BotHarness, person: Person, file: HostileFile, name: str) -> bool:
    """Send a file as a sketch; False if it was refused in an ephemeral message."""
    sketch = Upload(name, file.data, "image/png")
    interaction = await person.slash("imagine", checked=False, prompt=file.name, sketch=sketch)
    await harness.discord.until(
        lambda: (
            interaction.ephemerals or (interaction.response and interaction.response.attachments)
        ),
        timeout=60,
        why=f"the end of {file.name}",
    )
    if interaction.ephemerals:
        assert interaction.ephemerals[0].content.endswith(".")
    return not interaction.ephemerals


@pytest.mark.timeout(240)
async def test_the_bot_survives_the_corpus(harness: BotHarness) -> None:
    """Each job ends, and no process and no payload is left."""
    people = [harness.discord.person(name) for name in ("Ada", "Ben", "Cleo", "Dan")]
    files = [file for file in CORPUS if file.name != SLOW]
    painted = 0
    for start in range(0, len(files), len(people)):
        batch = enumerate(zip(people, files[start:], strict=False), start)
        jobs = [is_painted(harness, *job, NAMES[index % len(NAMES)]) for index, job in batch]
        painted += sum(await asyncio.gather(*jobs))
    expected = [file.expected for file in files]
    assert expected.count("image") <= painted <= len(files) - expected.count("refused")
    assert "U1" in (await harness.imagine(sketch=Upload("fine.png", PNG))).buttons
    assert psutil.Process().children() == []
    paths = [path for path in harness.data.rglob("*") if path.is_file()]
    assert not any(PAYLOAD in path.read_bytes() for path in paths)
    assert {path.suffix for path in paths if "sources" in path.parts} == {".png"}
    statuses = {row["status"] for row in harness.query("SELECT DISTINCT status FROM jobs")}
    assert statuses == {"done", "refused"}
