"""Messages that cannot be reached: archived threads, deleted messages, missing permissions."""

import pytest

from bot.playground import Channel, Fault, Message, Permission
from tests.delivering import wait_until_delivered
from tests.fake_engine import FakeEngine
from tests.house import House, eventually


async def thread_job(house: House, engine: FakeEngine) -> tuple[Channel, Message]:
    """A thread, and the message of a job that is running in it."""
    thread = house.discord.add_thread(house.discord.channel, "sketches")
    engine.gate.clear()
    interaction = await house.ada.slash("imagine", where=thread, prompt="a house")
    await house.discord.until(
        lambda: interaction.response and "Painting" in interaction.response.content,
        why="progress",
    )
    assert interaction.response is not None
    return thread, interaction.response


@pytest.mark.parametrize("minutes", [0, 16], ids=["by token", "by channel"])
async def test_an_archived_thread_is_opened_for_the_result(
    house: House, engine: FakeEngine, minutes: int
) -> None:
    """The user sees it in the message that they know."""
    thread, message = await thread_job(house, engine)
    house.discord.clock.advance(minutes * 60)
    house.clock_offset = minutes * 60
    house.discord.archive(thread)
    engine.gate.set()
    await wait_until_delivered(house)
    assert "U1" in message.buttons and not thread.archived
    assert house.discord.messages(thread) == [message]


async def test_a_thread_that_may_not_be_opened_gets_a_new_message(
    house: House, engine: FakeEngine
) -> None:
    """A new message opens it too, and the old one is deleted."""
    thread, message = await thread_job(house, engine)
    house.discord.archive(thread)
    house.discord.faults.next("PATCH", f"/channels/{thread.id}", Fault(status=403, code=50013))
    house.discord.faults.next("PATCH", "/webhooks/", Fault(status=400, code=50083), times=9)
    engine.gate.set()
    await wait_until_delivered(house)
    [result] = house.discord.messages(thread)
    assert "U1" in result.buttons and message.deleted


async def test_a_locked_thread_ends_the_delivery(house: House, engine: FakeEngine) -> None:
    """Nobody but a moderator can open it."""
    thread, message = await thread_job(house, engine)
    house.discord.archive(thread, locked=True)
    engine.gate.set()
    await wait_until_delivered(house)
    assert house.discord.messages(thread) == [message] and thread.archived


async def test_a_picture_in_an_archived_thread_can_be_removed(house: House) -> None:
    """The thread is opened for it."""
    thread = house.discord.add_thread(house.discord.channel, "sketches")
    interaction = await house.ada.slash("imagine", where=thread, prompt="a house")
    grid = await house.result(interaction)
    house.discord.archive(thread)
    moderator = house.discord.person("Mo", moderator=True)
    await moderator.use("Remove picture", grid)
    await house.discord.until(lambda: grid.deleted, why="the removal")


@pytest.mark.parametrize("lost", ["message", "thread", "channel"])
async def test_a_job_whose_message_is_gone_is_cancelled(
    house: House, engine: FakeEngine, lost: str
) -> None:
    """And costs its user nothing."""
    thread, message = await thread_job(house, engine)
    if lost == "message":
        await house.discord.person("Mo", moderator=True).delete(message)
    elif lost == "thread":
        house.discord.delete_channel(thread)
    else:
        house.discord.delete_channel(house.discord.channel)
    engine.gate.set()
    engine.gate.clear()  # one more step, whose progress cannot be shown
    await eventually(lambda: house.query("SELECT * FROM jobs WHERE status = 'cancelled'"))
    await wait_until_delivered(house)
    await eventually(lambda: engine.cancels)
    await house.stop()
    assert house.query("SELECT * FROM usage") == []


@pytest.mark.parametrize(
    ("missing", "name", "in_thread"),
    [
        (Permission.SEND_MESSAGES, "Send Messages", False),
        (Permission.ATTACH_FILES, "Attach Files", False),
        (Permission.READ_MESSAGE_HISTORY, "Read Message History", False),
        (Permission.SEND_MESSAGES_IN_THREADS, "Send Messages in Threads", True),
    ],
)
async def test_a_reaction_where_the_bot_may_not_reply_is_answered_by_dm(
    house: House, engine: FakeEngine, missing: Permission, name: str, in_thread: bool
) -> None:
    """Nothing is painted that nobody could see."""
    channel = house.discord.channel
    where = house.discord.add_thread(channel, "sketches") if in_thread else channel
    grid = await house.result(await house.ada.slash("imagine", where=where, prompt="a house"))
    house.discord.set_bot_permissions(channel, channel.bot_permissions & ~missing)
    await eventually(lambda: house.discord.online)
    await house.ada.react(grid, "🔁")
    await house.discord.until(lambda: house.discord.dms(house.ada), why="a DM")
    [dm] = house.discord.dms(house.ada)
    assert f"I need the permission {name} in <#{where.id}>" in dm.content
    assert len(house.query("SELECT * FROM jobs")) == 1


@pytest.mark.parametrize("way", ["slash", "button"])
async def test_an_interaction_where_the_bot_may_not_post_is_refused(
    house: House, engine: FakeEngine, way: str
) -> None:
    """The refusal names what is missing."""
    grid = await house.imagine()
    channel = house.discord.channel
    missing = Permission.VIEW_CHANNEL | Permission.SEND_MESSAGES
    house.discord.set_bot_permissions(channel, channel.bot_permissions & ~missing)
    if way == "slash":
        interaction = await house.ada.slash("imagine", prompt="a house")
    else:
        interaction = await house.ada.click(grid, "V1")
    sentence = await house.refusal(interaction)
    assert "I need the permission View Channel and Send Messages in this channel" in sentence
    assert len(house.query("SELECT * FROM jobs")) == 1


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (50007, "your DMs are closed"),
        (20009, "your settings filter explicit images"),
        (50278, "you share no server with me"),
    ],
)
async def test_a_refused_dm_has_its_reason(house: House, code: int, reason: str) -> None:
    """In the channel, for a short time."""
    grid = await house.imagine()
    status = 400 if code == 20009 else 403
    dm = house.discord.world.dm_with(house.ada.user)
    house.discord.faults.next(
        "POST", f"/channels/{dm.id}/messages", Fault(status=status, code=code)
    )
    await house.ada.react(grid, "✉️")
    await house.discord.until(lambda: len(house.discord.messages()) > 1, why="a reply")
    assert reason in house.discord.messages()[-1].content
