"""The bot's results when they are forwarded or pinned, and polls: none of these is a result."""

from bot.playground import Channel, Message, Person
from tests.bot_harness import BotHarness
from tests.fake_engine import FakeEngine
from tests.reporting import cards, response_text


async def test_a_forward_of_a_result_is_no_result(
    harness: BotHarness, mod_channel: Channel, ben: Person, mo: Person, engine: FakeEngine
) -> None:
    """Its buttons do nothing, reactions start and delete nothing, and the menus say why."""
    grid = await harness.imagine()
    forward = await ben.forward(grid)
    assert forward.snapshot is not None and forward.snapshot.buttons[0] == "U1"
    assert forward.buttons == []
    for emoji in ("🔁", "❌", "🚩", "✉️"):
        await harness.ada.react(forward, emoji)
        await mo.react(forward, emoji)
    await harness.ada.react(grid, "1️⃣")
    await harness.discord.until(lambda: len(engine.paints) == 2, why="one variation")
    assert not forward.deleted
    assert harness.discord.dms(harness.ada) == harness.discord.dms(mo) == []
    assert cards(harness, mod_channel) == []
    for command in ("🚩 Report", "Remove picture"):
        text = await response_text(harness, await mo.use(command, forward))
        assert "no picture of mine" in text or "not a picture" in text
    assert not grid.deleted


async def test_a_forward_of_a_removed_result_stays(harness: BotHarness, mo: Person) -> None:
    """The bot cannot delete the message of another user, and does not try to."""
    grid = await harness.imagine()
    forward = await harness.ada.forward(grid)
    text = await response_text(harness, await mo.use("Remove picture", grid))
    assert "all of my messages" in text
    assert grid.deleted and not forward.deleted


async def test_a_pinned_result_works_like_others(
    harness: BotHarness, ben: Person, mo: Person, engine: FakeEngine
) -> None:
    """It is edited and deleted as usual; the announcement of the pin is no result."""
    engine.gate.clear()
    interaction = await harness.ada.slash("imagine", prompt="a house")
    await harness.discord.until(
        lambda: interaction.response and interaction.response.buttons, why="it is shown"
    )
    message = interaction.response
    assert message is not None
    await mo.pin(message)
    announcement: Message = harness.discord.messages()[-1]
    assert announcement.reference is message
    engine.gate.set()
    grid = await harness.result(interaction)
    assert "U1" in grid.buttons and grid.pinned_at is not None
    await ben.react(announcement, "🔁")
    await ben.react(grid, "🔁")
    await harness.discord.until(lambda: len(engine.paints) == 2, why="one variation")
    text = await response_text(harness, await mo.use("Remove picture", announcement))
    assert "no picture of mine" in text
    assert "Removed" in await response_text(harness, await mo.use("Remove picture", grid))
    assert grid.deleted
