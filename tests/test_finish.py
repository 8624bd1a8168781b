"""/imagine draft:true and ✅ Finish, from the command to the pictures."""

import asyncio
from io import BytesIO
from typing import Any

import msgspec
from PIL import Image

from bot.playground.client.person import Person
from tests.bot_harness import BotHarness, eventually
from tests.fake_engine import FakeEngine, flat
from tests.test_imagine import SKETCH

DRAFT: dict[str, Any] = {"draft": True, "steps": 30, "count": 2}


def steps(engine: FakeEngine) -> list[list[int]]:
    """The steps of the recipes of each job that the engine received."""
    return [[recipe.steps for recipe in paint.recipes] for paint in engine.paints]


async def test_a_draft_is_finished(harness: BotHarness, engine: FakeEngine) -> None:
    """The finished pictures are those of the same request without `draft`, to the bit, and the
    drafts are their parents."""
    draft = await harness.imagine(**DRAFT)
    assert "✅ Finish" in draft.buttons
    finished = await harness.result(await harness.ada.click(draft, "✅ Finish"))
    plain = await harness.imagine(steps=30, count=2)
    assert steps(engine) == [[10, 10], [30, 30], [30, 30]]
    assert engine.paints[1].recipes == engine.paints[2].recipes
    assert "✅ Finish" not in finished.buttons + plain.buttons
    rows = harness.query(
        "SELECT parents.nth AS parent, children.nth AS child FROM lineage "
        "JOIN pictures AS parents ON parents.id = parent "
        "JOIN pictures AS children ON children.id = child WHERE relation = 'finish'"
    )
    assert [(row["parent"], row["child"]) for row in rows] == [(1, 1), (2, 2)]


async def test_a_single_draft_is_finished(harness: BotHarness, engine: FakeEngine) -> None:
    """From its own message; the rest of the grid can be finished later."""
    draft = await harness.imagine(**DRAFT)
    single = await harness.result(await harness.ada.click(draft, "U2"))
    finished = await harness.result(await harness.ada.click(single, "✅ Finish"))
    image = Image.open(BytesIO(finished.attachments[0].data)).convert("RGB")
    [recipe] = engine.paints[-1].recipes
    assert (recipe.seed, recipe.steps) == (engine.paints[0].recipes[1].seed, 30)
    assert image.tobytes() == Image.open(BytesIO(flat(recipe))).convert("RGB").tobytes()
    await harness.result(await harness.ada.click(draft, "✅ Finish"))
    assert [recipe.seed for recipe in engine.paints[-1].recipes] == [7]
    refused = await harness.refusal(await harness.ada.click(draft, "✅ Finish"))
    assert "This draft is finished already." in refused
    single_again = await harness.result(await harness.ada.click(finished, "U1"))
    assert "✅ Finish" not in single_again.buttons


async def test_a_draft_is_finished_once(harness: BotHarness, engine: FakeEngine) -> None:
    """A second press says that it is being finished, whoever presses, also at the same moment and
    after a restart; after a failure it can be pressed again."""
    draft = await harness.imagine(**DRAFT)
    engine.gate.clear()
    ben = harness.discord.person("Ben")

    async def press(person: Person) -> bool:
        interaction = await person.click(draft, "✅ Finish")
        await interaction.acknowledged()
        await harness.discord.until(
            lambda: interaction.ephemerals or interaction.response, why="a response"
        )
        for message in interaction.ephemerals:
            assert "being finished already" in message.content
        return bool(interaction.ephemerals)

    assert sorted(await asyncio.gather(press(harness.ada), press(ben))) == [False, True]
    await eventually(lambda: len(engine.paints) == 2)
    await eventually(lambda: harness.discord.faults.pending == 0)
    await harness.stop()
    await harness.start()
    assert await press(harness.ada)
    engine.failure = "It is too hot."
    engine.gate.set()
    await eventually(
        lambda: harness.query("SELECT * FROM jobs WHERE kind = 'finish' AND status = 'failed'")
    )
    engine.failure = None
    again = await harness.result(await harness.ada.click(draft, "✅ Finish"))
    assert again.attachments


async def test_drafts_of_sketches_are_finished(harness: BotHarness, engine: FakeEngine) -> None:
    """With the same init image and size."""
    draft = await harness.imagine(**DRAFT, sketch=SKETCH, strength=0.5)
    await harness.result(await harness.ada.click(draft, "✅ Finish"))
    first, full = (paint.recipes[0] for paint in engine.paints)
    assert full == msgspec.structs.replace(first, steps=30)
    assert full.images == first.images != ()


async def test_a_rerolled_draft_is_a_draft(harness: BotHarness, engine: FakeEngine) -> None:
    """It can be finished too."""
    draft = await harness.imagine(**DRAFT)
    again = await harness.result(await harness.ada.click(draft, "🔄"))
    await harness.result(await harness.ada.click(again, "✅ Finish"))
    assert steps(engine) == [[10, 10], [10, 10], [30, 30]]
    assert [recipe.seed for recipe in engine.paints[1].recipes] == [
        recipe.seed for recipe in engine.paints[2].recipes
    ]


async def test_a_draft_that_saves_nothing_is_no_draft(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """Such as one of four steps."""
    message = await harness.imagine(draft=True, steps=4, count=1)
    assert "✅ Finish" not in message.buttons
    assert steps(engine) == [[4]]
