"""A bot in this process, connected to the local Discord and to a chosen engine."""

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from pydantic import SecretStr

from bot.app import run
from bot.db.database import FILENAME
from bot.engine_client.supervisor import Launch
from bot.gateway.identify_limit import IDENTIFY_SECONDS
from bot.playground import Interaction, Message, Person, Playground
from bot.playground.client.options import Value
from bot.playground.model.state import Event
from bot.settings import Settings
from tests.fake_engine import FakeEngine
from tests.new_database import create_database

RETENTION_SECONDS = 0.5
"""Between two deletions of what has expired, which is shorter than in the bot itself."""
ALL_BUTTONS = ["U1", "U2", "U3", "U4", "🔄", "V1", "V2", "V3", "V4", "✏️"]
"""The buttons of a job of four pictures."""


def settings_for(discord: Playground, data: Path) -> Settings:
    """Settings for a bot on this Discord, independent of the environment."""
    return Settings(
        _env_file=None,  # type: ignore[call-arg]
        discord_token=SecretStr(discord.token),
        discord_api=discord.api,
        imagine_data=data,
    )


class BotHarness:
    """Runs the bot as a context manager; `stop` and `start` restart it with the same database."""

    def __init__(
        self, discord: Playground, engine: FakeEngine, data: Path, launch: Launch | None = None
    ) -> None:
        self.discord = discord
        self.engine = engine
        self.data = data
        self.ada = discord.person("Ada")
        self.events: list[Event] = []
        """All gateway events."""
        discord.world.event_listeners.append(self.events.append)
        self.metrics_port: int | None = None
        self.retention_days: int | None = None
        self.identify_interval = IDENTIFY_SECONDS
        """Seconds between two gateway sessions that start in one bucket."""
        self.presence_seconds = 20.0
        """Seconds between two changes of the bot's presence."""
        self.grace = 0.1
        """Seconds that running jobs may take to finish when the bot stops."""
        self.clock_offset = 0.0
        """Seconds that the bot's clock is ahead."""
        self._launch = launch or engine.launch
        self._stop = asyncio.Event()
        self._bot: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Return when the bot is connected."""
        self._stop = asyncio.Event()
        if not (self.data / FILENAME).exists():
            create_database(self.data)
        settings = settings_for(self.discord, self.data)
        settings.imagine_metrics_port = self.metrics_port
        settings.imagine_retention_days = self.retention_days
        with connected_event() as is_connected:
            self._bot = asyncio.create_task(
                run(
                    settings,
                    self._stop,
                    launch=self._launch,
                    grace=self.grace,
                    clock=self.now,
                    retention_seconds=RETENTION_SECONDS,
                    identify_interval=self.identify_interval,
                    presence_seconds=self.presence_seconds,
                )
            )
            ready = asyncio.create_task(self._until_ready(is_connected))
            await asyncio.wait({self._bot, ready}, return_when=asyncio.FIRST_COMPLETED)
        if self._bot.done():
            ready.cancel()
            self._bot.result()
        await ready

    async def _until_ready(self, is_connected: asyncio.Event) -> None:
        await self.discord.ready()
        async with asyncio.timeout(60):
            await is_connected.wait()  # discord.py must not be closed earlier

    def now(self) -> float:
        """The time of the bot's clock, in seconds since 1970."""
        return time.time() + self.clock_offset

    async def stop(self) -> None:
        """Stop the bot and wait until it has disconnected."""
        self._stop.set()
        if self._bot is not None:
            await self._bot
        await self.discord.until(lambda: not self.discord.online, why="the bot is gone")

    async def wait_until_ended(self) -> None:
        """Wait until the bot ends by itself; raise the error that ended it."""
        if self._bot is not None:
            async with asyncio.timeout(20):
                await self._bot

    async def result(self, interaction: Interaction, timeout: float = 30.0) -> Message:  # noqa: ASYNC109
        """The original response, once the job has ended."""
        await interaction.acknowledged()
        return await final_response(self.discord, interaction, timeout)

    async def imagine(self, person: Person | None = None, **options: Value) -> Message:
        """The result of a job, by default a red house for Ada."""
        values: dict[str, Value] = {"prompt": "a red house", "seed": 7, **options}
        interaction = await (person or self.ada).invoke("imagine", values)
        return await self.result(interaction)

    async def refusal(self, interaction: Interaction) -> str:
        """The text of the only response, which is ephemeral."""
        await interaction.acknowledged()
        await self.discord.until(lambda: interaction.ephemerals, why="an ephemeral response")
        (message,) = interaction.ephemerals
        return message.content

    def query(self, sql: str) -> list[sqlite3.Row]:
        """Rows of the database, read while the bot may run."""
        return query(self.data, sql)

    async def execute(self, sql: str, *values: object) -> None:
        """Change the database; not in the event loop's thread, where the bot may hold a lock."""
        await asyncio.to_thread(self._execute, sql, values)

    def _execute(self, sql: str, values: tuple[object, ...]) -> None:
        connection = sqlite3.connect(self.data / FILENAME)
        with connection:
            connection.execute(sql, values)
        connection.close()


@contextmanager
def connected_event() -> Iterator[asyncio.Event]:
    """Set when the bot logs that discord.py is ready, which nothing shows outside of the bot."""
    logger, event = logging.getLogger("bot.client"), asyncio.Event()
    level, effective_level = logger.level, logger.getEffectiveLevel()

    def on_record(record: logging.LogRecord) -> bool:
        if record.msg.startswith("Connected to Discord"):
            event.set()
        return record.levelno >= effective_level

    logger.addFilter(on_record)
    logger.setLevel(logging.INFO)
    try:
        yield event
    finally:
        logger.removeFilter(on_record)
        logger.setLevel(level)


async def eventually(condition: Callable[[], object]) -> None:
    """Wait for a condition by polling, for longer than it should take on a busy machine."""
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 # there is no event for it
            await asyncio.sleep(0.01)


def query(data: Path, sql: str, *values: object) -> list[sqlite3.Row]:
    """Rows of the database in this data folder."""
    connection = sqlite3.connect(data / FILENAME)
    connection.row_factory = sqlite3.Row
    try:
        return connection.execute(sql, values).fetchall()
    finally:
        connection.close()


async def final_response(
    discord: Playground,
    interaction: Interaction,
    timeout: float = 60.0,  # noqa: ASYNC109
) -> Message:
    """The original response, once the job has ended."""
    await discord.until(
        lambda: interaction.response and is_finished(interaction.response),
        timeout=timeout,
        why="an ending",
    )
    assert interaction.response is not None
    return interaction.response


def is_finished(message: Message) -> bool:
    """Whether the message of a job shows its ending."""
    can_cancel = any(label.endswith("✖ Cancel") for label in message.buttons)  # in any language
    is_waiting = message.loading or can_cancel
    return not is_waiting and not message.deleted
