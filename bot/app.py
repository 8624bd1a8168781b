"""Starts the parts of the bot, runs them until it stops, and closes them."""

import asyncio
import logging
import sys
import time
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    nullcontext,
    suppress,
)
from typing import Final

import yarl

from bot.aio import StartupCancelled, cancel_on, run_until
from bot.attachments.downloader import AttachmentDownloader
from bot.client import Client
from bot.db import migrations
from bot.db.database import FILENAME, Database
from bot.domain.clock import Clock
from bot.engine_client.base import EngineClient
from bot.engine_client.socket_client import SocketEngineClient
from bot.engine_client.supervisor import Launch
from bot.errors import ExitCode, FatalError
from bot.features import imagine, model_option
from bot.gateway.identify_limit import IDENTIFY_SECONDS
from bot.messages.presence import PRESENCE_SECONDS, PresenceUpdater
from bot.monitoring.http_metrics import trace_config
from bot.monitoring.http_server import MetricsServer
from bot.monitoring.metrics import Metrics
from bot.monitoring.status import StatusReporter, version
from bot.playground import Playground, PlaygroundError
from bot.services.dispatcher import Dispatcher
from bot.services.retention import PASS_SECONDS
from bot.settings import DISCORD, Settings
from bot.startup.discord_connection import check_token, configure_api, login, serve
from bot.startup.engine import EngineChoice, choose
from bot.startup.parts import Parts, build
from engine.log.redaction import register_secret

GRACE_SECONDS: Final = 7.0
"""For running jobs when the bot is asked to stop; Docker kills it after 10 seconds."""
log = logging.getLogger(__name__)


async def run(
    settings: Settings,
    stop: asyncio.Event,
    *,
    launch: Launch | None = None,
    grace: float = GRACE_SECONDS,
    clock: Clock = time.time,
    retention_seconds: float = PASS_SECONDS,
    identify_interval: float = IDENTIFY_SECONDS,
    presence_seconds: float = PRESENCE_SECONDS,
) -> None:
    """Run the bot until `stop` is set, and up to `grace` seconds longer while jobs are running.

    `clock` returns the seconds since 1970; the intervals are in seconds, see their defaults.
    Raises FatalError, or the error of the part that failed.
    """
    data = settings.imagine_data
    environment = settings.engine_environment()
    choice = EngineChoice(launch=launch) if launch else choose(settings, environment)
    with migrations.data_folder_lock(data), suppress(StartupCancelled):
        migrations.migrate(data / FILENAME)
        async with AsyncExitStack() as stack:
            enter = stack.enter_async_context
            api, token = settings.discord_api, _token(settings)
            playground = None
            if token is None:
                playground = await enter(_playground(settings.imagine_playground_port))
                api, token = playground.api, playground.token
            register_secret(token)
            check_token(token)
            proxy = settings.proxy_for(api)
            await cancel_on(stop, configure_api(api, token, proxy))
            metrics = Metrics(version())
            db = await enter(Database(data / FILENAME, metrics.observe_job))
            engine = SocketEngineClient()
            client = Client(trace_config(metrics, api), proxy, identify_interval=identify_interval)
            status_reporter = StatusReporter(metrics, db.stats, engine, client, clock=clock)
            await enter(_metrics_server(settings, status_reporter))
            starting = enter(choice.supervisor(engine))
            supervisor = await cancel_on(stop, starting)  # the model may have to be downloaded
            downloader = await enter(
                AttachmentDownloader(local_hosts=_local_hosts(api), proxy=proxy)
            )
            await enter(client)  # the tasks of jobs need it until they end
            parts = build(settings, client, db, engine, downloader, status_reporter, clock)
            for part in (parts.notifier, parts.tasks, parts.temporary_replies):
                await enter(part)
            await parts.services.preferences.load()
            imagine.offer_samplers(model_option.all_samplers(engine.models))
            await cancel_on(stop, login(client, token))
            await parts.dispatcher.resume()
            await parts.services.job_service.resume()
            _welcome(playground)
            await run_until(
                _shutdown(stop, parts.dispatcher, client, grace),
                supervisor.run(),
                serve(client, parts.services),
                *_background_work(parts, retention_seconds),
                PresenceUpdater(client, engine, status_reporter).run(presence_seconds),
            )


def _background_work(
    parts: Parts, retention_seconds: float
) -> tuple[Coroutine[None, None, None], ...]:
    """What runs beside the connection to Discord until the bot stops."""
    return (
        parts.dispatcher.run(),
        parts.services.job_service.cancel_gone(parts.notifier.gone),
        parts.services.job_service.fail_out_of_time(),
        parts.tasks.watch(),
        parts.notifier.end_overdue(),
        parts.services.retention.run(retention_seconds),
        parts.services.outbox.run(parts.tasks.start),
    )


def start_engine(
    settings: Settings, environment: Mapping[str, str]
) -> AbstractAsyncContextManager[EngineClient]:
    """The engine of the settings, supervised, with this environment if it is started here."""
    return choose(settings, environment).supervised()


async def _shutdown(
    stop: asyncio.Event, dispatcher: Dispatcher, client: Client, grace: float
) -> None:
    """Wait for `stop`, then up to `grace` seconds for running jobs and handlers."""
    await stop.wait()
    await asyncio.gather(dispatcher.drain(grace), client.drain(grace))


def _token(settings: Settings) -> str | None:
    return None if settings.discord_token is None else settings.discord_token.get_secret_value()


@asynccontextmanager
async def _playground(port: int) -> AsyncIterator[Playground]:
    try:
        async with Playground(port=port) as playground:
            yield playground
    except PlaygroundError as error:
        raise FatalError(f"{error} (IMAGINE_PLAYGROUND_PORT)", ExitCode.PORT_TAKEN) from error


def _metrics_server(
    settings: Settings, status_reporter: StatusReporter
) -> AbstractAsyncContextManager[object]:
    port = settings.imagine_metrics_port
    if port is None:
        return nullcontext()
    return MetricsServer(status_reporter, settings.imagine_metrics_host, port)


def _local_hosts(api: str) -> frozenset[str]:
    """The hosts of attachments besides Discord's own CDN."""
    host = yarl.URL(api).host
    return frozenset() if api == DISCORD or host is None else frozenset({host})


def _welcome(playground: Playground | None) -> None:
    """Say where the playground is, if there is one."""
    if playground is None:
        return
    sys.stdout.write(
        f"\nThe playground, a local Discord: {playground.url}\n"
        "Open it and type /imagine a red house at night\n"
        "To use the real Discord, create an application with a bot on\n"
        "https://discord.com/developers/applications and put its token into .env:\n"
        "DISCORD_TOKEN=...\n\n"
    )
    sys.stdout.flush()
