"""Each button and each choice of the menu below a single picture, at bad moments."""

import asyncio
import shutil

import pytest

from bot.errors import INTERNAL_ERROR
from bot.playground import Interaction, Message, Person
from tests.bot_harness import BotHarness, is_finished
from tests.changing import EDITOR, PAINTER, single
from tests.deletion import DELETION_NOTE, delete
from tests.fake_engine import FakeEngine
from tests.fake_server import UPSCALER

DELETE = "❌ Delete"
pytestmark = pytest.mark.timeout(240)


@pytest.fixture(autouse=True)
def _models(engine: FakeEngine) -> None:
    """All that the actions need."""
    engine.models = (PAINTER, EDITOR)
    engine.upscalers = (UPSCALER,)


def labels(shown: Message) -> list[str]:
    """All that can be pressed or chosen below a picture, but its deletion."""
    names = [*shown.buttons, *shown.options]
    assert len(names) > 15
    return [name for name in names if name != DELETE]


async def answer(harness: BotHarness, interaction: Interaction) -> str:
    """What is said in response; empty for a form."""

    def responses() -> list[Message]:
        public = [interaction.response] if interaction.response else []
        return [item for item in [*interaction.ephemerals, *public] if is_finished(item)]

    await harness.discord.until(lambda: responses() or interaction.modal, why="a response")
    text = "\n".join(message.text for message in responses())
    assert INTERNAL_ERROR not in text
    return text


async def test_by_another_user(harness: BotHarness, ben: Person) -> None:
    """What is painted is theirs; the picture stays."""
    shown = await single(harness)
    for label in labels(shown):
        await answer(harness, await ben.click(shown, label))
    owners = harness.query("SELECT DISTINCT person FROM jobs")
    assert {row["person"] for row in owners} == {harness.ada.id, ben.id}
    assert "Only the user who requested" in await answer(harness, await ben.click(shown, DELETE))
    assert shown in harness.discord.messages()


async def test_twice_at_once(harness: BotHarness) -> None:
    """Each press is answered."""
    shown = await single(harness)
    for label in labels(shown):
        presses = await asyncio.gather(*(harness.ada.click(shown, label) for _ in range(2)))
        for press in presses:
            await answer(harness, press)


async def test_of_an_erased_picture(harness: BotHarness, ben: Person) -> None:
    """The reason is told in private, and nothing is painted."""
    shown = await single(harness)
    await delete(harness)
    messages = len(harness.discord.messages())
    for label in labels(shown):
        interaction = await ben.click(shown, label)
        assert DELETION_NOTE in await harness.refusal(interaction), label
    assert len(harness.discord.messages()) == messages
    assert harness.query("SELECT 1 FROM jobs WHERE person != 0") == []


async def test_of_a_removed_picture(harness: BotHarness) -> None:
    """By moderators, while its message was not deleted yet."""
    shown = await single(harness)
    await harness.execute("UPDATE pictures SET removed_at = 1.0")
    jobs = len(harness.query("SELECT 1 FROM jobs"))
    presses = {label: await harness.ada.click(shown, label) for label in labels(shown)}
    for label, press in presses.items():
        assert "removed" in await harness.refusal(press), label
    assert len(harness.query("SELECT 1 FROM jobs")) == jobs


async def test_of_a_picture_whose_file_is_gone(harness: BotHarness) -> None:
    """It is painted again, silently."""
    shown = await single(harness)
    for label in labels(shown):
        shutil.rmtree(harness.data / "pictures")
        (harness.data / "pictures").mkdir()
        text = await answer(harness, await harness.ada.click(shown, label))
        assert "gone" not in text and "missing" not in text, label


@pytest.mark.parametrize("label", ["V subtle", "📋 Recipe", "🎬 Film", "✏️ Remix", DELETE])
async def test_while_the_message_is_deleted(harness: BotHarness, mo: Person, label: str) -> None:
    """A press that is on its way is answered all the same."""
    shown = await single(harness)
    interaction = await harness.ada.click(shown, label)
    await mo.delete(shown)
    if label != DELETE:
        await answer(harness, interaction)
    await harness.imagine()
