"""Results with more than four pictures, and single pictures with their buttons."""

from tests.bot_harness import BotHarness
from tests.fake_engine import FakeEngine


async def test_buttons_below_a_single_picture(harness: BotHarness, engine: FakeEngine) -> None:
    """Variations of two strengths, and the same picture with another seed."""
    grid = await harness.imagine()
    shown = await harness.ada.click(grid, "U2")
    await harness.discord.until(lambda: shown.response and shown.response.attachments)
    assert shown.response is not None
    assert shown.response.buttons[:3] == ["V subtle", "V strong", "🔄"]
    parent = engine.paints[0].recipes[1]
    for label, strength in (("V subtle", 0.1), ("V strong", 0.35)):
        await harness.result(await harness.ada.click(shown.response, label))
        recipes = engine.paints[-1].recipes
        assert {recipe.seed for recipe in recipes} == {parent.seed}
        assert {recipe.subseeds[-1].share for recipe in recipes} == {strength}
    again = await harness.result(await harness.ada.click(shown.response, "🔄"))
    assert again.content.startswith("Again: ")
    (recipe,) = engine.paints[-1].recipes
    assert recipe.seed != parent.seed and recipe.prompt == parent.prompt
