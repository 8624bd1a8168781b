"""🚩 Report, the moderators' card, and what its buttons do; on the local Discord."""

import asyncio
from pathlib import Path

import pytest

from bot.domain.moderation import MAX_REPORTS_PER_HOUR
from bot.playground import Channel, Fault, Interaction, Message, Person
from bot.playground.gateway.interaction_create import interaction_json
from bot.playground.model.interactions import InteractionType
from tests.fake_engine import FakeEngine
from tests.house import House, eventually

STORED = "Your report is saved"


@pytest.fixture
async def mods(house: House) -> Channel:
    """The moderators' channel, which an admin has named."""
    channel = house.discord.add_channel("mods")
    asked = await house.discord.person("Eve", admin=True).slash("admin moderators", channel=channel)
    assert "Reports are now posted to" in await answered(house, asked)
    return channel


@pytest.fixture
def ben(house: House) -> Person:
    """Who reports."""
    return house.discord.person("Ben")


@pytest.fixture
def mo(house: House) -> Person:
    """Who moderates."""
    return house.discord.person("Mo", moderator=True)


async def answered(house: House, asked: Interaction) -> str:
    """The private answer, when it says something."""
    await house.discord.until(
        lambda: asked.ephemerals and asked.ephemerals[-1].content not in ("", "…"),
        why="a private answer",
    )
    return asked.ephemerals[-1].content


async def report(house: House, person: Person, message: Message, reason: str = "ugly") -> str:
    """Report by the menu and the form; what the person is told."""
    asked = await person.use("🚩 Report", message)
    await asked.acknowledged()
    if asked.modal is None:
        return await answered(house, asked)
    return await answered(house, await person.submit(asked, {"reason": reason}))


def card_in(house: House, channel: Channel) -> Message:
    """The one card."""
    (card,) = [one for one in house.discord.messages(channel) if "Reported" in one.content]
    return card


def files(house: House) -> list[Path]:
    """The stored pictures."""
    return list((house.data / "pictures").rglob("*.png"))


def actions(house: House) -> list[str]:
    """What the log tells of."""
    return [row["action"] for row in house.query("SELECT action FROM audit ORDER BY id")]


async def test_a_report_reaches_the_moderators(
    house: House, mods: Channel, ben: Person, engine: FakeEngine
) -> None:
    """A card with all they need, but never the picture; the reporter is thanked in private."""
    engine.flagged = {4}
    grid = await house.imagine()
    assert await report(house, ben, grid, "not **nice** @everyone") == (
        "Thank you. The moderators of this server have received your report."
    )
    card = card_in(house, mods)
    assert f"{grid.channel.id}/{grid.id}" in card.content
    assert f"by <@{house.ada.id}>" in card.content
    assert "a red house" in card.content
    assert "4 steps" in card.content
    assert "`7`" in card.content
    assert "(withheld by the safety check)" in card.content
    job = house.query("SELECT id FROM jobs")[0]["id"]
    assert f"`{job}-1`" in card.content
    assert f"<@{ben.id}> reported" in card.content
    assert "not \\*\\*nice\\*\\*" in card.content
    assert card.pings == frozenset()
    assert card.attachments == []
    assert card.embeds == []
    assert card.buttons == ["Remove", "Block user", "Dismiss"]
    assert house.discord.messages() == [grid]
    assert actions(house) == ["set", "reported"]


async def test_without_a_channel_the_reporter_is_told_the_truth(house: House, ben: Person) -> None:
    """It is recorded, and shown as soon as there is a channel."""
    grid = await house.imagine()
    assert STORED in await report(house, ben, grid)
    assert actions(house) == ["reported"]
    channel = house.discord.add_channel("mods")
    eve = house.discord.person("Eve", admin=True)
    await answered(house, await eve.slash("admin moderators", channel=channel))
    assert f"<@{ben.id}> reported" in card_in(house, channel).content
    await answered(house, await eve.slash("admin moderators"))
    assert house.query("SELECT * FROM moderators") == []


async def test_a_channel_that_i_may_not_write_to_is_not_taken(house: House) -> None:
    """The admin learns it at once."""
    channel = house.discord.add_channel("mods")
    house.discord.faults.next("POST", f"/channels/{channel.id}/messages", Fault(status=403))
    eve = house.discord.person("Eve", admin=True)
    answer = await answered(house, await eve.slash("admin moderators", channel=channel))
    assert "I cannot write to" in answer
    assert house.query("SELECT * FROM moderators") == []


async def test_a_deleted_channel_is_no_silence(house: House, mods: Channel, ben: Person) -> None:
    """The report is recorded and the reporter told so; a new channel gets the card."""
    grid = await house.imagine()
    del house.discord.world.channels[mods.id]
    assert STORED in await report(house, ben, grid)
    fresh = house.discord.add_channel("more-mods")
    eve = house.discord.person("Fay", admin=True)
    await answered(house, await eve.slash("admin moderators", channel=fresh))
    assert card_in(house, fresh)


async def test_what_was_reported_while_discord_was_ill_is_shown_after_a_restart(
    house: House, mods: Channel, ben: Person
) -> None:
    """The record remembers that no moderator has seen it."""
    grid = await house.imagine()
    house.discord.faults.next("POST", f"/channels/{mods.id}/messages", Fault(status=403))
    assert STORED in await report(house, ben, grid)
    await house.stop()
    await house.start()
    await house.discord.until(
        lambda: any("Reported" in one.content for one in house.discord.messages(mods)), why="a card"
    )


async def test_the_same_person_counts_once_and_others_come_onto_the_same_card(
    house: House, mods: Channel, ben: Person
) -> None:
    """By menu or by flag."""
    grid = await house.imagine()
    await report(house, ben, grid)
    assert "reported this already" in await report(house, ben, grid)
    await ben.react(grid, "🚩")
    await house.discord.person("Cy").react(grid, "🚩")
    await house.discord.until(
        lambda: "no reason given" in card_in(house, mods).content, why="the second report"
    )
    assert len(house.query("SELECT * FROM reports")) == 2


async def test_nobody_floods_the_moderators(house: House, mods: Channel, ben: Person) -> None:
    """So many reports an hour, and no more."""
    grids = [await house.imagine() for _ in range(MAX_REPORTS_PER_HOUR + 1)]
    for grid in grids[:-1]:
        assert "Thank you" in await report(house, ben, grid)
    assert "Please try again later" in await report(house, ben, grids[-1])


async def test_only_results_can_be_reported(house: House, mods: Channel, ben: Person) -> None:
    """Not what people say, and not the card."""
    said = await house.ada.say("hello")
    assert "shows no picture of mine" in await report(house, ben, said)
    assert house.query("SELECT * FROM reports") == []


async def test_a_form_may_be_sent_in_after_a_restart(
    house: House, mods: Channel, ben: Person
) -> None:
    """All it has to remember is in its id."""
    grid = await house.imagine()
    asked = await ben.use("🚩 Report", grid)
    await asked.acknowledged()
    await house.stop()
    await house.start()
    assert "Thank you" in await answered(house, await ben.submit(asked, {"reason": "ugly"}))
    assert "ugly" in card_in(house, mods).content


async def test_remove_takes_messages_files_and_all_that_could_come_of_them(
    house: House, mods: Channel, ben: Person, mo: Person, engine: FakeEngine
) -> None:
    """The moderator is told, and the card says who did it."""
    grid = await house.imagine()
    single = await house.result(await house.ada.click(grid, "U2"))
    await report(house, ben, single)
    assert "reported picture 2" in card_in(house, mods).content
    pressed = await mo.click(card_in(house, mods), "Remove")
    assert await answered(house, pressed) == (
        "Removed the pictures and all messages that showed them."
    )
    assert grid.deleted
    assert single.deleted
    assert files(house) == []
    assert {row["removed_at"] is None for row in house.query("SELECT * FROM pictures")} == {False}
    card = card_in(house, mods)
    assert f"**Removed** by <@{mo.id}>" in card.content
    assert "(removed by moderators)" in card.content
    assert card.buttons == ["Block user"]
    assert len(engine.paints) == 1
    assert actions(house) == ["set", "reported", "removed"]


async def test_a_variation_of_a_removed_picture_is_not_painted_again(
    house: House, mo: Person, engine: FakeEngine
) -> None:
    """Nor re-rolled, for it would be the same picture varied."""
    grid = await house.imagine()
    varied = await house.result(await house.ada.click(grid, "V1"))
    await answered(house, await mo.use("Remove picture", grid))
    assert "Moderators removed this" in await house.refusal(await house.ada.click(varied, "🔄"))
    assert len(engine.paints) == 2


async def test_remove_reaches_letters(house: House, ben: Person, mo: Person) -> None:
    """Also after a restart, and of whoever asked for one; letters of other pictures stay."""
    grid, other = await house.imagine(), await house.imagine()
    await ben.react(grid, "✉️")
    await house.ada.react(grid, "✉️")
    await ben.react(other, "✉️")
    await eventually(lambda: len(house.query("SELECT * FROM letters")) == 3)
    await house.stop()
    await house.start()
    assert "all messages" in await answered(house, await mo.use("Remove picture", grid))
    assert house.discord.dms(house.ada) == []
    (kept,) = house.discord.dms(ben)
    assert len(kept.attachments) == 4


async def test_a_letter_that_cannot_be_taken_back_is_counted(house: House, mo: Person) -> None:
    """Moderators are told the truth."""
    grid = await house.imagine()
    await house.ada.react(grid, "✉️")
    await eventually(lambda: house.query("SELECT * FROM letters"))
    (letter,) = house.discord.dms(house.ada)
    house.discord.faults.next("DELETE", f"/messages/{letter.id}", Fault(status=403))
    answer = await answered(house, await mo.use("Remove picture", grid))
    assert "but could not delete 1 of 2 messages" in answer


async def test_variations_of_a_removed_picture_are_named(
    house: House, mo: Person, ben: Person, engine: FakeEngine
) -> None:
    """They are results of their own: what is finished stays, what is not is not painted any more,
    and other pictures have nothing to do with it."""
    grid, other = await house.imagine(), await house.imagine()
    shown = await house.result(await ben.click(grid, "V1"))
    await house.result(await ben.click(other, "V1"))
    engine.gate.clear()
    waiting = await ben.click(grid, "V2")
    await eventually(lambda: len(engine.paints) == 5)
    answer = await answered(house, await mo.use("Remove picture", grid))
    assert answer.endswith(
        "Their variations are not removed: "
        f"https://discord.com/channels/{house.discord.guild_id}/{shown.channel.id}/{shown.id}"
    )
    assert "Cancelled." in (await house.result(waiting)).content
    assert not shown.deleted
    await answered(house, await mo.use("Remove picture", shown))
    assert shown.deleted


@pytest.mark.parametrize("wish", ["U1", "✉️"])
async def test_what_is_on_its_way_while_it_is_removed_is_taken_back(
    house: House, mo: Person, ben: Person, wish: str
) -> None:
    """Moderators are quicker than Discord."""
    grid = await house.imagine()
    method, path = ("PATCH", "/@original") if wish == "U1" else ("POST", f"/{ben.dm.id}/messages")
    arrived = asyncio.Event()
    house.discord.faults.next(method, path, Fault(until=arrived))
    if wish == "U1":
        pressed = await ben.click(grid, wish)
    else:
        await ben.react(grid, wish)
    await house.discord.until(
        lambda: any(path in each.path and each.method == method for each in house.discord.requests),
        why="it is on its way",
    )
    assert "Removed" in await answered(house, await mo.use("Remove picture", grid))
    arrived.set()
    if wish == "U1":
        assert "Moderators removed this" in await answered(house, pressed)
        await eventually(lambda: pressed.response and pressed.response.deleted)
    else:
        await eventually(lambda: house.query("SELECT * FROM letters"))
        await eventually(lambda: house.discord.dms(ben) == [])


async def test_a_removal_that_a_dying_bot_began_is_finished_by_the_next(
    house: House, mo: Person, engine: FakeEngine
) -> None:
    """All messages that show a picture go, letters too, and its unfinished variations."""
    grid = await house.imagine()
    single = await house.result(await house.ada.click(grid, "U2"))
    await house.ada.react(grid, "✉️")
    await eventually(lambda: house.query("SELECT * FROM letters"))
    engine.gate.clear()
    waiting = await house.ada.click(grid, "V2")
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
    assert "Cancelled." in (await house.result(waiting)).content
    await eventually(lambda: files(house) == [])
    assert actions(house) == ["removed"]
    await eventually(lambda: house.query("SELECT * FROM letters") == [])


async def test_a_report_is_kept_before_it_is_answered(
    house: House, mods: Channel, ben: Person
) -> None:
    """A bot that dies while it answers has lost nothing."""
    grid = await house.imagine()
    asked = await ben.use("🚩 Report", grid)
    await asked.acknowledged()
    house.discord.faults.next("POST", "/callback", Fault(delay=60.0))
    await ben.submit(asked, {"reason": "ugly"})
    await eventually(lambda: house.query("SELECT * FROM reports"))
    await house.stop()
    await house.start()
    await house.discord.until(
        lambda: any("ugly" in one.content for one in house.discord.messages(mods)), why="a card"
    )


async def test_remove_says_what_could_not_be_deleted(
    house: House, mods: Channel, ben: Person, mo: Person, engine: FakeEngine
) -> None:
    """The pictures are gone all the same, and the old buttons say so."""
    grid = await house.imagine()
    await report(house, ben, grid)
    house.discord.faults.next("DELETE", f"/messages/{grid.id}", Fault(status=403))
    pressed = await mo.click(card_in(house, mods), "Remove")
    assert "but could not delete 1 of 1 messages" in await answered(house, pressed)
    assert files(house) == []
    for label in ("U1", "V2", "🔄"):
        assert "Moderators removed this" in await house.refusal(await house.ada.click(grid, label))
    assert len(engine.paints) == 1
    await house.ada.react(grid, "✉️")
    await house.discord.until(lambda: house.discord.dms(house.ada), why="a letter")
    assert house.discord.dms(house.ada)[0].attachments == []


async def test_a_message_that_is_gone_already_is_no_trouble(
    house: House, mods: Channel, ben: Person, mo: Person
) -> None:
    """Somebody deleted it between the report and the press; the files go as well."""
    grid = await house.imagine()
    await report(house, ben, grid)
    await mo.delete(grid)
    await house.stop()
    await house.start()
    pressed = await mo.click(card_in(house, mods), "Remove")
    assert "Removed" in await answered(house, pressed)
    assert files(house) == []


async def test_what_is_being_painted_can_be_reported_and_removed(
    house: House, mods: Channel, ben: Person, mo: Person, engine: FakeEngine
) -> None:
    """A preview may be bad enough: the job is stopped."""
    engine.gate.clear()
    asked = await house.ada.slash("imagine", prompt="a house")
    await eventually(lambda: engine.paints)
    await house.discord.until(lambda: asked.response and asked.response.buttons, why="progress")
    assert asked.response is not None
    await report(house, ben, asked.response)
    assert "no pictures yet" in card_in(house, mods).content
    await answered(house, await mo.click(card_in(house, mods), "Remove"))
    assert asked.response.deleted
    assert house.query("SELECT status FROM jobs")[0]["status"] == "cancelled"


async def test_moderators_block_and_unblock_from_the_card(
    house: House, mods: Channel, ben: Person, mo: Person
) -> None:
    """Also somebody who left the server."""
    grid = await house.imagine()
    await report(house, ben, grid)
    house.discord.world.users.pop(house.ada.id)
    pressed = await mo.click(card_in(house, mods), "Block user")
    assert f"<@{house.ada.id}> is blocked" in await answered(house, pressed)
    assert "is blocked: a picture was reported" in card_in(house, mods).content
    house.discord.world.users[house.ada.id] = house.ada.user
    asked = await house.ada.slash("imagine", prompt="a house")
    assert "blocked you" in await house.refusal(asked)
    assert card_in(house, mods).buttons == ["Remove", "Unblock user", "Dismiss"]
    await answered(house, await mo.click(card_in(house, mods), "Unblock user"))
    assert (await house.imagine()).attachments
    assert actions(house) == ["set", "reported", "blocked", "unblocked"]


async def test_a_dismissed_case_is_opened_again_by_a_new_report(
    house: House, mods: Channel, ben: Person, mo: Person
) -> None:
    """With a card of its own, so that moderators notice."""
    grid = await house.imagine()
    await report(house, ben, grid)
    first = card_in(house, mods)
    assert await answered(house, await mo.click(first, "Dismiss")) == "Dismissed."
    assert f"**Dismissed** by <@{mo.id}>" in first.content
    assert first.buttons == ["Remove", "Block user"]
    assert not grid.deleted
    await report(house, house.discord.person("Cy"), grid, "really")
    second = house.discord.messages(mods)[-1]
    assert second is not first
    assert "really" in second.content
    assert second.buttons == ["Remove", "Block user", "Dismiss"]


@pytest.mark.parametrize("label", ["Remove", "Block user", "Dismiss"])
async def test_others_press_in_vain(house: House, mods: Channel, ben: Person, label: str) -> None:
    """Nothing happens, and they are told why."""
    grid = await house.imagine()
    await report(house, ben, grid)
    pressed = await ben.click(card_in(house, mods), label)
    assert "Only moderators" in await house.refusal(pressed)
    assert not grid.deleted
    assert actions(house) == ["set", "reported"]


async def test_a_deleted_card_comes_back_with_the_next_report(
    house: House, mods: Channel, ben: Person, mo: Person
) -> None:
    """While the case is open."""
    grid = await house.imagine()
    await report(house, ben, grid)
    await mo.delete(card_in(house, mods))
    await report(house, house.discord.person("Cy"), grid)
    assert len(house.query("SELECT * FROM reports")) == 2
    assert f"<@{ben.id}>" in card_in(house, mods).content


async def test_two_reports_at_once_make_one_card(house: House, mods: Channel, ben: Person) -> None:
    """Which knows of both in the end."""
    grid = await house.imagine()
    crowd = [ben, house.discord.person("Cy"), house.discord.person("Di")]
    await asyncio.gather(*(report(house, one, grid) for one in crowd))
    assert len(house.query("SELECT * FROM reports")) == 3
    assert card_in(house, mods)


async def test_remove_picture_is_for_moderators(house: House, mo: Person, ben: Person) -> None:
    """It needs no report; what shows no picture is not touched."""
    grid = await house.imagine()
    said = await house.ada.say("hello")
    sent = await mo.use("Remove picture", said)
    assert "shows no picture of mine" in await answered(house, sent)
    forged = house.discord.interactions.open(
        InteractionType.APPLICATION_COMMAND, ben.user, grid.channel, sent.data
    )
    house.discord.world.emit("INTERACTION_CREATE", interaction_json(forged), grid.channel)
    assert "Only moderators" in await house.refusal(forged)
    assert "Removed" in await answered(house, await mo.use("Remove picture", grid))
    assert grid.deleted
    assert actions(house) == ["removed"]


async def test_a_result_in_a_channel_that_is_gone_is_removed(
    house: House, mods: Channel, ben: Person, mo: Person
) -> None:
    """Nobody can see its messages any more; the files go, and so do letters."""
    here = house.discord.add_channel("here")
    grid = await house.result(await house.ada.slash("imagine", prompt="a house", where=here))
    await report(house, ben, grid)
    await ben.react(grid, "✉️")
    await eventually(lambda: house.query("SELECT * FROM letters"))
    del house.discord.world.channels[here.id]
    answer = await answered(house, await mo.click(card_in(house, mods), "Remove"))
    assert answer == "Removed the pictures and all messages that showed them."
    assert files(house) == []
    assert house.discord.dms(ben) == []


@pytest.mark.parametrize("action", ["remove", "block", "unblock", "dismiss"])
async def test_moderators_of_another_server_decide_nothing_here(
    house: House, mods: Channel, ben: Person, action: str
) -> None:
    """Whatever they send."""
    grid = await house.imagine()
    await report(house, ben, grid)
    other = house.discord.add_guild("Another")
    eve = house.discord.person("Eve", admin=True)
    eve.join(other, other.admins)
    job = house.query("SELECT id FROM jobs")[0]["id"]
    data = {"custom_id": f"v1:case:{action}:{job}", "component_type": 2, "id": 1}
    words = await house.ada.say("hello")
    forged = house.discord.interactions.open(
        InteractionType.MESSAGE_COMPONENT, eve.user, other.channel, data, words
    )
    house.discord.world.emit("INTERACTION_CREATE", interaction_json(forged), other.channel)
    assert "This report no longer exists" in await answered(house, forged)
    assert not grid.deleted
    assert actions(house) == ["set", "reported"]
