"""Sketches whose addresses have expired while the bot was not running."""

import asyncio

import pytest

from bot.playground import Fault, Interaction
from bot.playground.model.cdn import URL_SECONDS
from tests.bot_harness import BotHarness
from tests.delivering import SKETCH
from tests.fake_engine import FakeEngine


async def interrupted_job(harness: BotHarness) -> Interaction:
    """A job whose sketch was not downloaded before the bot stopped for a day."""
    end = asyncio.Event()
    harness.discord.faults.next("GET", "/ephemeral-attachments/", Fault(until=end))
    interaction = await harness.ada.slash("imagine", prompt="a house", sketch=SKETCH)
    await harness.discord.until(lambda: not harness.discord.faults.pending, why="a download")
    await harness.discord.until(lambda: interaction.response, why="a response")
    await harness.stop()
    end.set()
    harness.discord.clock.advance(URL_SECONDS + 60)
    return interaction


async def test_an_expired_sketch_gets_a_new_address(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """Discord gives it, and the job goes on."""
    interaction = await interrupted_job(harness)
    await harness.start()
    assert "U1" in (await harness.result(interaction)).buttons
    assert engine.paints[0].inputs


@pytest.mark.parametrize("status", [200, 404])
async def test_without_a_new_address_the_user_learns_why(
    harness: BotHarness, engine: FakeEngine, status: int
) -> None:
    """Whether Discord refuses, or its answer is no JSON of the expected form."""
    interaction = await interrupted_job(harness)
    harness.discord.faults.next("POST", "/attachments/refresh-urls", Fault(status=status))
    await harness.start()
    message = await harness.result(interaction)
    assert "its address may have expired" in message.content
    assert engine.paints == []
