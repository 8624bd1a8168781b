"""Reactions to a result."""

import pytest

from bot.playground import Fault, Message
from tests.fake_engine import FakeEngine, flat
from tests.house import House, eventually, is_finished


async def answer_to(house: House, message: Message) -> Message:
    """The finished job that a reaction to this message started."""
    found: list[Message] = []

    def arrived() -> bool:
        found[:] = [m for m in house.discord.messages() if m.reference is message]
        return bool(found) and is_finished(found[0])

    await house.discord.until(arrived, why="an answer to the reaction")
    return found[0]


async def test_a_number_asks_for_variations_of_that_picture(
    house: House, engine: FakeEngine
) -> None:
    """In a new message that answers the old one, for whoever reacted."""
    ben = house.discord.person("Ben")
    grid = await house.imagine()
    await ben.react(grid, "3️⃣")
    shown = await answer_to(house, grid)
    assert shown.buttons[:2] == ["U1", "U2"]
    assert f"<@{ben.id}>" in shown.content
    assert shown.pings == frozenset()
    assert [one.seed for one in engine.paints[1].recipes] == [9] * 4


async def test_the_circle_asks_for_a_variation_of_each(house: House, engine: FakeEngine) -> None:
    """Four pictures, four variations."""
    grid = await house.imagine()
    await house.ada.react(grid, "🔁")
    await answer_to(house, grid)
    assert [one.seed for one in engine.paints[1].recipes] == [7, 8, 9, 10]


async def test_a_reaction_to_one_picture_is_about_that_one(
    house: House, engine: FakeEngine
) -> None:
    """On what U2 posted, 🔁 means picture 2."""
    grid = await house.imagine()
    single = await house.result(await house.ada.click(grid, "U2"))
    await house.ada.react(single, "🔁")
    await answer_to(house, single)
    assert [one.seed for one in engine.paints[1].recipes] == [8] * 4


async def painted(engine: FakeEngine, jobs: int) -> None:
    """Wait until the engine was sent so many jobs."""
    await eventually(lambda: len(engine.paints) == jobs)


async def test_the_same_reaction_again_asks_again(house: House, engine: FakeEngine) -> None:
    """Taken back and made again."""
    grid = await house.imagine()
    for count in (2, 3):
        await house.ada.react(grid, "1️⃣")
        await painted(engine, count)
        await house.ada.unreact(grid, "1️⃣")


async def test_a_cross_deletes_for_its_person_and_moderators_only(house: House) -> None:
    """Ben's cross does nothing; Ada's and a moderator's do."""
    first, second = await house.imagine(), await house.imagine()
    await house.discord.person("Ben").react(first, "❌")
    await house.ada.react(first, "❌")
    await house.discord.until(lambda: first.deleted, why="Ada's cross")
    assert not second.deleted
    await house.discord.person("Mo", moderator=True).react(second, "❌")
    await house.discord.until(lambda: second.deleted, why="the moderator's cross")


async def test_bens_cross_does_nothing(house: House) -> None:
    """What Ben does later is done, and the message is still there."""
    grid = await house.imagine()
    ben = house.discord.person("Ben")
    await ben.react(grid, "❌")
    await ben.react(grid, "1️⃣")
    await answer_to(house, grid)
    assert not grid.deleted


async def test_a_cross_stops_a_running_job(house: House, engine: FakeEngine) -> None:
    """And its message goes away."""
    engine.gate.clear()
    asked = await house.ada.slash("imagine", prompt="a house")
    await house.discord.until(lambda: asked.response and asked.response.buttons, why="a button")
    assert asked.response is not None
    await eventually(lambda: engine.paints)
    await house.ada.react(asked.response, "❌")
    await house.discord.until(lambda: asked.response and asked.response.deleted, why="deleted")
    await eventually(lambda: engine.cancels)


@pytest.mark.parametrize("sign", ["✉️", "✉"])
async def test_a_letter_brings_the_pictures_and_their_seeds(
    house: House, engine: FakeEngine, sign: str
) -> None:
    """By direct message, to whoever reacted; withheld ones are only mentioned."""
    engine.flagged = {4}
    grid = await house.imagine()
    ben = house.discord.person("Ben")
    await ben.react(grid, sign)
    await house.discord.until(lambda: house.discord.dms(ben), why="a letter")
    (letter,) = house.discord.dms(ben)
    sent = [flat(recipe) for recipe in engine.paints[0].recipes[:3]]
    assert [file.data for file in letter.attachments] == sent
    assert "1: seed `7`" in letter.content
    assert "4: seed `10` (withheld by the safety check)" in letter.content


async def test_a_letter_whose_answer_got_lost_comes_once_and_is_known(house: House) -> None:
    """Else moderators could not take it back."""
    grid = await house.imagine()
    ben = house.discord.person("Ben")
    lost = Fault(drop=True, after_commit=True)
    house.discord.faults.next("POST", f"/{ben.dm.id}/messages", lost)
    await ben.react(grid, "✉️")
    await eventually(lambda: house.query("SELECT * FROM letters"))
    (letter,) = house.discord.dms(ben)
    assert [row["message"] for row in house.query("SELECT message FROM letters")] == [letter.id]


async def test_a_sentence_for_a_moment_goes_with_the_bot(house: House) -> None:
    """Nobody else would take it away."""
    grid = await house.imagine()
    house.ada.user.closed_dms = True
    await house.ada.react(grid, "✉️")
    said = await answer_to(house, grid)
    await house.stop()
    assert said.deleted and not grid.deleted


async def test_closed_direct_messages_are_said_to_be_closed(house: House) -> None:
    """In the channel, as there is no other way."""
    grid = await house.imagine()
    house.ada.user.closed_dms = True
    await house.ada.react(grid, "✉️")
    said = await answer_to(house, grid)
    assert "your DMs are closed" in said.content
    assert said.pings == frozenset()


async def test_reactions_work_after_a_restart(house: House, engine: FakeEngine) -> None:
    """The record knows the message."""
    grid = await house.imagine()
    await house.stop()
    await house.start()
    await house.ada.react(grid, "2️⃣")
    await answer_to(house, grid)
    assert [one.seed for one in engine.paints[1].recipes] == [8] * 4


async def test_other_reactions_and_messages_are_left_alone(
    house: House, engine: FakeEngine
) -> None:
    """A heart on a result and a cross on somebody's words mean nothing to the bot."""
    grid = await house.imagine()
    words = await house.ada.say("hello")
    await house.ada.react(grid, "❤️")
    await house.ada.react(words, "❌")
    await house.ada.react(words, "🔁")
    await house.imagine()
    assert not words.deleted
    assert len(engine.paints) == 2


async def test_a_number_without_a_picture_is_said_to_have_none(house: House) -> None:
    """There are two, and somebody asks for the fourth."""
    grid = await house.imagine(count=2)
    await house.ada.react(grid, "4️⃣")
    assert "no such picture" in (await answer_to(house, grid)).content


async def test_a_sentence_that_still_stands_there_is_not_said_again(house: House) -> None:
    """Or who reacts again and again would fill the channel, and have the bot be slowed down."""
    grid = await house.imagine(count=2)

    def answers() -> list[str]:
        return [each.content for each in house.discord.messages() if each.reference is grid]

    for _ in range(3):
        await house.ada.react(grid, "4️⃣")
        await house.ada.unreact(grid, "4️⃣")
    await house.discord.person("Ben").react(grid, "4️⃣")
    await house.discord.until(lambda: len(answers()) > 1, why="an answer to each of them")
    await house.imagine()
    assert ["no such picture" in each for each in answers()] == [True, True]


@pytest.mark.parametrize(("name", "moderator"), [("Ben", False), ("Mo", True)])
async def test_who_reacts_is_looked_up_if_the_event_does_not_say(
    house: House, name: str, moderator: bool
) -> None:
    """Moderators are moderators also then, and others are not."""
    grid = await house.imagine()
    person = house.discord.person(name, moderator=moderator)
    event = {
        "user_id": str(person.id),
        "channel_id": str(grid.channel.id),
        "message_id": str(grid.id),
        "guild_id": str(house.discord.guild_id),
        "emoji": {"id": None, "name": "❌"},
        "type": 0,
        "burst": False,
    }
    house.discord.world.emit("MESSAGE_REACTION_ADD", event, grid.channel)
    asked = f"/members/{person.id}"
    await house.discord.until(
        lambda: any(asked in request.path for request in house.discord.requests), why="a look-up"
    )
    await house.imagine()
    assert grid.deleted is moderator


async def test_a_letter_comes_once_though_the_reaction_is_told_twice(house: House) -> None:
    """As when a connection of the gateway is taken up again."""
    grid = await house.imagine()
    ben = house.discord.person("Ben")
    await ben.react(grid, "✉️")
    await house.discord.until(lambda: house.discord.dms(ben), why="a letter")
    [told] = [event for event in house.events if event.name == "MESSAGE_REACTION_ADD"]
    house.discord.world.emit(told.name, told.data, told.channel)
    await ben.react(grid, "1️⃣")
    await answer_to(house, grid)
    assert len(house.discord.dms(ben)) == 1
