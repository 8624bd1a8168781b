"""The data folder of the bot before recipes had subseeds, changes and sources (version 9)."""

import contextlib
import io
import os
import shutil
import sqlite3
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Final

import msgspec
from PIL import Image

from bot.db import migrations
from bot.db.database import FILENAME, Database
from bot.domain.picture import Picture
from bot.playground import Message
from engine.contract import Img2Img, Recipe, Subseed, pixels_sha256, sha256
from tests.bot_harness import BotHarness
from tests.engine_parts import job, load_engine_core, painted_images
from tests.fake_engine import FakeEngine

ARCHIVE: Final = Path(__file__).with_name("old_data.zip")
GRID, VARIATIONS, SECOND, SKETCHED, REROLLED = (
    "e069878cdb414f51",
    "bd8f962073984160",
    "6460cca1849646ae",
    "a54d3e32e84244ea",
    "ff2071adafd34833",
)
"""Its jobs: two pictures, variations of the second, variations of the first of these, a picture
from a sketch, and the same with another seed."""
PICTURES: Final = 12


def unpack(data: Path) -> None:
    """Put the old files in place of those in the folder."""
    shutil.rmtree(data, ignore_errors=True)
    with zipfile.ZipFile(ARCHIVE) as archive:
        archive.extractall(data)


def old_rows(data: Path) -> dict[str, sqlite3.Row]:
    """The old rows of pictures, by their ids."""
    with contextlib.closing(sqlite3.connect(data / FILENAME)) as connection:
        connection.row_factory = sqlite3.Row
        return {row["id"]: row for row in connection.execute("SELECT * FROM pictures")}


async def migrated(data: Path) -> list[Picture]:
    """All pictures of the migrated database."""
    migrations.migrate(data / FILENAME)
    async with Database(data / FILENAME) as db:
        jobs = (GRID, VARIATIONS, SECOND, SKETCHED, REROLLED)
        return [picture for name in jobs for picture in await db.jobs.pictures(name)]


def stored_pixels(data: Path, picture: Picture) -> str:
    """The digest of the pixels of a picture's file."""
    assert picture.path is not None
    with Image.open(data / picture.path) as image:
        return pixels_sha256(image)


async def test_recipes_files_and_columns_are_the_same(tmp_path: Path) -> None:
    """Of each picture, and of its job."""
    unpack(tmp_path)
    before = old_rows(tmp_path)
    pictures = await migrated(tmp_path)
    assert len(pictures) == len(before) == PICTURES
    for picture in pictures:
        old, recipe = before[picture.id], picture.recipe
        assert isinstance(recipe, Recipe)
        names = ("model", "revision", "prompt", "negative", "seed", "steps", "guidance", "width")
        assert [getattr(recipe, name) for name in names] == [old[name] for name in names]
        assert (recipe.sampler, recipe.row_class) == (old["sampler"], old["row_class"])
        share = old["subseed_strength"]
        assert recipe.subseeds == ((Subseed(old["subseed"], share),) if share else ())
        assert (recipe.images, recipe.strength) == (
            (old["source"],) if old["source"] else (),
            old["strength"],
        )
        assert picture.path is not None
        digest = sha256((tmp_path / picture.path).read_bytes())
        assert (picture.sha256, picture.file_sha256, old["sha256"]) == (None, digest, digest)
    async with Database(tmp_path / FILENAME) as db:
        sketched = await db.jobs.job(SKETCHED)
    assert sketched is not None
    [recipe] = sketched.recipes
    assert isinstance(recipe.recipe.source, Img2Img)
    assert (tmp_path / "sources" / f"{recipe.recipe.source.image}.png").is_file()


async def test_pictures_are_painted_again_to_the_bit(tmp_path: Path) -> None:
    """On the software and hardware that painted them; elsewhere, the fingerprint differs."""
    unpack(tmp_path)
    core = load_engine_core("starter")
    for picture in await migrated(tmp_path):
        recipe = msgspec.structs.replace(picture.recipe, revision=core.model.card.revision)
        files = [(tmp_path / "sources" / f"{name}.png").read_bytes() for name in recipe.images]
        [image] = painted_images(job(recipe, source=next(iter(files), None)), core)
        assert image.png
        with Image.open(io.BytesIO(image.png)) as again:
            is_equal = pixels_sha256(again) == stored_pixels(tmp_path, picture)
        assert is_equal or image.fingerprint != picture.fingerprint


class OldBot:
    """A bot that was stopped, got the old data folder, and was started with the model of then."""

    def __init__(self, harness: BotHarness, engine: FakeEngine) -> None:
        self._harness = harness
        self._engine = engine
        self._message: Message | None = None

    async def start(self) -> None:
        """Also makes a message whose buttons `press` changes."""
        self._message = await self._harness.imagine()
        await self._harness.stop()
        unpack(self._harness.data)
        revision = next(iter(old_rows(self._harness.data).values()))["revision"]
        card = msgspec.structs.replace(self._engine.model, name="starter", revision=revision)
        self._engine.models = (card,)
        await self._harness.start()

    async def press(self, custom_id: str) -> Message:
        """The result of a button of an old message."""
        assert self._message is not None
        self._message.components[0]["components"][0]["custom_id"] = custom_id
        clicked = await self._harness.ada.click(self._message, custom_id=custom_id)
        return await self._harness.result(clicked)


async def test_old_buttons_work(harness: BotHarness, engine: FakeEngine) -> None:
    """U shows the old file; variations keep the noise of the picture, and rerolls its sketch."""
    old = OldBot(harness, engine)
    await old.start()
    shown = await old.press(f"v1:upscale:{SECOND}:3")
    file = harness.data / "pictures" / SECOND / "3.png"
    with Image.open(io.BytesIO(shown.attachments[0].data)) as image, Image.open(file) as stored:
        assert image.size[0] % stored.size[0] == 0
    painted = len(engine.paints)
    await old.press(f"v1:vary:{SECOND}:3")
    for recipe in engine.paints[-1].recipes:
        assert isinstance(recipe, Recipe)
        assert recipe.subseeds[0] == Subseed(3032442203, 0.2389)
        assert len(recipe.subseeds) == 2
    await old.press(f"v1:reroll:{SKETCHED}:0")
    [recipe] = engine.paints[-1].recipes
    assert isinstance(recipe.recipe.source, Img2Img) and recipe.strength == 0.55
    await old.press(f"v1:reroll:{VARIATIONS}:0")
    assert {item.seed for item in engine.paints[-1].recipes} == {5}
    await old.press(f"v1:fork:{GRID}:1")
    assert engine.paints[-1].capture.strip
    assert len(engine.paints) == painted + 4


def test_an_old_picture_is_replayed(tmp_path: Path) -> None:
    """From its recipe, with its sketch."""
    unpack(tmp_path)
    migrations.migrate(tmp_path / FILENAME)
    output = subprocess.run(
        [sys.executable, "-m", "bot", "replay", f"{SKETCHED}-1"],
        env=os.environ | {"DISCORD_TOKEN": "none", "IMAGINE_DATA": str(tmp_path)},
        capture_output=True,
        text=True,
    ).stdout
    assert "The same" in output or "fingerprints differ" in output
