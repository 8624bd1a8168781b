"""The bot's real queue, scheduling and SQL, without Discord, for simulated time."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple, Protocol

from bot.db.artifacts import ArtifactStore
from bot.db.deliveries import DeliveryStore
from bot.db.guild_settings import GuildSettingsStore
from bot.db.jobs import JobStore
from bot.db.lineage import LineageStore
from bot.db.usage import UsageStore
from bot.domain.delivery import DeliveryKind
from bot.domain.job import JobTimings
from bot.domain.limits import Limits
from bot.engine_client.base import EngineClient
from bot.services.dispatcher import Dispatcher
from bot.services.input_files import InputFiles
from bot.services.job_runner import JobRunner
from bot.services.job_tasks import JobTasks
from bot.services.notifier import Notifier
from bot.services.outbox import Outbox
from bot.services.quota_service import QuotaService
from bot.services.scheduler import JobScheduler
from bot.storage import FileStorage
from tests.memory_database import MemoryConnection


class Receivers(Notifier, Protocol):
    """The simulated users, who are the bot's notifier."""

    def on_transition(self, timings: JobTimings) -> None:
        """A job has ended or was delivered."""


class SimulatedBot(NamedTuple):
    """The parts of a bot; `dispatcher.run` and `tasks.watch` must be running."""

    jobs: JobStore
    usage: UsageStore
    quota: QuotaService
    dispatcher: Dispatcher
    tasks: JobTasks


@asynccontextmanager
async def simulated_bot(
    users: Receivers, engine: EngineClient, limits: Limits
) -> AsyncIterator[SimulatedBot]:
    """A bot with an empty database in memory. Its clock is the event loop's."""
    clock = asyncio.get_running_loop().time
    async with MemoryConnection() as connection:
        jobs, usage = JobStore(connection, users.on_transition), UsageStore(connection)
        outbox = Outbox(jobs, DeliveryStore(connection), {DeliveryKind.RESULT: users}, clock)
        scheduler = JobScheduler(jobs, usage, engine, limits)
        quota = QuotaService(
            jobs, usage, GuildSettingsStore(connection), scheduler, limits=limits, clock=clock
        )
        storage = FileStorage(Path(os.devnull))  # there are no files
        files = InputFiles(jobs, LineageStore(connection), storage)
        runner = JobRunner(
            jobs,
            ArtifactStore(connection),
            usage,
            engine,
            storage,
            files,
            users,
            limits=limits,
            clock=clock,
        )
        async with JobTasks(outbox) as tasks:
            dispatcher = Dispatcher(jobs, engine, scheduler, runner, tasks, outbox, users, clock)
            yield SimulatedBot(jobs, usage, quota, dispatcher, tasks)
