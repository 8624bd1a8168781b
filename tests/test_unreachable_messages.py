"""Messages that cannot be reached: archived threads, deleted messages, missing permissions."""

import pytest

from bot.messages.captions import UPLOAD_REJECTED
from bot.playground import Channel, Fault, Message, Permission
from bot.playground.model.permissions import NOTHING
from bot.playground.rest.threads import update_thread
from tests.bot_harness import BotHarness, eventually
from tests.delivering import running_job, wait_until_delivered
from tests.fake_engine import FakeEngine


async def thread_job(harness: BotHarness, engine: FakeEngine) -> tuple[Channel, Message]:
    """A thread, and the message of a running job in it."""
    thread = harness.discord.add_thread(harness.discord.channel, "sketches")
    engine.gate.clear()
    interaction = await harness.ada.slash("imagine", where=thread, prompt="a house")
    await harness.discord.until(
        lambda: interaction.response and "Painting" in interaction.response.content,
        why="progress",
    )
    assert interaction.response is not None
    return thread, interaction.response


@pytest.mark.parametrize("minutes", [0, 16], ids=["by token", "by channel"])
async def test_an_archived_thread_is_opened_for_the_result(
    harness: BotHarness, engine: FakeEngine, minutes: int
) -> None:
    """The result is shown in the existing message."""
    thread, message = await thread_job(harness, engine)
    harness.discord.clock.advance(minutes * 60)
    harness.clock_offset = minutes * 60
    harness.discord.archive(thread)
    engine.gate.set()
    await wait_until_delivered(harness)
    assert "U1" in message.buttons and not thread.archived
    assert harness.discord.messages(thread) == [message]


async def test_a_thread_that_may_not_be_opened_gets_a_new_message(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """Sending a new message opens the thread; the old message is deleted."""
    thread, message = await thread_job(harness, engine)
    harness.discord.archive(thread)
    harness.discord.faults.next("PATCH", f"/channels/{thread.id}", Fault(status=403, code=50013))
    harness.discord.faults.next("PATCH", "/webhooks/", Fault(status=400, code=50083), times=9)
    engine.gate.set()
    await wait_until_delivered(harness)
    [result] = harness.discord.messages(thread)
    assert "U1" in result.buttons and message.deleted


async def test_a_locked_thread_ends_the_delivery(harness: BotHarness, engine: FakeEngine) -> None:
    """Only a moderator can open it."""
    thread, message = await thread_job(harness, engine)
    harness.discord.archive(thread, locked=True)
    engine.gate.set()
    await wait_until_delivered(harness)
    assert harness.discord.messages(thread) == [message] and thread.archived


async def test_a_picture_in_an_archived_thread_can_be_removed(harness: BotHarness) -> None:
    """The thread is opened for it."""
    thread = harness.discord.add_thread(harness.discord.channel, "sketches")
    interaction = await harness.ada.slash("imagine", where=thread, prompt="a house")
    grid = await harness.result(interaction)
    harness.discord.archive(thread)
    moderator = harness.discord.person("Mo", moderator=True)
    await moderator.use("Remove picture", grid)
    await harness.discord.until(lambda: grid.deleted, why="the removal")


@pytest.mark.parametrize("lost", ["message", "thread", "channel", "guild"])
async def test_a_job_whose_message_is_gone_is_cancelled(
    harness: BotHarness, engine: FakeEngine, lost: str
) -> None:
    """Its user is not charged."""
    thread, message = await thread_job(harness, engine)
    if lost == "message":
        await harness.discord.person("Mo", moderator=True).delete(message)
    elif lost == "thread":
        harness.discord.delete_channel(thread)
    elif lost == "channel":
        harness.discord.delete_channel(harness.discord.channel)
    else:
        harness.discord.remove_bot(harness.discord.world.default_guild)
    engine.gate.set()
    engine.gate.clear()  # one more step, whose progress cannot be shown
    await eventually(lambda: harness.query("SELECT * FROM jobs WHERE status = 'cancelled'"))
    await wait_until_delivered(harness)
    await eventually(lambda: engine.cancels)
    await harness.stop()
    assert harness.query("SELECT * FROM usage") == []


async def test_a_job_survives_an_outage_of_its_guild(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """Its message can be edited all the time, and its buttons work afterwards."""
    guild = harness.discord.world.default_guild
    _, message = await thread_job(harness, engine)
    harness.discord.set_available(guild, available=False)
    engine.gate.set()
    await wait_until_delivered(harness)
    harness.discord.set_available(guild, available=True)
    await harness.result(await harness.ada.click(message, "V1"))


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
    harness: BotHarness, engine: FakeEngine, missing: Permission, name: str, in_thread: bool
) -> None:
    """No job is started, because its result could not be shown."""
    channel = harness.discord.channel
    where = harness.discord.add_thread(channel, "sketches") if in_thread else channel
    grid = await harness.result(await harness.ada.slash("imagine", where=where, prompt="a house"))
    harness.discord.set_bot_permissions(channel, channel.bot_permissions & ~missing)
    await eventually(lambda: harness.discord.online)
    await harness.ada.react(grid, "🔁")
    await harness.discord.until(lambda: harness.discord.dms(harness.ada), why="a DM")
    [dm] = harness.discord.dms(harness.ada)
    assert f"I need the permission {name} in <#{where.id}>" in dm.content
    assert len(harness.query("SELECT * FROM jobs")) == 1


async def test_a_bot_without_any_permission_paints_nothing(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """The event then looks like one that does not contain its permissions."""
    harness.discord.set_bot_permissions(harness.discord.channel, NOTHING)
    interaction = await harness.ada.slash("imagine", prompt="a house")
    assert "I need the permission View Channel" in await harness.refusal(interaction)
    assert engine.paints == []


async def test_a_reaction_in_a_locked_thread_is_answered_by_dm(harness: BotHarness) -> None:
    """The bot may not post there, though the thread is open."""
    thread = harness.discord.add_thread(harness.discord.channel, "sketches")
    grid = await harness.result(await harness.ada.slash("imagine", where=thread, prompt="a house"))
    update_thread(harness.discord.world, thread, locked=True)
    await harness.ada.react(grid, "🔁")
    await harness.discord.until(lambda: harness.discord.dms(harness.ada), why="a DM")
    [dm] = harness.discord.dms(harness.ada)
    assert f"I need the permission Manage Threads in <#{thread.id}>" in dm.content
    assert len(harness.query("SELECT * FROM jobs")) == 1


@pytest.mark.parametrize("in_thread", [False, True], ids=["channel", "thread"])
@pytest.mark.parametrize("way", ["slash", "V1", "🔄"])
async def test_an_interaction_where_the_bot_may_not_post_is_refused(
    harness: BotHarness, engine: FakeEngine, way: str, in_thread: bool
) -> None:
    """The refusal names the missing permission."""
    channel = harness.discord.channel
    where = harness.discord.add_thread(channel, "sketches") if in_thread else channel
    grid = await harness.result(await harness.ada.slash("imagine", where=where, prompt="a house"))
    missing = Permission.SEND_MESSAGES_IN_THREADS if in_thread else Permission.SEND_MESSAGES
    missing |= Permission.VIEW_CHANNEL
    harness.discord.set_bot_permissions(channel, channel.bot_permissions & ~missing)
    if way == "slash":
        interaction = await harness.ada.slash("imagine", where=where, prompt="a house")
    else:
        interaction = await harness.ada.click(grid, way)
    name = f"Send Messages{' in Threads' if in_thread else ''}"
    sentence = await harness.refusal(interaction)
    assert f"I need the permission View Channel and {name} in this channel" in sentence
    assert len(harness.query("SELECT * FROM jobs")) == 1


@pytest.mark.parametrize("way", ["slash", "button", "reaction"])
async def test_a_bot_that_is_timed_out_refuses_jobs(
    harness: BotHarness, engine: FakeEngine, way: str
) -> None:
    """The refusal says so and until when; afterwards everything works again."""
    grid = await harness.imagine()
    harness.discord.time_out(None, 3600)
    if way == "reaction":
        await harness.ada.react(grid, "🔁")
        await harness.discord.until(lambda: harness.discord.dms(harness.ada), why="a DM")
        sentence = harness.discord.dms(harness.ada)[0].content
        assert f"<#{harness.discord.channel.id}>" in sentence
    elif way == "button":
        sentence = await harness.refusal(await harness.ada.click(grid, "V1"))
    else:
        sentence = await harness.refusal(await harness.ada.slash("imagine", prompt="a house"))
    assert "has timed me out until <t:" in sentence
    assert len(harness.query("SELECT * FROM jobs")) == 1
    harness.discord.time_out(None, 0)
    await harness.result(await harness.ada.click(grid, "V1"))


async def test_a_result_during_a_timeout_after_the_token_expires(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """The bot may edit its message, but attach nothing: the pictures come by the buttons."""
    interaction = await running_job(harness, engine)
    harness.discord.time_out(None, 3600)
    harness.discord.clock.advance(16 * 60)
    harness.clock_offset = 16 * 60
    engine.gate.set()
    message = await harness.result(interaction)
    assert UPLOAD_REJECTED in message.content and message.attachments == []
    single = await harness.result(await harness.ada.click(message, "U1"))
    assert len(single.attachments) == 1
