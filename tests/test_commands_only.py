"""The bot in a server that has its commands, but of which its bot user is no member."""

import discord
import pytest

from bot.domain.limits import MAX_TOKEN_WAIT, out_of_time
from bot.messages.channels import is_token_only
from bot.messages.job_messages import LAST_WORD_SECONDS
from bot.messages.message_client import TOKEN_SECONDS
from bot.playground import Channel, Interaction, Permission
from tests.bot_harness import BotHarness, eventually
from tests.fake_engine import FakeEngine

OUT_OF_TIME = out_of_time(is_private=False, guild_id=1)


@pytest.fixture
def channel(harness: BotHarness) -> Channel:
    """A channel of such a server, where Ada is."""
    guild = harness.discord.add_foreign_guild("Elsewhere", has_commands=True)
    harness.ada.join(guild)
    return guild.channel


async def painting(harness: BotHarness, engine: FakeEngine, channel: Channel) -> Interaction:
    """A job that shows its progress until the engine's gate opens."""
    engine.gate.clear()
    interaction = await harness.ada.slash("imagine", where=channel, prompt="a house")
    await harness.discord.until(
        lambda: interaction.response and "Painting" in interaction.response.content, why="progress"
    )
    return interaction


async def test_everything_goes_by_the_tokens(
    harness: BotHarness, engine: FakeEngine, channel: Channel
) -> None:
    """Results, their buttons and a restart, whatever members may do in the channel."""
    everyone = channel.guild.everyone if channel.guild else None
    assert everyone is not None
    harness.discord.set_overwrite(channel, everyone, deny=Permission.ATTACH_FILES)
    grid = await harness.result(await harness.ada.slash("imagine", where=channel, prompt="a house"))
    single = await harness.result(await harness.ada.click(grid, "U2"))
    varied = await harness.result(await harness.ada.click(grid, "V1"))
    assert len(single.attachments) == 1 and "U1" in varied.buttons
    interaction = await painting(harness, engine, channel)
    await harness.stop()
    await harness.start()
    engine.gate.set()
    last = await harness.result(interaction)
    assert harness.discord.messages(channel) == [grid, single, varied, last]
    path = f"/channels/{channel.id}"
    assert not [request for request in harness.discord.requests if path in request.path]


async def test_a_job_that_outlasts_the_token(
    harness: BotHarness, engine: FakeEngine, channel: Channel
) -> None:
    """Its message says so while it can, without any progress; the job fails and costs nothing."""
    interaction = await painting(harness, engine, channel)
    harness.clock_offset = TOKEN_SECONDS - LAST_WORD_SECONDS + 1
    await harness.discord.until(
        lambda: interaction.response and OUT_OF_TIME in interaction.response.content,
        why="the last word",
    )
    assert interaction.response is not None
    assert interaction.response.buttons == [] and interaction.response.attachments == []
    await harness.stop()
    assert len(harness.query("SELECT * FROM jobs WHERE status = 'failed'")) == 1
    assert harness.query("SELECT * FROM usage") == []


async def test_a_job_that_outlasts_the_token_shows_what_it_has(
    harness: BotHarness, engine: FakeEngine, channel: Channel
) -> None:
    """The finished pictures are shown while they can be; they cost nothing."""
    engine.holds_after = 2
    engine.picture_gate.clear()
    interaction = await harness.ada.slash("imagine", where=channel, prompt="a house")
    await eventually(lambda: len(harness.query("SELECT * FROM pictures")) == 2)
    harness.clock_offset = TOKEN_SECONDS - LAST_WORD_SECONDS + 1
    message = await harness.result(interaction)
    assert len(message.attachments) == 1 and "U1" in message.buttons
    assert OUT_OF_TIME in message.content
    await harness.stop()
    rows = harness.query("SELECT failed FROM pictures ORDER BY nth")
    assert [row["failed"] for row in rows] == [None, None, OUT_OF_TIME, OUT_OF_TIME]
    assert harness.query("SELECT * FROM usage") == []


async def test_a_job_whose_token_expired_while_the_bot_was_down(
    harness: BotHarness,
    engine: FakeEngine,
    channel: Channel,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It ends without pictures, costs nothing, and the log says why its message stays as it was."""
    caplog.set_level("INFO")
    interaction = await painting(harness, engine, channel)
    await harness.stop()
    harness.clock_offset = 15 * 60.0
    harness.discord.clock.advance(15 * 60.0)
    await harness.start()
    await eventually(lambda: harness.query("SELECT * FROM jobs WHERE delivered_at IS NOT NULL"))
    await harness.stop()
    assert len(harness.query("SELECT * FROM jobs WHERE status IN ('cancelled', 'failed')")) == 1
    assert harness.query("SELECT * FROM usage") == []
    assert interaction.response and "Painting" in interaction.response.content
    assert "message gone" in caplog.text or "the result cannot be shown" in caplog.text


async def test_an_old_job_in_a_server_of_the_bot(harness: BotHarness, engine: FakeEngine) -> None:
    """It continues after a restart: its message can be edited without the token."""
    engine.gate.clear()
    interaction = await harness.ada.slash("imagine", prompt="a house")
    await eventually(lambda: harness.query("SELECT * FROM jobs WHERE status = 'running'"))
    await harness.stop()
    harness.clock_offset = 15 * 60.0
    harness.discord.clock.advance(15 * 60.0)
    await harness.start()
    engine.gate.set()
    assert "U1" in (await harness.result(interaction)).buttons


async def test_a_queue_that_is_longer_than_the_token_lives(
    harness: BotHarness, engine: FakeEngine, channel: Channel
) -> None:
    """A job is refused there, and accepted where the bot can post after that."""
    await harness.imagine()
    await eventually(lambda: harness.query("SELECT * FROM usage WHERE work > 0"))
    change = "UPDATE usage SET seconds = ?"
    await harness.execute(change, 2 * MAX_TOKEN_WAIT)
    engine.gate.clear()
    await harness.ada.slash("imagine", prompt="a house")
    await eventually(lambda: len(harness.query("SELECT * FROM jobs")) == 2)
    refused = await harness.ada.slash("imagine", where=channel, prompt="a house")
    assert "I am not a member of this server" in await harness.refusal(refused)
    accepted = await harness.ada.slash("imagine", prompt="a house")
    engine.gate.set()
    await harness.result(accepted)


def test_before_the_gateway_is_ready_no_server_is_unknown() -> None:
    """Old jobs in servers of the bot must not end because a restart has only begun."""
    client = discord.Client(intents=discord.Intents.none())
    assert not is_token_only(client, 1)
