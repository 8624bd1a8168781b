"""The bot in channels and threads of all types."""

import pytest

from bot.playground import Channel, ChannelType
from tests.bot_harness import BotHarness, eventually
from tests.delivering import wait_until_delivered
from tests.fake_engine import FakeEngine

POSTS_ONLY = (ChannelType.FORUM, ChannelType.MEDIA)


def place(harness: BotHarness, kind: ChannelType) -> Channel:
    """A channel of this type, or a thread in one."""
    if kind is ChannelType.PRIVATE_THREAD:
        general = harness.discord.channel
        return harness.discord.add_thread(general, "secret", owner=harness.ada, private=True)
    if kind is ChannelType.ANNOUNCEMENT_THREAD:
        news = harness.discord.add_channel("news", kind=ChannelType.ANNOUNCEMENT)
        return harness.discord.add_thread(news, "thread")
    channel = harness.discord.add_channel("here", kind=kind)
    return harness.discord.add_thread(channel, "post") if kind in POSTS_ONLY else channel


@pytest.mark.parametrize(
    "kind",
    [
        ChannelType.VOICE,
        ChannelType.STAGE,
        ChannelType.ANNOUNCEMENT,
        ChannelType.ANNOUNCEMENT_THREAD,
        ChannelType.PRIVATE_THREAD,
        *POSTS_ONLY,
    ],
)
async def test_results_and_their_buttons(harness: BotHarness, kind: ChannelType) -> None:
    """They are those of a text channel; a private thread need not have the bot as a member."""
    where = place(harness, kind)
    grid = await harness.result(await harness.ada.slash("imagine", where=where, prompt="a house"))
    single = await harness.result(await harness.ada.click(grid, "U2"))
    assert "U1" in grid.buttons and len(single.attachments) == 1
    assert harness.discord.messages(where) == [grid, single]


@pytest.mark.parametrize("is_member", [False, True])
async def test_a_private_thread_after_the_token_expires(
    harness: BotHarness, engine: FakeEngine, is_member: bool
) -> None:
    """The result needs the membership; without it the job is cancelled and costs nothing."""
    thread = place(harness, ChannelType.PRIVATE_THREAD)
    if is_member:
        harness.discord.add_to_thread(thread)
    engine.gate.clear()
    interaction = await harness.ada.slash("imagine", where=thread, prompt="a house")
    await harness.discord.until(
        lambda: interaction.response and "Painting" in interaction.response.content,
        why="progress",
    )
    assert interaction.response is not None
    harness.discord.clock.advance(16 * 60)
    harness.clock_offset = 16 * 60
    engine.gate.set()
    if not is_member:
        engine.gate.clear()  # one more step, whose progress cannot be shown
    await wait_until_delivered(harness)
    if is_member:
        assert "U1" in interaction.response.buttons
    else:
        await eventually(lambda: harness.query("SELECT * FROM jobs WHERE status = 'cancelled'"))
        await harness.stop()
        assert harness.query("SELECT * FROM usage") == []
