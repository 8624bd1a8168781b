"""The setting *direct messages*: results are also sent to their users."""

from bot.playground import Person
from tests.bot_harness import BotHarness
from tests.deletion import ephemeral_response
from tests.delivering import wait_until_delivered
from tests.fake_engine import FakeEngine


async def switch(person: Person, value: str) -> None:
    """Turn the copies on or off."""
    options = {"setting": "direct", "value": value}
    response = await ephemeral_response(await person.invoke("settings", options))
    assert response.content.startswith(f"Direct messages: now **{value}** for you.")


async def test_a_result_is_also_sent_directly(harness: BotHarness) -> None:
    """Once, with all pictures; not for other users, and not after the switch is off again."""
    await switch(harness.ada, "on")
    grid = await harness.imagine(count=2)
    await harness.imagine(harness.discord.person("Ben"), count=1)
    await harness.discord.until(lambda: harness.discord.dms(harness.ada), why="a DM")
    [copy] = harness.discord.dms(harness.ada)
    assert len(copy.attachments) == 2 and "a red house" in copy.content
    assert grid.attachments and not harness.discord.dms(harness.discord.person("Ben"))
    await switch(harness.ada, "off")
    await harness.imagine(count=1)
    await wait_until_delivered(harness)
    assert harness.discord.dms(harness.ada) == [copy]


async def test_a_result_in_direct_messages_has_no_copy(harness: BotHarness) -> None:
    """It is there already."""
    await switch(harness.ada, "on")
    interaction = await harness.ada.slash("imagine", prompt="a", count=1, where=harness.ada.dm)
    result = await harness.result(interaction)
    await wait_until_delivered(harness)
    assert harness.discord.dms(harness.ada) == [result]


async def test_failed_and_cancelled_jobs_have_no_copy(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """There is nothing to send."""
    await switch(harness.ada, "on")
    engine.gate.clear()
    interaction = await harness.ada.slash("imagine", prompt="a house")
    await harness.discord.until(
        lambda: interaction.response and "✖ Cancel" in interaction.response.buttons, why="a button"
    )
    assert interaction.response is not None
    await harness.refusal(await harness.ada.click(interaction.response, "✖ Cancel"))
    engine.gate.set()
    await wait_until_delivered(harness)
    assert harness.discord.dms(harness.ada) == []
