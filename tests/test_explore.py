"""/explore and /compare as their users see them."""

from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from bot.playground import Interaction, Message, Playground, Upload
from bot.playground.client.options import Value
from tests.bot_harness import BotHarness
from tests.fake_engine import FakeEngine
from tests.samples import encoded

SKETCH = Upload("sketch.png", encoded(Image.new("RGB", (128, 64), "red")))


async def opened(harness: BotHarness, result: Message, nth: int) -> Message:
    """The message of a picture that Ada opened by the menu of a result."""
    (menu,) = [custom_id for custom_id in menus(result)]
    interaction = await harness.ada.choose(result, menu, str(nth))
    await harness.discord.until(lambda: shown(interaction), why="the picture is shown")
    assert interaction.response is not None
    return interaction.response


def shown(interaction: Interaction) -> bool:
    """Whether the response has a picture."""
    return bool(interaction.response and interaction.response.attachments)


def menus(message: Message) -> list[str]:
    """The custom ids of the menus of a message."""
    rows = message.components
    return [
        item["custom_id"] for row in rows for item in row["components"] if item.get("placeholder")
    ]


async def test_a_matrix_is_one_message_with_a_menu(harness: BotHarness, engine: FakeEngine) -> None:
    """Its cells can be opened, varied and painted again, and so can the whole."""
    options = {"prompt": "a red house", "steps": "2,3", "sampler": "euler,ddim", "seed": "9"}
    result = await harness.result(await harness.ada.invoke("explore", options))
    assert "Explored: **a red house**" in result.content
    assert result.buttons == ["🔄", "✏️"]
    (paint,) = engine.paints
    assert [(recipe.sampler, recipe.steps) for recipe in paint.recipes] == [
        ("euler", 2),
        ("euler", 3),
        ("ddim", 2),
        ("ddim", 3),
    ]
    picture = Image.open(BytesIO(result.attachments[0].data))
    assert picture.width > 128 and picture.height > 128, "there is room for the labels"

    cell = await opened(harness, result, 4)
    assert "picture 4" in cell.content
    await harness.result(await harness.ada.click(cell, "V strong"))
    varied = engine.paints[-1].recipes
    assert {(recipe.sampler, recipe.steps, recipe.seed) for recipe in varied} == {("ddim", 3, 9)}
    await harness.result(await harness.ada.click(cell, "🔄"))
    (again,) = engine.paints[-1].recipes
    assert (again.sampler, again.steps) == ("ddim", 3) and again.seed != 9

    rerolled = await harness.result(await harness.ada.click(result, "🔄"))
    recipes = engine.paints[-1].recipes
    assert len({recipe.seed for recipe in recipes}) == 1 and recipes[0].seed != 9
    assert menus(rerolled), "it is a matrix too"


async def test_a_sketch_is_painted_over_at_several_strengths(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """The sketch is fetched once, and determines the size."""
    options: dict[str, Value] = {"prompt": "a red house", "strength": "0.5,0.75,1"}
    options["sketch"] = SKETCH
    await harness.result(await harness.ada.invoke("explore", options))
    (paint,) = engine.paints
    assert [recipe.strength for recipe in paint.recipes] == [0.5, 0.75, 1.0]
    assert len({image for recipe in paint.recipes for image in recipe.images}) == 1
    assert all(recipe.width > recipe.height for recipe in paint.recipes)


async def test_too_many_cells_are_refused_before_anything_is_queued(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """The refusal is private, and says how many there would be."""
    options = {"prompt": "a red house", "steps": "1..150", "guidance": "1..30"}
    interaction = await harness.ada.invoke("explore", options)
    assert "4,500 pictures; at most 16" in await harness.refusal(interaction)
    assert not engine.paints and not harness.query("SELECT 1 FROM jobs")


@pytest.mark.parametrize(
    ("command", "axis"), [("explore", {"guidance": "3,5"}), ("compare", {"samplers": "euler,ddim"})]
)
async def test_a_matrix_of_drafts_is_finished(
    harness: BotHarness, engine: FakeEngine, command: str, axis: dict[str, Value]
) -> None:
    """As a matrix, whose pictures are those of the same request without `draft`."""
    numbers: dict[str, Value] = {"seed": 9, "steps": 30}
    if command == "explore":
        numbers = {name: str(number) for name, number in numbers.items()}
    options = {"prompt": "a [red:blue:0.5] house", "raw": True, **numbers, **axis}
    draft = await harness.result(await harness.ada.invoke(command, {**options, "draft": True}))
    assert draft.buttons == ["✅ Finish", "🔄", "✏️"] and menus(draft)
    finished = await harness.result(await harness.ada.click(draft, "✅ Finish"))
    assert menus(finished) and "✅ Finish" not in finished.buttons
    await harness.result(await harness.ada.invoke(command, options))
    rerolled = await harness.result(await harness.ada.click(draft, "🔄"))
    assert rerolled.buttons == draft.buttons and menus(rerolled)
    drafts, full, plain, _ = (paint.recipes for paint in engine.paints)
    assert {recipe.steps for recipe in drafts} == {10}
    assert full == plain
    assert {recipe.prompt for recipe in plain} == {"a [red:blue:0.5] house"}


async def test_many_pictures_have_a_menu(harness: BotHarness, engine: FakeEngine) -> None:
    """Also after a restart; of 17, 16 are painted."""
    result = await harness.imagine(count=16)
    assert result.buttons == ["🔄", "✏️"]
    assert len(engine.paints[0].recipes) == 16
    await harness.stop()
    await harness.start()
    assert "picture 16" in (await opened(harness, result, 16)).content
    lowered = await harness.imagine(count=17)
    assert "The count 17 was lowered to 16, the most of one request." in lowered.content
    assert len(engine.paints[1].recipes) == 16


async def test_samplers_are_compared(harness: BotHarness, engine: FakeEngine) -> None:
    """Three seeds for each of them."""
    options = {"prompt": "a red house", "samplers": "euler, ddim"}
    result = await harness.result(await harness.ada.invoke("compare", options))
    assert "Compared: **a red house**" in result.content
    recipes = engine.paints[0].recipes
    assert [recipe.sampler for recipe in recipes] == ["euler"] * 3 + ["ddim"] * 3
    assert [recipe.seed for recipe in recipes[:3]] == [recipe.seed for recipe in recipes[3:]]


async def test_the_operator_limits_the_seconds_of_a_request(
    discord: Playground, engine: FakeEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are estimated before anything is queued; a smaller request is painted."""
    monkeypatch.setenv("IMAGINE_MAX_SECONDS", "2")
    async with BotHarness(discord, engine, tmp_path) as harness:
        refused = await harness.ada.slash("imagine", prompt="a house", count=16, steps=150)
        assert "of the engine's time; at most 2 seconds are allowed" in await harness.refusal(
            refused
        )
        assert not harness.query("SELECT 1 FROM jobs")
        await harness.imagine(count=1)
