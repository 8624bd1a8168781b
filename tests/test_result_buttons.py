"""The buttons below a job."""

from io import BytesIO

import pytest
from PIL import Image

from bot.domain.limits import LIMITS
from bot.playground import Upload
from bot.playground.gateway.interaction_create import interaction_json
from bot.playground.model.interactions import InteractionType
from tests.fake_engine import FakeEngine, flat
from tests.house import House, eventually
from tests.samples import encoded


@pytest.mark.parametrize("nth", [1, 2, 3, 4])
async def test_v_paints_four_variations_of_that_picture(
    house: House, engine: FakeEngine, nth: int
) -> None:
    """Its seed, with a little of four other noises."""
    grid = await house.imagine()
    shown = await house.result(await house.ada.click(grid, f"V{nth}"))
    assert "U4" in shown.buttons
    varied = engine.paints[1].recipes
    assert [one.seed for one in varied] == [6 + nth] * 4
    assert len({one.subseed for one in varied}) == 4
    assert {one.subseed_strength for one in varied} == {0.15}
    rows = house.query("SELECT parents FROM jobs WHERE kind = 'variation'")
    assert rows[0]["parents"].endswith(f'-{nth}"]')


async def test_a_reroll_repeats_everything_but_the_seed(house: House, engine: FakeEngine) -> None:
    """Also the sketch."""
    sketch = Upload("a.png", encoded(Image.new("RGB", (64, 64), "red")))
    grid = await house.imagine(sketch=sketch, strength=0.5, negative="rain", count=2)
    await house.result(await house.ada.click(grid, "🔄"))
    before, after = engine.paints
    assert before.source == after.source
    for old, new in zip(before.recipes, after.recipes, strict=True):
        assert old.seed != new.seed
        assert (old.source, old.strength, old.negative) == (new.source, new.strength, new.negative)


async def test_a_variation_of_a_sketch_keeps_the_sketch(house: House, engine: FakeEngine) -> None:
    """It is still painted over the same."""
    sketch = Upload("a.png", encoded(Image.new("RGB", (64, 64), "red")))
    grid = await house.imagine(sketch=sketch)
    await house.result(await house.ada.click(grid, "V1"))
    assert engine.paints[0].source == engine.paints[1].source


async def test_rerolling_variations_varies_the_same_picture(
    house: House, engine: FakeEngine
) -> None:
    """With other subseeds."""
    grid = await house.imagine()
    varied = await house.result(await house.ada.click(grid, "V3"))
    await house.result(await house.ada.click(varied, "🔄"))
    _, first, second = engine.paints
    assert [one.seed for one in first.recipes] == [one.seed for one in second.recipes] == [9] * 4
    assert {one.subseed for one in first.recipes}.isdisjoint(one.subseed for one in second.recipes)


async def test_anyone_may_press_and_owns_what_comes_of_it(house: House) -> None:
    """Ben's variation of Ada's picture is Ben's job."""
    ben = house.discord.person("Ben")
    grid = await house.imagine()
    shown = await house.result(await ben.click(grid, "V1"))
    assert f"<@{ben.id}>" in shown.content
    assert shown.pings == frozenset()


async def test_buttons_work_after_a_restart(house: House, engine: FakeEngine) -> None:
    """All their state is in the record."""
    grid = await house.imagine()
    await house.stop()
    await house.start()
    for label in ("U1", "V2", "🔄"):
        shown = await house.result(await house.ada.click(grid, label))
        assert shown.attachments
    assert len(engine.paints) == 3


async def test_a_running_job_can_be_cancelled(house: House, engine: FakeEngine) -> None:
    """By its person; the engine stops and the message says so."""
    engine.gate.clear()
    asked = await house.ada.slash("imagine", prompt="a house")
    await eventually(lambda: engine.paints)
    await house.discord.until(lambda: asked.response and asked.response.buttons, why="a button")
    assert asked.response is not None
    pressed = await house.ada.click(asked.response, "✖ Cancel")
    assert await house.refusal(pressed) == "Cancelled."
    message = await house.result(asked)
    assert message.content.endswith("Cancelled.")
    assert len(engine.cancels) == 1


async def test_a_waiting_job_can_be_cancelled_and_the_next_one_runs(
    house: House, engine: FakeEngine
) -> None:
    """It is never painted."""
    engine.gate.clear()
    crowd = [house.discord.person(f"Person {nth}") for nth in range(LIMITS.max_running_total)]
    first = [await person.slash("imagine", prompt="first") for person in crowd]
    await house.discord.until(
        lambda: len(engine.paints) == LIMITS.max_running_total, why="all are at work"
    )
    second = await house.ada.slash("imagine", prompt="second")
    await house.discord.until(
        lambda: second.response and "Waiting" in second.response.content, why="it waits"
    )
    assert second.response is not None
    await house.refusal(await house.ada.click(second.response, "✖ Cancel"))
    engine.gate.set()
    for asked in first:
        await house.result(asked)
    assert (await house.result(second)).content.endswith("Cancelled.")
    assert {paint.recipes[0].prompt for paint in engine.paints} == {"first"}


async def test_only_the_person_and_moderators_cancel(house: House, engine: FakeEngine) -> None:
    """Ben is told so privately; a moderator may."""
    engine.gate.clear()
    asked = await house.ada.slash("imagine", prompt="a house")
    await house.discord.until(lambda: asked.response and asked.response.buttons, why="a button")
    assert asked.response is not None
    pressed = await house.discord.person("Ben").click(asked.response, "✖ Cancel")
    assert "Only the person who asked" in await house.refusal(pressed)
    moderator = house.discord.person("Mo", moderator=True)
    await house.refusal(await moderator.click(asked.response, "✖ Cancel"))
    assert (await house.result(asked)).content.endswith("Cancelled.")


async def test_a_forgotten_job_is_said_to_be_forgotten(house: House) -> None:
    """An old message whose record is gone."""
    grid = await house.imagine()
    grid.components[0]["components"][0]["custom_id"] = "v1:upscale:gone:1"
    asked = await house.ada.click(grid, custom_id="v1:upscale:gone:1")
    assert "That picture no longer exists" in await house.refusal(asked)


async def test_an_unknown_button_is_answered(house: House) -> None:
    """One of an older version, say."""
    grid = await house.imagine()
    grid.components[0]["components"][0]["custom_id"] = "v0:what"
    asked = await house.ada.click(grid, custom_id="v0:what")
    assert "That button no longer works" in await house.refusal(asked)


async def test_one_picture_has_its_own_buttons(house: House, engine: FakeEngine) -> None:
    """A count of 1 is shown as it is."""
    message = await house.imagine(count=1)
    assert message.buttons == ["U1", "🔄", "V1"]
    shown = Image.open(BytesIO(message.attachments[0].data))
    assert shown.tobytes() == Image.open(BytesIO(flat(engine.paints[0].recipes[0]))).tobytes()


@pytest.mark.parametrize("missing", [["message"], ["message", "channel", "app_permissions"]])
async def test_a_press_is_answered_whatever_the_event_leaves_out(
    house: House, missing: list[str]
) -> None:
    """The custom id says all."""
    grid = await house.imagine()
    custom_id = grid.components[0]["components"][0]["custom_id"]
    data = {"custom_id": custom_id, "component_type": 2, "id": 2}
    asked = house.discord.interactions.open(
        InteractionType.MESSAGE_COMPONENT, house.ada.user, grid.channel, data, grid
    )
    event = interaction_json(asked)
    for name in missing:
        del event[name]
    house.discord.world.emit("INTERACTION_CREATE", event, grid.channel)
    shown = await house.result(asked)
    assert "picture 1" in shown.content
