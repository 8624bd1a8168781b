"""Results with more than four pictures, and single pictures with their buttons."""

from tests.bot_harness import BotHarness, eventually
from tests.fake_engine import FakeEngine


async def test_buttons_below_a_single_picture(harness: BotHarness, engine: FakeEngine) -> None:
    """Variations of two strengths, and the same picture with another seed."""
    grid = await harness.imagine()
    shown = await harness.ada.click(grid, "U2")
    await harness.discord.until(lambda: shown.response and shown.response.attachments)
    assert shown.response is not None
    assert {"V subtle", "V strong", "🔄"} < set(shown.response.buttons)
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


async def test_numbers_react_to_the_pictures_that_exist(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """The last emoji is that of the tenth picture."""
    result = await harness.imagine(count=10)
    await harness.ada.react(result, "\U0001f51f")
    await eventually(lambda: len(engine.paints) > 1)
    parent = engine.paints[0].recipes[9]
    assert {recipe.seed for recipe in engine.paints[1].recipes} == {parent.seed}
    few = await harness.imagine()
    await harness.ada.react(few, "5\u20e3")
    await harness.discord.until(
        lambda: [
            message
            for message in harness.discord.messages()
            if "There is no such picture here." in message.content
        ],
        why="the refusal",
    )


async def test_a_direct_message_has_at_most_ten_files(harness: BotHarness) -> None:
    """The others follow in another one."""
    result = await harness.imagine(count=12)
    await harness.ada.react(result, "✉️")
    await harness.discord.until(lambda: len(harness.discord.dms(harness.ada)) == 2, why="both")
    counts = [len(message.attachments) for message in harness.discord.dms(harness.ada)]
    assert counts == [10, 2]
