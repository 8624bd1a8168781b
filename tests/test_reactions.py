"""Reactions to a result."""

import asyncio

import pytest
from PIL import Image

from bot.playground import Fault, Message, Upload
from tests.bot_harness import BotHarness, eventually, is_finished
from tests.fake_engine import FakeEngine, flat
from tests.samples import encoded


async def reply_to(harness: BotHarness, message: Message) -> Message:
    """The final reply to this message."""
    replies: list[Message] = []

    def arrived() -> bool:
        replies[:] = [m for m in harness.discord.messages() if m.reference is message]
        return bool(replies) and is_finished(replies[0])

    await harness.discord.until(arrived, why="a reply to the reaction")
    return replies[0]


async def test_a_number_starts_variations_of_that_picture(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """The new message is a reply and mentions the user who reacted."""
    ben = harness.discord.person("Ben")
    grid = await harness.imagine()
    await ben.react(grid, "3️⃣")
    reply = await reply_to(harness, grid)
    assert reply.buttons[:2] == ["U1", "U2"]
    assert f"<@{ben.id}>" in reply.content
    assert reply.pings == frozenset()
    assert [recipe.seed for recipe in engine.paints[1].recipes] == [9] * 4


async def test_the_repeat_emoji_varies_each_picture(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """There are four pictures and four variations."""
    grid = await harness.imagine()
    await harness.ada.react(grid, "🔁")
    await reply_to(harness, grid)
    assert [recipe.seed for recipe in engine.paints[1].recipes] == [7, 8, 9, 10]


async def test_a_reaction_to_a_full_size_picture_varies_that_picture(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """After U2, 🔁 varies picture 2."""
    grid = await harness.imagine()
    single = await harness.result(await harness.ada.click(grid, "U2"))
    await harness.ada.react(single, "🔁")
    await reply_to(harness, single)
    assert [recipe.seed for recipe in engine.paints[1].recipes] == [8] * 4


async def wait_for_jobs(engine: FakeEngine, jobs: int) -> None:
    """Wait until the engine has received at least so many jobs."""
    await eventually(lambda: len(engine.paints) >= jobs)


async def test_a_repeated_reaction_starts_another_job(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """The user has removed the first reaction. Each starts one job, and its removal none."""
    grid = await harness.imagine()
    for count in (2, 3):
        await harness.ada.react(grid, "1️⃣")
        await wait_for_jobs(engine, count)
        await harness.ada.unreact(grid, "1️⃣")
    await harness.imagine(seed=99)  # the bot has handled the reactions before
    assert [paint.recipes[0].seed for paint in engine.paints] == [7, 7, 7, 99]


@pytest.mark.parametrize("emoji", [None, "1️⃣"])
async def test_a_reaction_that_a_moderator_cleared_may_be_repeated(
    harness: BotHarness, engine: FakeEngine, emoji: str | None
) -> None:
    """Whether all reactions are removed, or all with its emoji. Each starts one job."""
    grid = await harness.imagine()
    mo = harness.discord.person("Mo", moderator=True)
    for count in (2, 3):
        await harness.ada.react(grid, "1️⃣")
        await wait_for_jobs(engine, count)
        await mo.clear_reactions(grid, emoji)
    await harness.imagine(seed=99)  # the bot has handled the reactions before
    assert [paint.recipes[0].seed for paint in engine.paints] == [7, 7, 7, 99]


async def test_the_cross_of_the_owner_or_a_moderator_deletes(harness: BotHarness) -> None:
    """Other users cannot delete it."""
    first, second = await harness.imagine(), await harness.imagine()
    await harness.discord.person("Ben").react(first, "❌")
    await harness.ada.react(first, "❌")
    await harness.discord.until(lambda: first.deleted, why="the ❌ of Ada deletes it")
    assert not second.deleted
    await harness.discord.person("Mo", moderator=True).react(second, "❌")
    await harness.discord.until(lambda: second.deleted, why="the ❌ of a moderator deletes it")


async def test_the_cross_of_another_user_is_ignored(harness: BotHarness) -> None:
    """The bot has handled a later reaction when the message is still there."""
    grid = await harness.imagine()
    ben = harness.discord.person("Ben")
    await ben.react(grid, "❌")
    await ben.react(grid, "1️⃣")
    await reply_to(harness, grid)
    assert not grid.deleted


async def test_the_cross_cancels_a_running_job(harness: BotHarness, engine: FakeEngine) -> None:
    """The message of the job is deleted."""
    engine.gate.clear()
    interaction = await harness.ada.slash("imagine", prompt="a house")
    await harness.discord.until(
        lambda: interaction.response and interaction.response.buttons, why="a button"
    )
    assert interaction.response is not None
    await eventually(lambda: engine.paints)
    await harness.ada.react(interaction.response, "❌")
    await harness.discord.until(
        lambda: interaction.response and interaction.response.deleted, why="the message is deleted"
    )
    await eventually(lambda: engine.cancels)


@pytest.mark.parametrize("sign", ["✉️", "✉"])
async def test_a_dm_has_the_pictures_and_their_seeds(
    harness: BotHarness, engine: FakeEngine, sign: str
) -> None:
    """The user who reacted gets it; withheld pictures are only mentioned."""
    engine.flagged = {4}
    grid = await harness.imagine()
    ben = harness.discord.person("Ben")
    await ben.react(grid, sign)
    await harness.discord.until(lambda: harness.discord.dms(ben), why="a DM")
    (dm,) = harness.discord.dms(ben)
    expected = [flat(recipe) for recipe in engine.paints[0].recipes[:3]]
    assert [file.data for file in dm.attachments] == expected
    assert "1: seed `7`" in dm.content
    assert "4: seed `10` (withheld by the safety check)" in dm.content


SENT_OR_PENDING = (
    "SELECT count(message), count(*) - count(message) FROM deliveries WHERE kind = 'direct'"
)
"""The numbers of direct messages that were sent and that are still to be sent."""


async def test_a_dm_is_recorded_once_if_the_reply_is_lost(harness: BotHarness) -> None:
    """Without a record of it, a removal could not delete it."""
    grid = await harness.imagine()
    ben = harness.discord.person("Ben")
    lost = Fault(drop=True, after_commit=True)
    harness.discord.faults.next("POST", f"/{ben.dm.id}/messages", lost)
    await ben.react(grid, "✉️")
    await eventually(lambda: [tuple(row) for row in harness.query(SENT_OR_PENDING)] == [(1, 0)])
    (dm,) = harness.discord.dms(ben)
    assert [
        row["message"]
        for row in harness.query("SELECT message FROM deliveries WHERE kind = 'direct'")
    ] == [dm.id]


async def test_a_temporary_reply_is_deleted_at_shutdown(harness: BotHarness) -> None:
    """After the shutdown nothing would delete it."""
    grid = await harness.imagine()
    harness.ada.user.closed_dms = True
    await harness.ada.react(grid, "✉️")
    reply = await reply_to(harness, grid)
    await harness.stop()
    assert reply.deleted and not grid.deleted


async def test_closed_dms_are_reported_in_the_channel(harness: BotHarness) -> None:
    """The message has no ping."""
    grid = await harness.imagine()
    harness.ada.user.closed_dms = True
    await harness.ada.react(grid, "✉️")
    reply = await reply_to(harness, grid)
    assert "your DMs are closed" in reply.content
    assert reply.pings == frozenset()


async def test_reactions_work_after_a_restart(harness: BotHarness, engine: FakeEngine) -> None:
    """The id of the message is in the database."""
    grid = await harness.imagine()
    await harness.stop()
    await harness.start()
    await harness.ada.react(grid, "2️⃣")
    await reply_to(harness, grid)
    assert [recipe.seed for recipe in engine.paints[1].recipes] == [8] * 4


async def test_other_reactions_and_messages_are_ignored(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """The bot ignores other emoji on a result, and every emoji on a message of a user."""
    grid = await harness.imagine()
    message = await harness.ada.say("hello")
    await harness.ada.react(grid, "❤️")
    await harness.ada.react(message, "❌")
    await harness.ada.react(message, "🔁")
    await harness.imagine()
    assert not message.deleted
    assert len(engine.paints) == 2


async def test_a_number_without_a_picture_is_refused(harness: BotHarness) -> None:
    """The result has two pictures."""
    grid = await harness.imagine(count=2)
    await harness.ada.react(grid, "4️⃣")
    assert "no such picture" in (await reply_to(harness, grid)).content


async def test_a_visible_temporary_reply_is_not_repeated(harness: BotHarness) -> None:
    """Repeated reactions must not fill the channel; another user gets a reply of their own."""
    grid = await harness.imagine(count=2)

    def replies() -> list[str]:
        return [
            message.content for message in harness.discord.messages() if message.reference is grid
        ]

    for _ in range(3):
        await harness.ada.react(grid, "4️⃣")
        await harness.ada.unreact(grid, "4️⃣")
    await harness.discord.person("Ben").react(grid, "4️⃣")
    await harness.discord.until(lambda: len(replies()) > 1, why="a reply to each reaction")
    await harness.imagine()
    assert ["no such picture" in reply for reply in replies()] == [True, True]


@pytest.mark.parametrize(("name", "moderator"), [("Ben", False), ("Mo", True)])
async def test_a_user_missing_from_the_event_is_fetched(
    harness: BotHarness, name: str, moderator: bool
) -> None:
    """The bot needs the member's permissions to decide whether it is a moderator."""
    grid = await harness.imagine()
    person = harness.discord.person(name, moderator=moderator)
    event = {
        "user_id": str(person.id),
        "channel_id": str(grid.channel.id),
        "message_id": str(grid.id),
        "guild_id": str(harness.discord.guild_id),
        "emoji": {"id": None, "name": "❌"},
        "type": 0,
        "burst": False,
    }
    harness.discord.world.emit("MESSAGE_REACTION_ADD", event, grid.channel)
    path = f"/members/{person.id}"
    await harness.discord.until(
        lambda: any(path in request.path for request in harness.discord.requests),
        why="a request for the member",
    )
    await harness.imagine()
    assert grid.deleted is moderator


async def test_a_repeated_event_sends_no_second_dm(harness: BotHarness) -> None:
    """The gateway repeats events when a session is resumed."""
    grid = await harness.imagine()
    ben = harness.discord.person("Ben")
    await ben.react(grid, "✉️")
    await harness.discord.until(lambda: harness.discord.dms(ben), why="a DM")
    [reaction] = [event for event in harness.events if event.name == "MESSAGE_REACTION_ADD"]
    harness.discord.world.emit(reaction.name, reaction.data, reaction.place)
    await ben.react(grid, "1️⃣")
    await reply_to(harness, grid)
    assert len(harness.discord.dms(ben)) == 1


async def test_the_reroll_emoji_paints_the_same_again(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """With other seeds; of an img2img, from the same source and with the same strength."""
    sketch = Upload("a.png", encoded(Image.new("RGB", (64, 64), "red")))
    grid = await harness.imagine(sketch=sketch, strength=0.5)
    await harness.discord.person("Ben").react(grid, "🔄")
    reply = await reply_to(harness, grid)
    assert reply.content.startswith("Again: **a red house**")
    first, again = (paint.recipes for paint in engine.paints)
    assert [recipe.recipe.source for recipe in again] == [first[0].recipe.source] * 4
    assert engine.paints[1].inputs == engine.paints[0].inputs
    assert not {recipe.seed for recipe in again} & {recipe.seed for recipe in first}
    edges = harness.query("SELECT DISTINCT relation FROM lineage")
    assert [row["relation"] for row in edges] == ["reroll"]


async def test_a_reroll_of_one_picture_paints_one(harness: BotHarness, engine: FakeEngine) -> None:
    """Added again after it was removed, or after a restart, the reaction starts another job."""
    grid = await harness.imagine()
    single = await harness.result(await harness.ada.click(grid, "U2"))
    await harness.ada.react(single, "🔄")
    await wait_for_jobs(engine, 2)
    await harness.ada.unreact(single, "🔄")
    await harness.stop()
    await harness.start()
    await harness.ada.react(single, "🔄")
    await wait_for_jobs(engine, 3)
    assert [len(paint.recipes) for paint in engine.paints] == [4, 1, 1]


async def test_two_people_reroll_at_once(harness: BotHarness, engine: FakeEngine) -> None:
    """Each gets a job."""
    grid = await harness.imagine()
    people = [harness.discord.person(name) for name in ("Ben", "Cleo")]
    await asyncio.gather(*(person.react(grid, "🔄") for person in people))
    await wait_for_jobs(engine, 3)
    owners = harness.query("SELECT person FROM jobs WHERE kind = 'reroll'")
    assert {row["person"] for row in owners} == {person.id for person in people}


async def test_an_unfinished_job_is_not_rerolled(harness: BotHarness, engine: FakeEngine) -> None:
    """The short reply says why."""
    engine.gate.clear()
    interaction = await harness.ada.slash("imagine", prompt="a house")
    await harness.discord.until(
        lambda: interaction.response and interaction.response.buttons, why="a button"
    )
    assert interaction.response is not None
    await harness.ada.react(interaction.response, "🔄")
    reply = await reply_to(harness, interaction.response)
    assert reply.content == "This is not finished yet."
    engine.gate.set()
    await harness.result(interaction)
    assert len(engine.paints) == 1
