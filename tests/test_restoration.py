"""A picture whose file is gone is painted again from its recipe when somebody looks at it."""

from tests.bot_harness import BotHarness
from tests.fake_engine import FakeEngine, flat
from tests.samples import pixels_digest


async def test_a_missing_file_is_painted_again(harness: BotHarness, engine: FakeEngine) -> None:
    """Silently and once, from its recipe, and stored again; nobody is charged."""
    grid = await harness.imagine()
    moderator = harness.discord.person("Mo", moderator=True)
    usage = harness.query("SELECT * FROM usage")
    for path in (harness.data / "pictures").rglob("*.png"):
        path.unlink()
    for _ in range(2):
        message = await harness.result(await harness.ada.click(grid, "U2"))
        digest = pixels_digest(message.attachments[0].data)
        assert digest == pixels_digest(flat(engine.paints[0].recipes[1]))
        await moderator.delete(message)  # else the second U is a link to it
    assert [len(paint.recipes) for paint in engine.paints] == [4, 1]
    assert [path.name for path in (harness.data / "pictures").rglob("?.png")] == ["2.png"]
    assert harness.query("SELECT * FROM usage") == usage


async def test_other_pixels_do_not_replace_a_missing_file(harness: BotHarness) -> None:
    """The software has changed since."""
    grid = await harness.imagine()
    for path in (harness.data / "pictures").rglob("*.png"):
        path.unlink()
    await harness.execute("UPDATE pictures SET sha256 = ?", "b" * 64)
    refusal = await harness.refusal(await harness.ada.click(grid, "U1"))
    assert "painted again it has other pixels" in refusal
    assert not list((harness.data / "pictures").rglob("*.png"))
