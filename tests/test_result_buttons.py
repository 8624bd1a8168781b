"""The buttons of a result and of a running job."""

from io import BytesIO

import pytest
from PIL import Image

from bot.domain.limits import LIMITS
from bot.playground import Upload
from bot.playground.gateway.interaction_create import interaction_json
from bot.playground.model.interactions import InteractionType
from tests.bot_harness import BotHarness, eventually
from tests.fake_engine import FakeEngine, flat
from tests.samples import encoded


@pytest.mark.parametrize("nth", [1, 2, 3, 4])
async def test_v_makes_four_variations_of_that_picture(
    harness: BotHarness, engine: FakeEngine, nth: int
) -> None:
    """The variations have its seed and four subseeds."""
    grid = await harness.imagine()
    message = await harness.result(await harness.ada.click(grid, f"V{nth}"))
    assert "U4" in message.buttons
    varied_picture = engine.paints[1].recipes
    assert [recipe.seed for recipe in varied_picture] == [6 + nth] * 4
    assert len({recipe.subseeds for recipe in varied_picture}) == 4
    assert {part.share for recipe in varied_picture for part in recipe.subseeds} == {0.15}
    rows = harness.query("SELECT parent FROM lineage WHERE relation = 'variation'")
    assert len(rows) == 4 and {row["parent"][-2:] for row in rows} == {f"-{nth}"}


async def test_a_reroll_repeats_everything_but_the_seed(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """The sketch is the same as well."""
    sketch = Upload("a.png", encoded(Image.new("RGB", (64, 64), "red")))
    grid = await harness.imagine(sketch=sketch, strength=0.5, negative="rain", count=2)
    await harness.result(await harness.ada.click(grid, "🔄"))
    before, after = engine.paints
    assert before.inputs == after.inputs != ()
    for old, new in zip(before.recipes, after.recipes, strict=True):
        assert old.seed != new.seed
        assert (old.recipe.source, old.negative) == (new.recipe.source, new.negative)


async def test_a_variation_keeps_the_sketch(harness: BotHarness, engine: FakeEngine) -> None:
    """The engine gets the same init image."""
    sketch = Upload("a.png", encoded(Image.new("RGB", (64, 64), "red")))
    grid = await harness.imagine(sketch=sketch)
    await harness.result(await harness.ada.click(grid, "V1"))
    assert engine.paints[0].inputs == engine.paints[1].inputs != ()


async def test_a_reroll_of_variations_varies_the_same_picture(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """The subseeds are new ones."""
    grid = await harness.imagine()
    varied_picture = await harness.result(await harness.ada.click(grid, "V3"))
    await harness.result(await harness.ada.click(varied_picture, "🔄"))
    _, first, second = engine.paints
    assert (
        [recipe.seed for recipe in first.recipes]
        == [recipe.seed for recipe in second.recipes]
        == [9] * 4
    )
    assert {recipe.subseeds for recipe in first.recipes}.isdisjoint(
        recipe.subseeds for recipe in second.recipes
    )


async def test_anyone_may_click_and_owns_the_new_job(harness: BotHarness) -> None:
    """Ben's variation of Ada's picture is Ben's job."""
    ben = harness.discord.person("Ben")
    grid = await harness.imagine()
    message = await harness.result(await ben.click(grid, "V1"))
    assert f"<@{ben.id}>" in message.content
    assert message.pings == frozenset()


async def test_buttons_work_after_a_restart(harness: BotHarness, engine: FakeEngine) -> None:
    """Their custom ids and the database have all state."""
    grid = await harness.imagine()
    await harness.stop()
    await harness.start()
    for label in ("U1", "V2", "🔄"):
        message = await harness.result(await harness.ada.click(grid, label))
        assert message.attachments
    assert len(engine.paints) == 3


async def test_a_running_job_can_be_cancelled(harness: BotHarness, engine: FakeEngine) -> None:
    """The user who started it can cancel it; the engine stops and the message says so."""
    engine.gate.clear()
    interaction = await harness.ada.slash("imagine", prompt="a house")
    await eventually(lambda: engine.paints)
    await harness.discord.until(
        lambda: interaction.response and interaction.response.buttons, why="a button"
    )
    assert interaction.response is not None
    click = await harness.ada.click(interaction.response, "✖ Cancel")
    assert await harness.refusal(click) == "Cancelled."
    message = await harness.result(interaction)
    assert message.content.endswith("Cancelled.")
    assert len(engine.cancels) == 1


async def test_a_waiting_job_can_be_cancelled(harness: BotHarness, engine: FakeEngine) -> None:
    """The engine never receives it."""
    engine.gate.clear()
    people = [harness.discord.person(f"Person {nth}") for nth in range(LIMITS.max_running_total)]
    first = [await person.slash("imagine", prompt="first") for person in people]
    await harness.discord.until(
        lambda: len(engine.paints) == LIMITS.max_running_total, why="all jobs are running"
    )
    second = await harness.ada.slash("imagine", prompt="second")
    await harness.discord.until(
        lambda: second.response and "Waiting" in second.response.content, why="it waits"
    )
    assert second.response is not None
    await harness.refusal(await harness.ada.click(second.response, "✖ Cancel"))
    engine.gate.set()
    for interaction in first:
        await harness.result(interaction)
    assert (await harness.result(second)).content.endswith("Cancelled.")
    assert {paint.recipes[0].prompt for paint in engine.paints} == {"first"}


async def test_only_the_owner_and_moderators_can_cancel(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """Other users get an ephemeral refusal."""
    engine.gate.clear()
    interaction = await harness.ada.slash("imagine", prompt="a house")
    await harness.discord.until(
        lambda: interaction.response and interaction.response.buttons, why="a button"
    )
    assert interaction.response is not None
    click = await harness.discord.person("Ben").click(interaction.response, "✖ Cancel")
    assert "Only the user who requested" in await harness.refusal(click)
    moderator = harness.discord.person("Mo", moderator=True)
    await harness.refusal(await moderator.click(interaction.response, "✖ Cancel"))
    assert (await harness.result(interaction)).content.endswith("Cancelled.")


async def test_a_button_of_an_unknown_job_is_answered(harness: BotHarness) -> None:
    """Its message is older than the database."""
    grid = await harness.imagine()
    grid.components[0]["components"][0]["custom_id"] = "v1:upscale:gone:1"
    interaction = await harness.ada.click(grid, custom_id="v1:upscale:gone:1")
    assert "That picture no longer exists" in await harness.refusal(interaction)


async def test_an_unknown_button_is_answered(harness: BotHarness) -> None:
    """An older version may have sent it."""
    grid = await harness.imagine()
    grid.components[0]["components"][0]["custom_id"] = "v0:unknown"
    interaction = await harness.ada.click(grid, custom_id="v0:unknown")
    assert "That button no longer works" in await harness.refusal(interaction)


async def test_a_single_picture_is_shown_without_a_grid(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """Its message has the buttons that it has at full size, too."""
    message = await harness.imagine(count=1)
    full_size = await harness.result(await harness.ada.click(message, "U1"))
    assert message.buttons == ["U1", "V1", *full_size.buttons]
    assert message.options == full_size.options
    assert {"🖌 Vary region", "🌳 Family", "📋 Recipe", "❌ Delete"} <= set(full_size.options)
    picture = Image.open(BytesIO(message.attachments[0].data))
    assert picture.tobytes() == Image.open(BytesIO(flat(engine.paints[0].recipes[0]))).tobytes()


@pytest.mark.parametrize("missing", [["message"], ["message", "channel", "app_permissions"]])
async def test_a_click_works_with_an_incomplete_event(
    harness: BotHarness, missing: list[str]
) -> None:
    """The custom id alone is enough."""
    grid = await harness.imagine()
    custom_id = grid.components[0]["components"][0]["custom_id"]
    data = {"custom_id": custom_id, "component_type": 2, "id": 2}
    interaction = harness.discord.interactions.open(
        InteractionType.MESSAGE_COMPONENT, harness.ada.user, grid.channel, data, grid
    )
    event = interaction_json(interaction)
    for name in missing:
        del event[name]
    harness.discord.world.emit("INTERACTION_CREATE", event, grid.channel)
    message = await harness.result(interaction)
    assert "picture 1" in message.content
