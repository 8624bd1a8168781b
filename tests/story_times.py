"""Measure response times and memory: `python -m tests.story_times`.

Starts the bot with the starter model on the local Discord, on two cores if the system has CPU
affinity, requests four pictures of 20 steps several times, and prints seconds and memory.
"""

import asyncio
import statistics
import sys
import tempfile
import time
from functools import partial
from io import BytesIO
from pathlib import Path

import psutil
from PIL import Image

from bot.playground import Interaction, Message, Person, Playground
from tests.bot_harness import is_finished
from tests.bot_process import BotProcess

RUNS = 7
CORES = [0, 1]


async def measure(data: Path) -> None:
    """Measure one warm-up request and RUNS further ones, one after another."""
    async with Playground(port=0, identify_interval=0) as discord:
        bot = BotProcess(discord, data, "starter")
        await bot.start()
        ada = discord.person("Ada")
        seconds, ack_seconds, enlarged, full_size, upscaled = [], [], [], [], []
        for run in range(RUNS + 1):
            start = time.monotonic()
            interaction = await ada.slash(
                "imagine", prompt="a red house at night", seed=run, steps=20
            )
            await interaction.acknowledged()
            acknowledged_at = time.monotonic()
            await discord.until(partial(_is_finished, interaction), timeout=120, why="a grid")
            seconds.append(time.monotonic() - start)
            await discord.until(
                partial(_is_enlarged, interaction), timeout=120, why="the enlarged pictures"
            )
            enlarged.append(time.monotonic() - start)
            full_size.append(await _seconds_of(discord, ada, interaction.response, "U1"))
            shown = discord.messages()[-1]
            upscaled.append(await _seconds_of(discord, ada, shown, "⬆ 4x"))
            ack_seconds.append(acknowledged_at - start)
        engine = bot.engine()
        bot_memory, engine_memory = (
            psutil.Process(pid).memory_info().rss / 2**20 for pid in (engine.ppid(), engine.pid)
        )
        await bot.stop()
    write(f"/imagine to response:  median {statistics.median(ack_seconds[1:]) * 1000:.0f} ms")
    write(
        f"/imagine to grid:      median {statistics.median(seconds[1:]):.2f} s "
        f"({min(seconds[1:]):.2f} to {max(seconds[1:]):.2f}); first {seconds[0]:.2f} s"
    )
    write(f"/imagine to its enlarged pictures: median {statistics.median(enlarged[1:]):.2f} s")
    for name, measured in (("U1", full_size), ("⬆ 4x", upscaled)):
        write(f"{name} to picture: median {statistics.median(measured[1:]):.2f} s")
    write(f"memory: bot {bot_memory:.0f} MiB, engine {engine_memory:.0f} MiB (resident)")


async def _seconds_of(
    discord: Playground, person: Person, message: Message | None, button: str
) -> float:
    """From the press of a button of the message to its picture."""
    assert message is not None
    start = time.monotonic()
    interaction = await person.click(message, button)
    await discord.until(
        lambda: interaction.response is not None and bool(interaction.response.attachments),
        timeout=120,
        why="a picture",
    )
    return time.monotonic() - start


def _is_enlarged(interaction: Interaction) -> bool:
    """Whether the grid of the starter's pictures of 128 pixels shows them at 512."""
    message = interaction.response
    if message is None or not message.attachments:
        return False
    with Image.open(BytesIO(message.attachments[0].data)) as image:
        return image.width == 2 * 512


def _is_finished(interaction: Interaction) -> bool:
    return interaction.response is not None and is_finished(interaction.response)


def write(line: str) -> None:
    """Write a line to standard output."""
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    if hasattr(psutil.Process(), "cpu_affinity"):
        psutil.Process().cpu_affinity(CORES)
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(Path(folder)))
