"""What cannot be painted again, because a file is gone or a film cannot be encoded."""

from collections.abc import AsyncIterator
from typing import Final

import msgspec
import pytest

from bot.domain.kinds import film
from bot.playground import Message
from bot.services.input_files import INPUT_GONE
from engine.contract import Ready
from tests.bot_harness import BotHarness
from tests.fake_engine import MODEL, FakeEngine
from tests.fake_server import UPSCALER
from tests.test_imagine import SKETCH

OF_ENLARGEMENTS: Final = ("⬆ 2x", "⬆ 4x", "✨ Detail")
OF_SKETCHES: Final = ("🎬 Film", "🕰 Fork", "V subtle", "V strong", "🔄")


@pytest.fixture(autouse=True)
def _upscaler(engine: FakeEngine) -> None:
    """The engine has an upscaler."""
    engine.upscalers = (UPSCALER,)


@pytest.fixture
async def single(harness: BotHarness) -> AsyncIterator[Message]:
    """A single picture of a sketch, with all buttons."""
    grid = await harness.imagine(sketch=SKETCH, strength=0.5)
    yield await harness.result(await harness.ada.click(grid, "U1"))


def delete_files(harness: BotHarness, folder: str) -> None:
    """Delete all files in this folder of the data folder."""
    for path in (harness.data / folder).rglob("*.png"):
        path.unlink(missing_ok=True)


async def check_refused(harness: BotHarness, message: Message, button: str, reason: str) -> None:
    """Nothing is stored, and only the user reads why."""
    count = len(harness.query("SELECT * FROM jobs"))
    assert await harness.refusal(await harness.ada.click(message, button)) == reason
    assert len(harness.query("SELECT * FROM jobs")) == count


async def test_without_its_sketch_nothing_is_painted_again(
    harness: BotHarness, engine: FakeEngine, single: Message
) -> None:
    """Whatever would replay the recipe; the message menu too. Enlargements need no sketch."""
    delete_files(harness, "sources")
    for button in OF_SKETCHES:
        await check_refused(harness, single, button, INPUT_GONE)
    assert await harness.refusal(await harness.ada.use("Film", single)) == INPUT_GONE
    assert len(engine.paints) == 1
    assert (await harness.result(await harness.ada.click(single, "⬆ 2x"))).attachments


async def test_a_draft_needs_its_sketch(harness: BotHarness) -> None:
    """To be finished."""
    draft = await harness.imagine(sketch=SKETCH, strength=0.9, draft=True, steps=30)
    delete_files(harness, "sources")
    await check_refused(harness, draft, "✅ Finish", INPUT_GONE)


async def test_without_its_file_a_picture_is_painted_again_to_be_enlarged(
    harness: BotHarness, single: Message
) -> None:
    """Silently."""
    for button in OF_ENLARGEMENTS:
        delete_files(harness, "pictures")
        result = await harness.result(await harness.ada.click(single, button))
        assert result.attachments and "gone" not in result.content


async def test_a_picture_that_cannot_be_painted_is_not_enlarged(
    harness: BotHarness, single: Message
) -> None:
    """The job says why."""
    delete_files(harness, "pictures")
    delete_files(harness, "sources")
    result = await harness.result(await harness.ada.click(single, "⬆ 2x"))
    assert "is gone from the data folder" in result.content


async def test_without_an_encoder_there_are_no_films(
    harness: BotHarness, engine: FakeEngine, single: Message
) -> None:
    """The engine says at each connection whether it has one."""
    engine.can_film = False
    await harness.stop()
    await harness.start()
    await check_refused(harness, single, "🎬 Film", film.NO_ENCODER)
    assert await harness.refusal(await harness.ada.use("Film", single)) == film.NO_ENCODER


def test_an_engine_of_an_older_version_makes_films() -> None:
    """It does not say that it can."""
    frame = msgspec.msgpack.encode({"type": "Ready", "models": [MODEL]})
    assert msgspec.msgpack.decode(frame, type=Ready).can_film
