"""✏️ Remix in Discord: the form of a result or a picture."""

import asyncio

import pytest
from PIL import Image

from bot.playground import Interaction, Message, Upload
from bot.playground.client.modals import FieldValue
from engine.contract import Recipe
from tests.bot_harness import BotHarness
from tests.deletion import DELETION_NOTE, delete
from tests.fake_engine import FakeEngine
from tests.samples import encoded

HUT: dict[str, FieldValue] = {"prompt": "a hut"}


def painted(engine: FakeEngine) -> tuple[Recipe, ...]:
    """The recipes of the last job."""
    return tuple(work.recipe for work in engine.paints[-1].recipes)


async def form(harness: BotHarness, interaction: Interaction) -> Interaction:
    """The interaction that was answered with the form."""
    await harness.discord.until(lambda: interaction.modal, why="the form")
    return interaction


def values(interaction: Interaction) -> dict[str, object]:
    """What the fields of a form have, by their custom ids."""
    assert interaction.modal is not None
    fields = [row["component"] for row in interaction.modal["components"]]
    return {
        field["custom_id"]: next(
            (option["value"] for option in field["options"] if option.get("default")), None
        )
        if "options" in field
        else field.get("value")
        for field in fields
    }


async def private(harness: BotHarness, interaction: Interaction) -> Message:
    """The only response, which is ephemeral."""
    await harness.refusal(interaction)
    return interaction.ephemerals[0]


async def test_a_result_is_remixed(harness: BotHarness, engine: FakeEngine) -> None:
    """The form has its words and settings; each picture keeps its seed, and is the parent."""
    grid = await harness.imagine(negative="rain", steps=3)
    asked = await form(harness, await harness.ada.click(grid, "✏️"))
    assert values(asked) == {
        "prompt": "a red house",
        "negative": "rain",
        "settings": "seed: 7\nsteps: 3\nguidance: 5\nsize: 64x64\ncount: 4",
        "sampler": "euler",
        "shape": "as it is",
    }
    result = await harness.result(await harness.ada.submit(asked, HUT))
    assert result.content.startswith("Remix: **a hut**")
    assert [item.seed for item in painted(engine)] == [7, 8, 9, 10]
    assert {(item.prompt, item.negative, item.steps) for item in painted(engine)} == {
        ("a hut", "rain", 3)
    }
    rows = harness.query("SELECT parent, relation FROM lineage ORDER BY nth")
    assert [(row["parent"][-2:], row["relation"]) for row in rows] == [
        (f"-{nth}", "remix") for nth in (1, 2, 3, 4)
    ]


async def test_a_single_picture_is_remixed_in_another_shape(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """By somebody else, after a restart."""
    ben = harness.discord.person("Ben")
    single = await harness.result(await harness.ada.click(await harness.imagine(), "U2"))
    asked = await form(harness, await ben.click(single, "✏️ Remix"))
    await harness.stop()
    await harness.start()
    result = await harness.result(await ben.submit(asked, {**HUT, "shape": "wide"}))
    assert f"<@{ben.id}>" in result.content
    assert {item.seed for item in painted(engine)} == {8}
    assert all(item.width > item.height for item in painted(engine))
    again = await harness.result(await ben.click(result, "🔄"))
    assert again.content.startswith("Again: **a hut**")


@pytest.mark.parametrize("label", [None, "V1", "🔄"])
async def test_the_sketch_stays(harness: BotHarness, engine: FakeEngine, label: str | None) -> None:
    """Of a result, of its variations and of its new seeds."""
    sketch = Upload("a.png", encoded(Image.new("RGB", (64, 64), "red")))
    result = await harness.imagine(sketch=sketch, strength=0.5)
    if label is not None:
        result = await harness.result(await harness.ada.click(result, label))
    first = engine.paints[-1]
    asked = await form(harness, await harness.ada.click(result, "✏️"))
    await harness.result(
        await harness.ada.submit(
            asked, {"settings": f"{values(asked)['settings']}".replace("0.5", "0,75")}
        )
    )
    assert engine.paints[-1].inputs == first.inputs != ()
    for old, new in zip(first.recipes, painted(engine), strict=True):
        assert (old.seed, old.recipe.subseeds, new.strength) == (new.seed, new.subseeds, 0.75)


async def test_what_was_typed_is_not_lost(harness: BotHarness, engine: FakeEngine) -> None:
    """The private answer repeats it; its button opens the form with it, also after a restart."""
    grid = await harness.imagine()
    asked = await form(harness, await harness.ada.click(grid, "✏️"))
    typed = {"prompt": "a *hut* <@1>", "settings": "steps: many", "sampler": "ddim"}
    answer = await private(harness, await harness.ada.submit(asked, typed))
    assert answer.content == (
        "The setting steps has the value “many”; it takes a whole number, such as steps: 30."
    )
    assert len(harness.discord.messages()) == 1 and len(engine.paints) == 1
    await harness.stop()
    await harness.start()
    again = await form(harness, await harness.ada.click(answer, "✏️ Correct it"))
    assert {name: values(again)[name] for name in typed} == typed
    await harness.result(await harness.ada.submit(again, {"settings": "steps: 3"}))
    assert {(i.prompt, i.steps, i.sampler.value) for i in painted(engine)} == {
        ("a *hut* <@1>", 3, "ddim")
    }


async def test_an_old_message_is_remixed_from_the_apps_menu(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """It has no button for it."""
    grid = await harness.imagine()
    grid.components = grid.components[:1]
    asked = await form(harness, await harness.ada.use("Remix ✏️", grid))
    await harness.result(await harness.ada.submit(asked, HUT))
    assert len(painted(engine)) == 4
    chat = await harness.ada.say("hello")
    refusal = await harness.refusal(await harness.ada.use("Remix ✏️", chat))
    assert refusal == "There is no picture here that could be remixed."


async def test_a_form_that_is_submitted_twice_starts_two_jobs(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """Each with its own response."""
    asked = await form(harness, await harness.ada.click(await harness.imagine(), "✏️"))
    both = await asyncio.gather(harness.ada.submit(asked, HUT), harness.ada.submit(asked, HUT))
    results = [await harness.result(interaction) for interaction in both]
    assert results[0] is not results[1] and len(engine.paints) == 3


async def test_a_deleted_job_is_not_remixed(harness: BotHarness) -> None:
    """Neither from its button, nor from the menu, nor from a form that is open."""
    grid = await harness.imagine()
    asked = await form(harness, await harness.ada.click(grid, "✏️"))
    await delete(harness)
    answer = await private(harness, await harness.ada.submit(asked, HUT))
    assert DELETION_NOTE in answer.content
    refusals = [
        await harness.ada.click(grid, "✏️"),
        await harness.ada.use("Remix ✏️", grid),
        await harness.ada.click(answer, "✏️ Correct it"),
    ]
    for interaction in refusals:
        assert DELETION_NOTE in await harness.refusal(interaction)


async def test_a_job_without_pictures_is_not_remixed(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """The sentence says why."""
    engine.failure = "The engine failed."
    message = await harness.imagine()
    refusal = await harness.refusal(await harness.ada.use("Remix ✏️", message))
    assert "without a picture" in refusal


@pytest.mark.parametrize(
    ("button", "seeds", "share"), [("V2", {8}, 0.15), ("V subtle", {8}, 0.1), ("🔄", None, None)]
)
async def test_remix_mode_opens_the_form(
    harness: BotHarness,
    engine: FakeEngine,
    button: str,
    seeds: set[int] | None,
    share: float | None,
) -> None:
    """On V, for variations, and on 🔄, for other seeds; of the user who set it alone."""
    message = await harness.imagine()
    if button == "V subtle":
        message = await harness.result(await harness.ada.click(message, "U2"))
    await harness.refusal(await harness.ada.slash("settings", setting="remix", value="on"))
    asked = await form(harness, await harness.ada.click(message, button))
    await harness.result(await harness.ada.submit(asked, {}))
    if seeds is None:
        assert {item.seed for item in painted(engine)}.isdisjoint({7, 8, 9, 10})
    else:
        assert {item.seed for item in painted(engine)} == seeds
        assert {item.subseeds[-1].share for item in painted(engine)} == {share}
    ben = harness.discord.person("Ben")
    assert (await harness.result(await ben.click(message, button))).attachments
