"""A bot as people run it: `python -m bot`, with a real engine and a real model."""

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
    """Starts, stops and kills; the data folder stays."""

    def __init__(
        self, discord: Playground, data: Path, model: str, *, module: str = "bot", **more: str
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
            **more,
        }
        self.log: Path | None = None
        """Where its standard error goes, if not to ours."""
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Returns when the bot is on the local Discord."""
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
        """Ask it to stop; returns its exit code."""
        if self._process is None or self._process.returncode is not None:
            return None
        self._process.send_signal(signal.SIGTERM)
        return await self.ended()

    async def kill(self) -> None:
        """End it as a power cut does."""
        if self._process is not None:
            self._process.kill()
        await self.ended()

    async def ended(self) -> int | None:
        """Wait until it is gone; returns its exit code."""
        if self._process is None:
            return None
        async with asyncio.timeout(30):
            await self._process.communicate()
        await self.discord.until(lambda: not self.discord.online, why="the bot is gone")
        return self._process.returncode

    async def replay(self, picture: str) -> tuple[int | None, str]:
        """Exit code and words of `python -m bot replay`, beside the running bot."""
        process = await self._run("replay", picture)
        said, _ = await process.communicate()
        return process.returncode, said.decode()

    def engine(self) -> psutil.Process:
        """The engine that the bot started."""
        (engine,) = self.process().children()
        return engine

    def has_engine(self) -> bool:
        """Is there one that runs?"""
        return any(child.is_running() for child in self.process().children())

    def process(self) -> psutil.Process:
        """The bot itself."""
        if self._process is None:
            raise RuntimeError("The bot was not started.")
        return psutil.Process(self._process.pid)
