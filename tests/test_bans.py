"""People who leave a server or are banned from it, and their jobs."""

import asyncio

from bot.playground import Fault
from tests.bot_harness import BotHarness, eventually
from tests.delivering import running_job
from tests.fake_engine import FakeEngine


async def test_a_ban_cancels_the_jobs_in_that_guild(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """Those of other users, in other guilds and in direct messages go on."""
    ada, ben = harness.ada, harness.discord.person("Ben")
    other = harness.discord.add_guild("Other")
    ada.join(other)
    job = await running_job(harness, engine)
    others = [
        await ada.slash("imagine", where=other.channel, prompt="a house"),
        await ada.slash("imagine", where=ada.dm, prompt="a house"),
        await ben.slash("imagine", prompt="a house"),
    ]
    for interaction in others:
        await interaction.acknowledged()
    harness.discord.ban(ada)
    message = await harness.result(job)
    assert "Cancelled" in message.content and not message.attachments
    engine.gate.set()
    for interaction in others:
        assert "U1" in (await harness.result(interaction)).buttons


async def test_the_job_of_a_member_who_leaves_goes_on(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """Its result is for everybody in the channel."""
    interaction = await running_job(harness, engine)
    harness.ada.leave(harness.discord.world.default_guild)
    engine.gate.set()
    assert "U1" in (await harness.result(interaction)).buttons


async def test_who_left_gets_no_dm(harness: BotHarness) -> None:
    """The channel gets the reason: Discord delivers no DM without a common server."""
    grid = await harness.imagine()
    arrived = asyncio.Event()
    harness.discord.faults.next("POST", "/users/@me/channels", Fault(until=arrived))
    await harness.ada.react(grid, "✉️")
    await eventually(lambda: harness.discord.faults.pending == 0)
    harness.ada.leave(harness.discord.world.default_guild)
    arrived.set()
    await harness.discord.until(
        lambda: "you share no server with me" in harness.discord.messages()[-1].content,
        why="the reason",
    )
    assert harness.discord.dms(harness.ada) == []
