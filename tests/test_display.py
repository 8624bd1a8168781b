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
from bot.playground import Message
from bot.playground.client.options import Value
from bot.services import display_versions
from bot.storage import FileMissing, FileStorage
from engine.contract import Capture, ModelCard, Recipe, Upscale
from tests.bot_harness import BotHarness, eventually
from tests.deletion import DELETION_NOTE, delete, files
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
    _, data, _ = grid_file(storage, visible)
    with Image.open(BytesIO(data)) as image:
        assert image.size == (expected, 256)
    _, data, _ = picture_file(storage, visible)
    with Image.open(BytesIO(data)) as image:
        assert image.size == (256, 256)


def test_a_picture_that_a_channel_may_not_see_has_no_display_version(storage: FileStorage) -> None:
    """As it has no file."""
    hidden = msgspec.structs.replace(stored(storage, 1, 256), path=None)
    with pytest.raises(FileMissing):
        picture_file(storage, VisiblePictures((hidden,), needs_spoiler=False))


@pytest.fixture
def engine() -> FakeEngine:
    """It has an upscaler, and its model is small."""
    engine = FakeEngine()
    engine.upscalers = (UPSCALER,)
    return engine


def side(message: Message | None) -> int:
    """Of each of the four pictures that the message shows, in pixels."""
    assert message is not None
    with Image.open(BytesIO(message.attachments[0].data)) as image:
        return image.width // 2


async def until_enlarged(harness: BotHarness, message: Message) -> None:
    """Wait until the message shows the display versions."""
    await harness.discord.until(lambda: side(message) == 256, why="the enlarged pictures")


async def test_pictures_are_shown_before_they_are_enlarged(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """With all buttons; then only the file of the message changes."""
    engine.display_gate.clear()
    result = await harness.imagine()
    assert side(result) == 64
    content, buttons = result.content, result.buttons
    engine.display_gate.set()
    await until_enlarged(harness, result)
    assert (result.content, result.buttons) == (content, buttons)
    [work, *_] = engine.display_paints[0].recipes
    assert isinstance(work, Upscale) and (work.upscaler, work.scale) == (UPSCALER.name, 4)
    assert len(engine.paints) == len(engine.display_paints) == 1


async def test_a_single_picture_waits_for_the_enlargement(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """It is made once, whoever shows it."""
    engine.display_gate.clear()
    result = await harness.imagine()
    press = await harness.ada.click(result, "U2")
    await press.acknowledged()
    engine.display_gate.set()
    shown = await harness.result(press)
    assert side(shown) == 128, "one picture of 256 pixels"
    await until_enlarged(harness, result)
    assert len(engine.display_paints) == 1


@pytest.mark.parametrize("reason", ["The engine failed; its log has the details.", "Out of memory"])
async def test_without_an_enlargement_pictures_are_shown_as_they_are(
    harness: BotHarness, engine: FakeEngine, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The job is not affected; the next message tries again."""
    engine.display_gate.clear()
    result = await harness.imagine()
    attachments = list(result.attachments)
    engine.failure = reason
    engine.display_gate.set()
    await eventually(lambda: "pictures are not shown enlarged" in caplog.messages)
    await eventually(lambda: harness.query("SELECT 1 FROM deliveries WHERE delivered_at > 0"))
    assert result.attachments == attachments, "they are not sent again"
    assert [row["status"] for row in harness.query("SELECT status FROM jobs")] == ["done"]
    engine.failure = None
    shown = await harness.result(await harness.ada.click(result, "U1"))
    assert side(shown) == 128
    assert [len(paint.recipes) for paint in engine.display_paints] == [4, 1], "U1 needs only one"


async def test_a_restart_does_not_prevent_the_enlargement(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """The result is delivered only when its pictures are enlarged."""
    engine.display_gate.clear()
    result = await harness.imagine()
    await eventually(lambda: engine.display_paints)
    await harness.stop()
    engine.display_gate.set()
    await harness.start()
    await until_enlarged(harness, result)
    assert len(engine.paints) == 1


async def test_an_engine_that_dies_meanwhile_leaves_the_pictures(
    harness: BotHarness, engine: FakeEngine, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is painted again."""
    engine.display_gate.clear()
    result = await harness.imagine()
    await eventually(lambda: engine.display_paints)
    engine.die()
    await eventually(lambda: "pictures are not shown enlarged" in caplog.messages)
    assert side(result) == 64
    engine.display_gate.set()
    await eventually(lambda: len(engine.writers) == 1 and engine.starts == 2)
    shown = await harness.result(await harness.ada.click(result, "U1"))
    assert side(shown) == 128
    assert len(engine.paints) == 1


async def test_an_enlargement_that_is_handed_back_is_made_elsewhere(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """A replica of a cluster stops, so another gets the job."""
    engine.display_gate.clear()
    result = await harness.imagine()
    await eventually(lambda: engine.display_paints)
    [first] = engine.display_paints
    await engine.interrupt(first.job, crashed=False)
    engine.display_gate.set()
    await until_enlarged(harness, result)
    assert [paint.attempt for paint in engine.display_paints] == [1, 2]


async def test_an_enlargement_that_takes_too_long_is_stopped(
    harness: BotHarness, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pictures are shown as they are; another attempt does not disturb the engine."""
    monkeypatch.setattr(display_versions, "TIMEOUT_SECONDS", 0.5)
    engine.display_gate.clear()
    engine.ignores_cancel = True
    result = await harness.imagine()
    await eventually(lambda: len(engine.cancels) == 1)
    shown = await harness.result(await harness.ada.click(result, "U1"))
    assert side(shown) == 32, "one picture of 64 pixels"
    await eventually(lambda: len(engine.cancels) == 2)
    assert {paint.job for paint in engine.display_paints} == {
        cancel.job for cancel in engine.cancels
    }
    assert len(engine.display_paints) == 2
    assert engine.starts == 1


async def test_a_message_that_is_deleted_meanwhile_stays_deleted(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """By its user, while the pictures are being enlarged."""
    engine.display_gate.clear()
    result = await harness.imagine()
    await eventually(lambda: engine.display_paints)
    await harness.ada.react(result, "❌")
    await harness.discord.until(lambda: result.deleted, why="the deletion")
    count = len(harness.discord.messages())
    engine.display_gate.set()
    await eventually(
        lambda: not harness.query("SELECT 1 FROM deliveries WHERE delivered_at IS NULL")
    )
    assert len(harness.discord.messages()) == count


async def test_pictures_that_are_deleted_meanwhile_are_not_shown_again(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """Nor does a file of them stay."""
    engine.display_gate.clear()
    result = await harness.imagine()
    await eventually(lambda: engine.display_paints)
    await delete(harness)
    engine.display_gate.set()
    await harness.discord.until(
        lambda: not result.attachments and DELETION_NOTE in result.content, why="the note"
    )
    await eventually(lambda: files(harness) == set())


async def test_a_flagged_enlargement_is_not_shown(harness: BotHarness, engine: FakeEngine) -> None:
    """The picture itself passed the safety check, and is shown."""
    engine.display_gate.clear()
    result = await harness.imagine()
    engine.sends_flagged, engine.flagged = True, {2}
    engine.display_gate.set()
    await until_enlarged(harness, result)
    names = {path.name for path in harness.data.glob("pictures/*/*-display.png")}
    assert names == {f"{nth}-display.png" for nth in (1, 3, 4)}


@pytest.fixture
def large_model(engine: FakeEngine) -> ModelCard:
    """The engine's only model."""
    card = msgspec.structs.replace(MODEL, native_size=640, max_pixels=640 * 640)
    engine.models = (card,)
    return card


async def test_pictures_that_would_be_too_large_are_shown_as_they_are(
    large_model: ModelCard, harness: BotHarness, engine: FakeEngine
) -> None:
    """The scale of a server may be more than the largest size allows."""
    boss = harness.discord.person("Boss", admin=True)
    options: dict[str, Value] = {"setting": "display_scale", "value": "4"}
    await harness.refusal(await boss.invoke("settings", options))
    result = await harness.imagine(count=1)
    await eventually(
        lambda: not harness.query("SELECT 1 FROM deliveries WHERE delivered_at IS NULL")
    )
    with Image.open(BytesIO(result.attachments[0].data)) as image:
        assert image.width == large_model.native_size
    assert engine.display_paints == []
