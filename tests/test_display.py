"""Pictures of small models are shown enlarged."""

from io import BytesIO
from pathlib import Path

import msgspec
import pytest
from PIL import Image

from bot.domain.display import display_scale
from bot.domain.picture import Picture
from bot.domain.plan import Plan
from bot.domain.visibility import VisiblePictures
from bot.messages.picture_files import grid_file, picture_file
from bot.storage import FileMissing, FileStorage
from engine.contract import Capture, Recipe
from tests.bot_harness import BotHarness
from tests.fake_engine import MODEL, FakeEngine
from tests.fake_server import UPSCALER
from tests.samples import encoded, picture, recipe

LARGE = msgspec.structs.replace(MODEL, name="large", native_size=512)


def plan(*recipes: Recipe, **capture: bool | int) -> Plan:
    """A plan of these recipes."""
    return Plan(recipes=recipes or (recipe(),), capture=Capture(**capture))  # type: ignore[arg-type] # its fields


@pytest.mark.parametrize(
    ("planned", "expected"),
    [
        (plan(), 4),
        (plan(recipe(width=80, height=64)), 4),
        (plan(recipe(width=128, height=128)), 2),
        (plan(recipe(), recipe(width=128, height=128)), 2),
        (plan(recipe(width=256, height=256)), 1),
        (plan(recipe(model="large", width=512, height=512)), 1),
        (plan(recipe(model="gone")), 1),
        (plan(film=True), 1),
        (plan(strip=9), 1),
    ],
)
def test_the_automatic_scale(planned: Plan, expected: int) -> None:
    """Pictures of a small model get about four times the sides of its native size."""
    assert display_scale(planned, [MODEL, LARGE], [UPSCALER]) == expected


@pytest.mark.parametrize(("chosen", "expected"), [(1, 1), (2, 2), (4, 4)])
def test_a_guild_may_choose(chosen: int, expected: int) -> None:
    """For all models; without an upscaler nothing is enlarged."""
    large = plan(recipe(model="large"))
    assert display_scale(large, [MODEL, LARGE], [UPSCALER], chosen) == expected
    assert display_scale(large, [MODEL, LARGE], [], chosen) == 1


@pytest.fixture
def storage(tmp_path: Path) -> FileStorage:
    """An empty data folder."""
    return FileStorage(tmp_path)


def stored(storage: FileStorage, nth: int, side: int | None) -> Picture:
    """A picture of 64 pixels, with a display version of this side."""
    storage.save_picture("j1", nth, encoded(Image.new("RGB", (64, 64), "red")))
    if side is not None:
        shown = encoded(Image.new("RGB", (side, side), "blue"))
        storage.save_artifact("j1", nth, "display.png", shown)
    return picture(nth=nth)


@pytest.mark.parametrize(("sides", "expected"), [((256, 256), 512), ((256, None), 512)])
def test_grids_have_the_display_versions(
    storage: FileStorage, sides: tuple[int | None, int | None], expected: int
) -> None:
    """A picture without one is enlarged plainly, so all cells have one size."""
    pictures = tuple(stored(storage, nth, side) for nth, side in enumerate(sides, start=1))
    visible = VisiblePictures(pictures, needs_spoiler=False)
    _, data = grid_file(storage, visible)
    with Image.open(BytesIO(data)) as image:
        assert image.size == (expected, 256)
    _, data = picture_file(storage, visible)
    with Image.open(BytesIO(data)) as image:
        assert image.size == (256, 256)


def test_a_picture_that_a_channel_may_not_see_has_no_display_version(storage: FileStorage) -> None:
    """As it has no file."""
    hidden = msgspec.structs.replace(stored(storage, 1, 256), path=None)
    with pytest.raises(FileMissing):
        picture_file(storage, VisiblePictures((hidden,), needs_spoiler=False))


async def test_the_engine_is_asked_for_display_versions(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """It has an upscaler, and its model is small."""
    await harness.imagine()
    assert engine.paints[0].capture.display_scale == 4
