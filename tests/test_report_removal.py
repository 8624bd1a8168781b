"""Removing reported pictures: files, messages, DMs and jobs that vary them."""

import asyncio

import pytest

from bot.playground import Channel, Fault, Person
from tests.fake_engine import FakeEngine
from tests.house import House, eventually
from tests.reporting import actions, card_in, picture_files, report, response_text


async def test_remove_deletes_messages_and_files(
    house: House, mods: Channel, ben: Person, mo: Person, engine: FakeEngine
) -> None:
    """The response and the card show the result."""
    grid = await house.imagine()
    single = await house.result(await house.ada.click(grid, "U2"))
    await report(house, ben, single)
    assert "reported picture 2" in card_in(house, mods).content
    interaction = await mo.click(card_in(house, mods), "Remove")
    assert await response_text(house, interaction) == (
        "Removed the pictures and all messages that showed them."
    )
    assert grid.deleted
    assert single.deleted
    assert picture_files(house) == []
    assert {row["removed_at"] is None for row in house.query("SELECT * FROM pictures")} == {False}
    card = card_in(house, mods)
    assert f"**Removed** by <@{mo.id}>" in card.content
    assert "(removed by moderators)" in card.content
    assert card.buttons == ["Block user"]
    assert len(engine.paints) == 1
    assert actions(house) == ["set", "reported", "removed"]


async def test_a_variation_of_a_removed_picture_cannot_be_rerolled(
    house: House, mo: Person, engine: FakeEngine
) -> None:
    """It would vary the same picture again."""
    grid = await house.imagine()
    varied_picture = await house.result(await house.ada.click(grid, "V1"))
    await response_text(house, await mo.use("Remove picture", grid))
    assert "Moderators removed this" in await house.refusal(
        await house.ada.click(varied_picture, "🔄")
    )
    assert len(engine.paints) == 2


async def test_remove_deletes_dms_with_the_picture(house: House, ben: Person, mo: Person) -> None:
    """The DMs of all users are deleted, even after a restart; DMs with other pictures stay."""
    grid, second = await house.imagine(), await house.imagine()
    await ben.react(grid, "✉️")
    await house.ada.react(grid, "✉️")
    await ben.react(second, "✉️")
    await eventually(lambda: len(house.query("SELECT * FROM direct_messages")) == 3)
    await house.stop()
    await house.start()
    assert "all messages" in await response_text(house, await mo.use("Remove picture", grid))
    assert house.discord.dms(house.ada) == []
    (dm,) = house.discord.dms(ben)
    assert len(dm.attachments) == 4


async def test_remove_counts_a_dm_that_it_cannot_delete(house: House, mo: Person) -> None:
    """The response to the moderator has the count."""
    grid = await house.imagine()
    await house.ada.react(grid, "✉️")
    await eventually(lambda: house.query("SELECT * FROM direct_messages"))
    (dm,) = house.discord.dms(house.ada)
    house.discord.faults.next("DELETE", f"/messages/{dm.id}", Fault(status=403))
    answer = await response_text(house, await mo.use("Remove picture", grid))
    assert "but could not delete 1 of 2 messages" in answer


async def test_remove_lists_finished_variations(
    house: House, mo: Person, ben: Person, engine: FakeEngine
) -> None:
    """They stay; unfinished ones are cancelled, and other pictures are not affected."""
    grid, second = await house.imagine(), await house.imagine()
    finished = await house.result(await ben.click(grid, "V1"))
    await house.result(await ben.click(second, "V1"))
    engine.gate.clear()
    variation = await ben.click(grid, "V2")
    await eventually(lambda: len(engine.paints) == 5)
    answer = await response_text(house, await mo.use("Remove picture", grid))
    assert answer.endswith(
        "Their variations are not removed: "
        f"https://discord.com/channels/{house.discord.guild_id}/{finished.channel.id}/{finished.id}"
    )
    assert "Cancelled." in (await house.result(variation)).content
    assert not finished.deleted
    await response_text(house, await mo.use("Remove picture", finished))
    assert finished.deleted


async def test_remove_lists_jobs_of_any_kind_that_started_from_the_picture(
    house: House, mo: Person, ben: Person
) -> None:
    """And the rerolls of these jobs."""
    grid = await house.imagine()
    derived = await house.result(await ben.click(grid, "V1"))
    await asyncio.to_thread(
        house.execute, "UPDATE jobs SET kind = 'mirror' WHERE kind = 'variation'"
    )
    rerolled = await house.result(await ben.click(derived, "🔄"))
    assert rerolled.content.startswith("Again: ")
    answer = await response_text(house, await mo.use("Remove picture", grid))
    assert str(derived.id) in answer
    assert str(rerolled.id) in answer


@pytest.mark.parametrize("trigger", ["U1", "✉️"])
async def test_a_message_sent_during_the_removal_is_deleted(
    house: House, mo: Person, ben: Person, trigger: str
) -> None:
    """Discord accepts a full-size picture or a DM only after the removal."""
    grid = await house.imagine()
    method, path = (
        ("PATCH", "/@original") if trigger == "U1" else ("POST", f"/{ben.dm.id}/messages")
    )
    arrived = asyncio.Event()
    house.discord.faults.next(method, path, Fault(until=arrived))
    if trigger == "U1":
        interaction = await ben.click(grid, trigger)
    else:
        await ben.react(grid, trigger)
    await house.discord.until(
        lambda: any(
            path in request.path and request.method == method for request in house.discord.requests
        ),
        why="it is on its way",
    )
    assert "Removed" in await response_text(house, await mo.use("Remove picture", grid))
    arrived.set()
    if trigger == "U1":
        assert "Moderators removed this" in await response_text(house, interaction)
        await eventually(lambda: interaction.response and interaction.response.deleted)
    else:
        await eventually(lambda: house.query("SELECT * FROM direct_messages"))
        await eventually(lambda: house.discord.dms(ben) == [])


async def test_an_interrupted_removal_is_finished_after_a_restart(
    house: House, mo: Person, engine: FakeEngine
) -> None:
    """The restarted bot deletes the messages and DMs and cancels unfinished variations."""
    grid = await house.imagine()
    single = await house.result(await house.ada.click(grid, "U2"))
    await house.ada.react(grid, "✉️")
    await eventually(lambda: house.query("SELECT * FROM direct_messages"))
    engine.gate.clear()
    variation = await house.ada.click(grid, "V2")
    await eventually(lambda: len(engine.paints) == 2)
    house.discord.faults.next("DELETE", "/messages/", Fault(delay=60.0))
    await mo.use("Remove picture", grid)
    await eventually(lambda: house.query("SELECT 1 FROM pictures WHERE removed_at > 0"))
    await house.stop()
    assert not single.deleted
    await house.start()
    await house.discord.until(
        lambda: grid.deleted and single.deleted and house.discord.dms(house.ada) == [],
        why="all that shows it is deleted",
    )
    assert "Cancelled." in (await house.result(variation)).content
    await eventually(lambda: picture_files(house) == [])
    assert actions(house) == ["removed"]
    await eventually(lambda: house.query("SELECT * FROM direct_messages") == [])


async def test_remove_counts_messages_that_it_cannot_delete(
    house: House, mods: Channel, ben: Person, mo: Person, engine: FakeEngine
) -> None:
    """The pictures are removed, and the buttons on the message say so."""
    grid = await house.imagine()
    await report(house, ben, grid)
    house.discord.faults.next("DELETE", f"/messages/{grid.id}", Fault(status=403))
    interaction = await mo.click(card_in(house, mods), "Remove")
    assert "but could not delete 1 of 1 messages" in await response_text(house, interaction)
    assert picture_files(house) == []
    for label in ("U1", "V2", "🔄"):
        assert "Moderators removed this" in await house.refusal(await house.ada.click(grid, label))
    assert len(engine.paints) == 1
    await house.ada.react(grid, "✉️")
    await house.discord.until(lambda: house.discord.dms(house.ada), why="a DM")
    assert house.discord.dms(house.ada)[0].attachments == []


async def test_remove_accepts_that_a_message_is_already_deleted(
    house: House, mods: Channel, ben: Person, mo: Person
) -> None:
    """The files are deleted too."""
    grid = await house.imagine()
    await report(house, ben, grid)
    await mo.delete(grid)
    await house.stop()
    await house.start()
    interaction = await mo.click(card_in(house, mods), "Remove")
    assert "Removed" in await response_text(house, interaction)
    assert picture_files(house) == []


async def test_a_running_job_can_be_reported_and_removed(
    house: House, mods: Channel, ben: Person, mo: Person, engine: FakeEngine
) -> None:
    """The preview may be the reason for the report; the job is cancelled."""
    engine.gate.clear()
    interaction = await house.ada.slash("imagine", prompt="a house")
    await eventually(lambda: engine.paints)
    await house.discord.until(
        lambda: interaction.response and interaction.response.buttons, why="progress"
    )
    assert interaction.response is not None
    await report(house, ben, interaction.response)
    assert "no pictures yet" in card_in(house, mods).content
    await response_text(house, await mo.click(card_in(house, mods), "Remove"))
    assert interaction.response.deleted
    assert house.query("SELECT status FROM jobs")[0]["status"] == "cancelled"


async def test_remove_works_after_the_channel_is_deleted(
    house: House, mods: Channel, ben: Person, mo: Person
) -> None:
    """The files and the DMs are deleted."""
    channel = house.discord.add_channel("here")
    grid = await house.result(await house.ada.slash("imagine", prompt="a house", where=channel))
    await report(house, ben, grid)
    await ben.react(grid, "✉️")
    await eventually(lambda: house.query("SELECT * FROM direct_messages"))
    del house.discord.world.channels[channel.id]
    answer = await response_text(house, await mo.click(card_in(house, mods), "Remove"))
    assert answer == "Removed the pictures and all messages that showed them."
    assert picture_files(house) == []
    assert house.discord.dms(ben) == []
