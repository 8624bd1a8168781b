"""A bot as a process, `python -m bot`, with a real engine and a real model."""

import asyncio
import os
import signal
import sys
from contextlib import nullcontext
from pathlib import Path

import psutil

from bot.playground import Playground

ROOT = Path(__file__).parents[1]
START_SECONDS = 90.0


class BotProcess:
    """Starts, stops and kills the process; the data folder is kept."""

    def __init__(
        self, discord: Playground, data: Path, model: str, *, module: str = "bot", **variables: str
    ) -> None:
        self.discord = discord
        self.data = data
        self._module = module
        self._environment = {
            **os.environ,
            "DISCORD_TOKEN": discord.token,
            "DISCORD_API": discord.api,
            "IMAGINE_DATA": str(data),
            "IMAGINE_MODEL": model,
            **variables,
        }
        self.log: Path | None = None
        """File for its standard error; if None, it inherits that of this process."""
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Return when the bot is connected to the local Discord."""
        self._process = await self._run()
        await self.discord.ready(timeout=START_SECONDS)

    async def _run(self, *arguments: str) -> asyncio.subprocess.Process:
        with open(self.log, "ab") if self.log else nullcontext() as log:  # noqa: ASYNC230, PTH123
            return await asyncio.create_subprocess_exec(
                *(sys.executable, "-W", "ignore", "-m", self._module, *arguments),
                cwd=ROOT,
                env=self._environment,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )

    async def stop(self) -> int | None:
        """Send SIGTERM; return the exit code, or None if it was not running."""
        if self._process is None or self._process.returncode is not None:
            return None
        self._process.send_signal(signal.SIGTERM)
        return await self.wait_until_ended()

    async def kill(self) -> None:
        """Send SIGKILL."""
        if self._process is not None:
            self._process.kill()
        await self.wait_until_ended()

    async def wait_until_ended(self) -> int | None:
        """Wait until it has exited; return its exit code."""
        if self._process is None:
            return None
        async with asyncio.timeout(30):
            await self._process.communicate()
        await self.discord.until(lambda: not self.discord.online, why="the bot is gone")
        return self._process.returncode

    async def replay(self, picture: str) -> tuple[int | None, str]:
        """Run `python -m bot replay` beside the bot; return its exit code and output."""
        process = await self._run("replay", picture)
        output, _ = await process.communicate()
        return process.returncode, output.decode()

    def engine(self) -> psutil.Process:
        """The process of the engine."""
        (engine,) = self.process().children()
        return engine

    def has_engine(self) -> bool:
        """Whether an engine is running."""
        return any(child.is_running() for child in self.process().children())

    def process(self) -> psutil.Process:
        """The process of the bot."""
        if self._process is None:
            raise RuntimeError("The bot was not started.")
        return psutil.Process(self._process.pid)
