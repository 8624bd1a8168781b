"""The menu More… below single pictures: the recipe, deletion, and choices that are repeated."""

import asyncio
from typing import Any

import discord
import pytest

from bot.playground import Message, Person
from tests.bot_harness import BotHarness
from tests.changing import PAINTER, menu_of, single
from tests.deletion import DELETION_NOTE, delete
from tests.fake_engine import FakeEngine
from tests.samples import job, picture
from tests.samples import recipe as sample_recipe
from tests.test_components import VIEWS


@pytest.fixture(autouse=True)
def _models(engine: FakeEngine) -> None:
    """A model that paints around pictures."""
    engine.models = (PAINTER,)


def menus(view: discord.ui.View) -> list[discord.ui.Select[Any]]:
    """The view's menus."""
    return [item for item in view.children if isinstance(item, discord.ui.Select)]


async def test_the_menu_explains_what_else_can_be_done() -> None:
    """With a picture, or with its message; Discord allows 25 options."""
    [menu] = menus(VIEWS.picture_view(picture(), job()))
    assert [option.label for option in menu.options] == [
        *("⬆ 4x", "✨ Detail", "✏️ Edit…", "🖌 Vary region", "🔍 Zoom out 1.5x", "🔍 Zoom out 2x"),
        *("⬅️ Pan left", "➡️ Pan right", "⬆️ Pan up", "⬇️ Pan down", "✨ Expand"),
        *("🎬 Film", "🕰 Fork", "🌳 Family", "📋 Recipe", "❌ Delete"),
    ]
    assert all(option.description for option in menu.options)


async def test_a_picture_of_one_step_cannot_be_forked() -> None:
    """There is no step to go back to."""
    for number, is_offered in ((1, False), (2, True)):
        shown = picture(recipe=sample_recipe(steps=number))
        [menu] = menus(VIEWS.result_view(job(), [shown]))
        assert ("🕰 Fork" in [option.label for option in menu.options]) is is_offered


async def is_gone(harness: BotHarness, message: Message) -> None:
    """Wait until a message is deleted."""
    await harness.discord.until(
        lambda: message not in harness.discord.messages(), why="the deletion"
    )


async def test_the_recipe_is_shown_in_private(harness: BotHarness, ben: Person) -> None:
    """To anybody who sees the picture."""
    shown = await single(harness)
    text = await harness.refusal(await ben.click(shown, "📋 Recipe"))
    assert "a red house" in text and "Seed: 8" in text
    assert len(harness.discord.messages()) == 2


async def test_a_picture_is_deleted_by_its_user(harness: BotHarness, engine: FakeEngine) -> None:
    """Its message alone: the result stays, and the picture can be shown again."""
    shown = await single(harness)
    await harness.stop()
    await harness.start()
    await harness.ada.click(shown, "❌ Delete")
    await is_gone(harness, shown)
    [grid] = harness.discord.messages()
    again = await harness.result(await harness.ada.click(grid, "U2"))
    assert again.attachments


async def test_others_cannot_delete_it(harness: BotHarness, ben: Person, mo: Person) -> None:
    """But moderators can."""
    shown = await single(harness)
    refusal = await harness.refusal(await ben.click(shown, "❌ Delete"))
    assert refusal == "Only the user who requested this and moderators can delete it."
    assert shown in harness.discord.messages()
    await mo.click(shown, "❌ Delete")
    await is_gone(harness, shown)


async def test_a_private_result_is_deleted(harness: BotHarness) -> None:
    """Only its user sees it, so no channel has it."""
    interaction = await harness.ada.slash("imagine", prompt="a house", count=1, private=True)
    await harness.discord.until(
        lambda: interaction.ephemerals and interaction.ephemerals[0].options, why="the result"
    )
    [message] = interaction.ephemerals
    await harness.ada.click(message, "❌ Delete")
    await harness.discord.until(lambda: message.deleted, why="the deletion")


async def test_two_deletions_at_once(harness: BotHarness) -> None:
    """The second one finds nothing, and says nothing in public."""
    shown = await single(harness)
    await asyncio.gather(*(harness.ada.click(shown, "❌ Delete") for _ in range(2)))
    await is_gone(harness, shown)
    assert len(harness.discord.messages()) == 1


async def test_the_same_choice_is_made_again(harness: BotHarness, engine: FakeEngine) -> None:
    """Discord's clients send it again after the message was edited."""
    shown = await single(harness)
    edited = shown.edited_at
    for count in (2, 3):
        await harness.result(await harness.ada.choose(shown, menu_of(harness), "zoom15"))
        assert len(engine.paints) == count
    await harness.discord.until(lambda: shown.edited_at != edited, why="the reset of the menu")


@pytest.mark.parametrize("label", ["📋 Recipe", "🎬 Film", "🔍 Zoom out 2x", "🌳 Family"])
async def test_the_menu_of_an_erased_picture(harness: BotHarness, label: str) -> None:
    """Each choice is refused with the reason."""
    shown = await single(harness)
    await delete(harness)
    assert DELETION_NOTE in await harness.refusal(await harness.ada.click(shown, label))


async def test_an_unknown_choice_is_refused(harness: BotHarness) -> None:
    """As of another version of the bot."""
    shown = await single(harness)
    menu = shown.components[-1]["components"][0]
    menu["options"][0]["value"] = "gone"
    refusal = await harness.refusal(await harness.ada.choose(shown, menu_of(harness), "gone"))
    assert "That option no longer works" in refusal
