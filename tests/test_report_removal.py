"""Removing reported pictures: files, messages, DMs and jobs that vary them."""

import asyncio

import pytest

from bot.playground import Channel, Fault, Person
from tests.bot_harness import BotHarness, eventually
from tests.fake_engine import FakeEngine
from tests.reporting import actions, card_in, picture_files, report, response_text


async def test_remove_deletes_messages_and_files(
    harness: BotHarness, mod_channel: Channel, ben: Person, mo: Person, engine: FakeEngine
) -> None:
    """The response and the card show the result."""
    grid = await harness.imagine()
    single = await harness.result(await harness.ada.click(grid, "U2"))
    await report(harness, ben, single)
    assert "reported picture 2" in card_in(harness, mod_channel).content
    interaction = await mo.click(card_in(harness, mod_channel), "Remove")
    assert await response_text(harness, interaction) == (
        "Removed the pictures and all of my messages that showed them."
    )
    assert grid.deleted
    assert single.deleted
    assert picture_files(harness) == []
    assert {row["removed_at"] is None for row in harness.query("SELECT * FROM pictures")} == {False}
    card = card_in(harness, mod_channel)
    assert f"**Removed** by <@{mo.id}>" in card.content
    assert "(removed by moderators)" in card.content
    assert card.buttons == ["Block user"]
    assert len(engine.paints) == 1
    assert actions(harness) == ["set", "reported", "removed"]


async def test_a_variation_of_a_removed_picture_cannot_be_rerolled(
    harness: BotHarness, mo: Person, engine: FakeEngine
) -> None:
    """It would vary the same picture again."""
    grid = await harness.imagine()
    varied_picture = await harness.result(await harness.ada.click(grid, "V1"))
    await response_text(harness, await mo.use("Remove picture", grid))
    assert "Moderators removed this" in await harness.refusal(
        await harness.ada.click(varied_picture, "🔄")
    )
    assert len(engine.paints) == 2


async def test_remove_deletes_dms_with_the_picture(
    harness: BotHarness, ben: Person, mo: Person
) -> None:
    """The DMs of all users are deleted, even after a restart; DMs with other pictures stay."""
    grid, second = await harness.imagine(), await harness.imagine()
    await ben.react(grid, "✉️")
    await harness.ada.react(grid, "✉️")
    await ben.react(second, "✉️")
    await eventually(
        lambda: (
            len(harness.query("SELECT * FROM deliveries WHERE kind = 'direct' AND message > 0"))
            == 3
        )
    )
    await harness.stop()
    await harness.start()
    assert "all of my messages" in await response_text(
        harness, await mo.use("Remove picture", grid)
    )
    assert harness.discord.dms(harness.ada) == []
    (dm,) = harness.discord.dms(ben)
    assert len(dm.attachments) == 4


async def test_remove_counts_a_dm_that_it_cannot_delete(harness: BotHarness, mo: Person) -> None:
    """The response to the moderator has the count."""
    grid = await harness.imagine()
    await harness.ada.react(grid, "✉️")
    await eventually(
        lambda: harness.query("SELECT * FROM deliveries WHERE kind = 'direct' AND message > 0")
    )
    (dm,) = harness.discord.dms(harness.ada)
    harness.discord.faults.next("DELETE", f"/messages/{dm.id}", Fault(status=403))
    answer = await response_text(harness, await mo.use("Remove picture", grid))
    assert "but could not delete 1 of 2 messages" in answer


async def test_remove_lists_finished_variations(
    harness: BotHarness, mo: Person, ben: Person, engine: FakeEngine
) -> None:
    """They stay; unfinished ones are cancelled, and other pictures are not affected."""
    grid, second = await harness.imagine(), await harness.imagine()
    finished = await harness.result(await ben.click(grid, "V1"))
    await harness.result(await ben.click(second, "V1"))
    engine.gate.clear()
    variation = await ben.click(grid, "V2")
    await eventually(lambda: len(engine.paints) == 5)
    answer = await response_text(harness, await mo.use("Remove picture", grid))
    assert answer.endswith(
        "Their variations are not removed: "
        f"https://discord.com/channels/{harness.discord.guild_id}/{finished.channel.id}/{finished.id}"
    )
    assert "Cancelled." in (await harness.result(variation)).content
    assert not finished.deleted
    await response_text(harness, await mo.use("Remove picture", finished))
    assert finished.deleted


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE deliveries SET guild = 7 WHERE id = 2",
        "UPDATE deliveries SET guild = NULL WHERE id = 2",
        "UPDATE jobs SET plan = json_set(plan, '$.is_private', json('true')) WHERE rowid = 2",
    ],
)
async def test_remove_lists_no_messages_of_other_places(
    harness: BotHarness, mo: Person, ben: Person, change: str
) -> None:
    """Nor those that their user alone can see."""
    grid = await harness.imagine()
    await harness.result(await ben.click(grid, "V1"))
    await harness.execute(change)
    answer = await response_text(harness, await mo.use("Remove picture", grid))
    assert answer == "Removed the pictures and all of my messages that showed them."


async def test_remove_lists_jobs_of_any_kind_that_started_from_the_picture(
    harness: BotHarness, mo: Person, ben: Person
) -> None:
    """And the rerolls of these jobs."""
    grid = await harness.imagine()
    derived = await harness.result(await ben.click(grid, "V1"))
    await harness.execute("UPDATE jobs SET kind = 'mirror' WHERE kind = 'variation'")
    rerolled = await harness.result(await ben.click(derived, "🔄"))
    assert rerolled.content.startswith("Again: ")
    answer = await response_text(harness, await mo.use("Remove picture", grid))
    assert str(derived.id) in answer
    assert str(rerolled.id) in answer


@pytest.mark.parametrize("trigger", ["U1", "✉️"])
async def test_a_message_sent_during_the_removal_is_deleted(
    harness: BotHarness, mo: Person, ben: Person, trigger: str
) -> None:
    """Discord accepts a full-size picture or a DM only after the removal."""
    grid = await harness.imagine()
    method, path = (
        ("PATCH", "/@original") if trigger == "U1" else ("POST", f"/{ben.dm.id}/messages")
    )
    arrived = asyncio.Event()
    harness.discord.faults.next(method, path, Fault(until=arrived))
    if trigger == "U1":
        interaction = await ben.click(grid, trigger)
    else:
        await ben.react(grid, trigger)
    await harness.discord.until(
        lambda: harness.discord.faults.pending == 0, why="the request has started"
    )
    assert "Removed" in await response_text(harness, await mo.use("Remove picture", grid))
    arrived.set()
    if trigger == "U1":
        assert "Moderators removed this" in await response_text(harness, interaction)
        await eventually(lambda: interaction.response and interaction.response.deleted)
    else:
        await eventually(
            lambda: harness.query("SELECT * FROM deliveries WHERE kind = 'direct' AND message > 0")
        )
        await eventually(lambda: harness.discord.dms(ben) == [])


async def test_an_interrupted_removal_is_finished_after_a_restart(
    harness: BotHarness, mo: Person, engine: FakeEngine
) -> None:
    """The restarted bot deletes the messages and DMs and cancels unfinished variations."""
    grid = await harness.imagine()
    single = await harness.result(await harness.ada.click(grid, "U2"))
    await harness.ada.react(grid, "✉️")
    await eventually(
        lambda: harness.query("SELECT * FROM deliveries WHERE kind = 'direct' AND message > 0")
    )
    engine.gate.clear()
    variation = await harness.ada.click(grid, "V2")
    await eventually(lambda: len(engine.paints) == 2)
    harness.discord.faults.next("DELETE", "/messages/", Fault(delay=60.0))
    await mo.use("Remove picture", grid)
    await eventually(lambda: harness.query("SELECT 1 FROM pictures WHERE removed_at > 0"))
    await eventually(lambda: not harness.discord.faults.pending)
    await harness.stop()
    assert not single.deleted
    await harness.start()
    await harness.discord.until(
        lambda: grid.deleted and single.deleted and harness.discord.dms(harness.ada) == [],
        why="all that shows it is deleted",
    )
    assert "Cancelled." in (await harness.result(variation)).content
    await eventually(lambda: picture_files(harness) == [])
    assert actions(harness) == ["removed"]
    await eventually(
        lambda: (
            harness.query("SELECT * FROM deliveries WHERE kind = 'direct' AND message > 0") == []
        )
    )


async def test_remove_counts_messages_that_it_cannot_delete(
    harness: BotHarness, mod_channel: Channel, ben: Person, mo: Person, engine: FakeEngine
) -> None:
    """The pictures are removed, and the buttons on the message say so."""
    grid = await harness.imagine()
    await report(harness, ben, grid)
    harness.discord.faults.next("DELETE", f"/messages/{grid.id}", Fault(status=403))
    interaction = await mo.click(card_in(harness, mod_channel), "Remove")
    assert "but could not delete 1 of 1 messages" in await response_text(harness, interaction)
    assert picture_files(harness) == []
    for label in ("U1", "V2", "🔄"):
        assert "Moderators removed this" in await harness.refusal(
            await harness.ada.click(grid, label)
        )
    assert len(engine.paints) == 1
    await harness.ada.react(grid, "✉️")
    await harness.discord.until(lambda: harness.discord.dms(harness.ada), why="a DM")
    assert harness.discord.dms(harness.ada)[0].attachments == []


async def test_remove_accepts_that_a_message_is_already_deleted(
    harness: BotHarness, mod_channel: Channel, ben: Person, mo: Person
) -> None:
    """The files are deleted too."""
    grid = await harness.imagine()
    await report(harness, ben, grid)
    await mo.delete(grid)
    await harness.stop()
    await harness.start()
    interaction = await mo.click(card_in(harness, mod_channel), "Remove")
    assert "Removed" in await response_text(harness, interaction)
    assert picture_files(harness) == []


async def test_a_running_job_can_be_reported_and_removed(
    harness: BotHarness, mod_channel: Channel, ben: Person, mo: Person, engine: FakeEngine
) -> None:
    """The preview may be the reason for the report; the job is cancelled."""
    engine.gate.clear()
    interaction = await harness.ada.slash("imagine", prompt="a house")
    await eventually(lambda: engine.paints)
    await harness.discord.until(
        lambda: interaction.response and interaction.response.buttons, why="progress"
    )
    assert interaction.response is not None
    await report(harness, ben, interaction.response)
    assert "no pictures yet" in card_in(harness, mod_channel).content
    await response_text(harness, await mo.click(card_in(harness, mod_channel), "Remove"))
    assert interaction.response.deleted
    assert harness.query("SELECT status FROM jobs")[0]["status"] == "cancelled"


async def test_remove_works_after_the_channel_is_deleted(
    harness: BotHarness, mod_channel: Channel, ben: Person, mo: Person
) -> None:
    """The files and the DMs are deleted."""
    channel = harness.discord.add_channel("here")
    grid = await harness.result(await harness.ada.slash("imagine", prompt="a house", where=channel))
    await report(harness, ben, grid)
    await ben.react(grid, "✉️")
    await eventually(
        lambda: harness.query("SELECT * FROM deliveries WHERE kind = 'direct' AND message > 0")
    )
    del harness.discord.world.channels[channel.id]
    answer = await response_text(harness, await mo.click(card_in(harness, mod_channel), "Remove"))
    assert answer == "Removed the pictures and all of my messages that showed them."
    assert picture_files(harness) == []
    assert harness.discord.dms(ben) == []
