"""The channels and commands that a server allows."""

from typing import Any

import pytest

from bot.playground import Channel, Person
from tests.bot_harness import BotHarness, eventually
from tests.deletion import ephemeral_response


@pytest.fixture
def boss(harness: BotHarness) -> Person:
    """A user who manages the server."""
    return harness.discord.person("Boss", admin=True)


@pytest.fixture
def art(harness: BotHarness) -> Channel:
    """A second channel."""
    return harness.discord.add_channel("art")


async def allow(boss: Person, setting: str, value: str) -> None:
    """Change a setting of the server."""
    options = {"setting": setting, "value": value}
    response = await ephemeral_response(await boss.invoke("settings", options, checked=False))
    assert ": now **" in response.content


async def test_other_channels_are_refused(harness: BotHarness, boss: Person, art: Channel) -> None:
    """Commands, buttons, menus of messages and reactions there get a private sentence; what is in
    the allowed channel and its threads works, also after a restart."""
    grid = await harness.imagine(count=1)
    await allow(boss, "channel_ids", f"<#{art.id}>")
    await harness.stop()
    await harness.start()
    sentence = f"This server allows me only in <#{art.id}>."
    jobs = len(harness.query("SELECT 1 FROM jobs"))
    for interaction in (
        await harness.ada.slash("imagine", prompt="a house"),
        await harness.ada.click(grid, "V1"),
        await harness.ada.click(grid, "U1"),
        await harness.ada.use("Show recipe", grid),
        await boss.slash("imagine", prompt="a house"),
    ):
        assert await harness.refusal(interaction) == sentence
    await harness.ada.react(grid, "🔁")
    await harness.discord.until(lambda: harness.discord.dms(harness.ada), why="a DM")
    assert [message.content for message in harness.discord.dms(harness.ada)] == [sentence]
    assert len(harness.query("SELECT 1 FROM jobs")) == jobs
    assert harness.discord.messages() == [grid]
    thread = harness.discord.add_thread(art, "talk")
    for where in (art, thread, harness.ada.dm):
        there = await harness.ada.slash("imagine", prompt="a house", where=where, count=1)
        assert (await harness.result(there)).attachments


async def test_what_protects_people_works_everywhere(
    harness: BotHarness, boss: Person, art: Channel
) -> None:
    """Privacy, reports, moderation, settings, and deleting one's own pictures."""
    grid = await harness.imagine(count=1)
    await allow(boss, "channel_ids", f"<#{art.id}>")
    await allow(boss, "commands", "recipe")
    response = await ephemeral_response(await harness.ada.slash("privacy show"))
    assert "1 job" in response.content
    report = await harness.ada.use("🚩 Report", grid)
    await harness.discord.until(lambda: report.modal, why="a form")
    assert "Default:" in (await ephemeral_response(await boss.slash("admin limits"))).content
    await ephemeral_response(await harness.ada.slash("settings"))
    await harness.ada.react(grid, "❌")
    await harness.discord.until(lambda: grid.deleted, why="the deletion")


async def test_a_running_job_can_be_cancelled(
    harness: BotHarness, boss: Person, art: Channel
) -> None:
    """After the channel is no longer allowed."""
    harness.engine.gate.clear()
    interaction = await harness.ada.slash("imagine", prompt="a house")
    await interaction.acknowledged()
    await harness.discord.until(
        lambda: interaction.response and "✖ Cancel" in interaction.response.buttons, why="a button"
    )
    await allow(boss, "channel_ids", f"<#{art.id}>")
    assert interaction.response is not None
    click = await harness.ada.click(interaction.response, "✖ Cancel")
    assert await harness.refusal(click) == "Cancelled."
    harness.engine.gate.set()


async def test_other_commands_are_refused(harness: BotHarness, boss: Person) -> None:
    """With their buttons and forms; buttons that belong to no command stay."""
    grid = await harness.imagine(count=1)
    await allow(boss, "commands", "/imagine, recipe")
    sentence = "This server does not allow this. It allows: /imagine, /recipe."
    for interaction in (
        await harness.ada.slash("explore", prompt="a house", steps="2,4"),
        await harness.ada.use("Edit…", grid),
        await harness.ada.click(grid, "✏️ Edit…"),
    ):
        assert await harness.refusal(interaction) == sentence
    assert (await harness.result(await harness.ada.click(grid, "V1"))).attachments
    assert (await harness.imagine(count=1)).attachments
    await allow(boss, "commands", "all")
    explored = await harness.ada.slash("explore", prompt="a house", steps="2,4")
    assert (await harness.result(explored)).attachments


async def test_commands_are_chosen_in_a_menu(harness: BotHarness, boss: Person) -> None:
    """Those that a server cannot forbid are not in it; direct messages have no restrictions."""
    message = await ephemeral_response(
        await boss.invoke("settings", {"setting": "commands"}, checked=False)
    )
    choice = await boss.choose(message, "v1:settings:guild:choose:commands:0", "imagine", "blend")
    await choice.acknowledged()
    assert "Allowed commands: **/imagine, /blend**" in message.content
    [options] = [
        {option["value"] for option in part["options"]}
        for row in (await _menu(harness, boss))
        for part in row["components"]
        if "options" in part
    ]
    assert {"imagine", "Edit…", "stats"} <= options
    assert not options & {"admin", "privacy", "settings", "🚩 Report", "Remove picture"}
    direct = await harness.ada.slash("loras", where=harness.ada.dm)
    await ephemeral_response(direct)
    await eventually(lambda: harness.query("SELECT 1 FROM preferences"))


async def _menu(harness: BotHarness, boss: Person) -> list[dict[str, Any]]:
    """The rows of the editor of the allowed commands."""
    message = await ephemeral_response(
        await boss.invoke("settings", {"setting": "commands"}, checked=False)
    )
    return message.components
