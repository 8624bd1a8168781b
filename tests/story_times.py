"""How long a person waits, and what it costs: `python -m tests.story_times`.

Starts the real bot with the starter model on the local Discord, on two cores where the system
lets us choose, asks for four pictures of 20 steps a few times, and prints seconds and memory.
"""

import asyncio
import statistics
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import psutil

from bot.playground import Interaction, Playground
from tests.bot_process import BotProcess
from tests.house import is_finished

RUNS = 7
CORES = [0, 1]


async def measure(data: Path) -> None:
    """One warm-up, then RUNS requests, one after another."""
    async with Playground(port=0) as discord:
        bot = BotProcess(discord, data, "starter")
        await bot.start()
        ada = discord.person("Ada")
        seconds, answers = [], []
        for run in range(RUNS + 1):
            began = time.monotonic()
            asked = await ada.slash("imagine", prompt="a red house at night", seed=run, steps=20)
            await asked.acknowledged()
            answered = time.monotonic()
            await discord.until(partial(_painted, asked), timeout=120, why="a grid")
            seconds.append(time.monotonic() - began)
            answers.append(answered - began)
        engine = bot.engine()
        bot_memory, engine_memory = (
            psutil.Process(pid).memory_info().rss / 2**20 for pid in (engine.ppid(), engine.pid)
        )
        await bot.stop()
    say(f"from /imagine to the answer:  median {statistics.median(answers[1:]) * 1000:.0f} ms")
    say(
        f"from /imagine to the grid:    median {statistics.median(seconds[1:]):.2f} s "
        f"({min(seconds[1:]):.2f} to {max(seconds[1:]):.2f}); the first {seconds[0]:.2f} s"
    )
    say(f"memory: bot {bot_memory:.0f} MiB, engine {engine_memory:.0f} MiB (resident)")


def _painted(asked: Interaction) -> bool:
    return asked.response is not None and is_finished(asked.response)


def say(line: str) -> None:
    """A line of the answer."""
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    if hasattr(psutil.Process(), "cpu_affinity"):
        psutil.Process().cpu_affinity(CORES)
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(Path(folder)))
