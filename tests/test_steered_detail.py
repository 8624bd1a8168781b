"""✨ Detail of pictures with references, LoRAs and controls."""

import pytest

from engine.contract import Detail
from tests.bot_harness import BotHarness
from tests.fake_engine import FakeEngine
from tests.fake_server import UPSCALER
from tests.steered_model import STEERED
from tests.test_steering import ALL, LIKE, first_recipe


@pytest.fixture
def engine() -> FakeEngine:
    """An engine with a model that is steered, and an upscaler."""
    engine = FakeEngine(STEERED)
    engine.upscalers = (UPSCALER,)
    return engine


async def test_detail_keeps_references_and_loras(harness: BotHarness, engine: FakeEngine) -> None:
    """Of the tiles. Its input images are sent, and stay as long as the enlarged picture does."""
    grid = await harness.imagine(**ALL)
    original = first_recipe(engine)
    single = await harness.result(await harness.ada.click(grid, "U2"))
    message = await harness.result(await harness.ada.click(single, "✨ Detail"))
    work = engine.paints[-1].recipes[0]
    assert isinstance(work, Detail)
    tile = work.tile_recipe()
    assert (tile.references, tile.adapters) == (original.references, original.adapters)
    assert tile.controls == ()
    references = {reference.image for reference in original.references}
    assert references < set(engine.paints[-1].inputs)
    assert "in the style of a picture · like a picture (0.6) · LoRA neon" in message.content
    linked = harness.query(
        "SELECT sha256 FROM job_images JOIN jobs ON id = job WHERE kind='detail'"
    )
    assert {row["sha256"] for row in linked} == references


async def test_a_picture_whose_reference_is_gone(harness: BotHarness) -> None:
    """It is refused before anything is queued."""
    grid = await harness.imagine(like=LIKE)
    single = await harness.result(await harness.ada.click(grid, "U2"))
    for path in (harness.data / "sources").iterdir():
        path.unlink()
    refused = await harness.refusal(await harness.ada.click(single, "✨ Detail"))
    assert "A picture that this was painted from is gone" in refused
