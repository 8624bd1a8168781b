"""The composition root: builds every part of the bot and runs them."""

import asyncio
import functools
import logging
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    nullcontext,
    suppress,
)
from pathlib import Path
from typing import Final

import aiohttp
import discord
import msgspec
import yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route

from bot.aio import StartupCancelled, cancel_on, run_until
from bot.attachments.downloader import Downloads
from bot.attachments.sandbox import decoder
from bot.client import Client
from bot.context import Services
from bot.db import migrations
from bot.db.database import FILENAME
from bot.db.erasure import Privacy
from bot.db.guild_settings import NsfwLevels, RoleLimits
from bot.db.jobs import Ledger
from bot.db.moderation import Moderation
from bot.db.pending_interactions import Presses
from bot.db.stats import Figures
from bot.db.usage import Charges
from bot.domain.limits import LIMITS, Limits
from bot.domain.user_data import Promise
from bot.engine_client.base import EngineClient
from bot.engine_client.process import spawn_engine
from bot.engine_client.socket_client import SocketEngineClient
from bot.engine_client.supervisor import EngineSupervisor, Launch, supervised_engine
from bot.errors import NETWORK_ERRORS, ExitCode, FatalError
from bot.messages.channels import Whereabouts
from bot.messages.delivery import Delivery
from bot.messages.message_client import Mailbox
from bot.monitoring.http_metrics import counting
from bot.monitoring.http_server import Lookout
from bot.monitoring.metrics import Metrics
from bot.monitoring.status import Monitor, version
from bot.playground import Playground, PlaygroundError
from bot.services.admission import AdmissionPolicy
from bot.services.job_runner import JobRunner
from bot.services.job_service import JobService
from bot.services.outbox import Outbox
from bot.services.quota_service import QuotaService
from bot.services.retention import Retention
from bot.services.scheduler import JobScheduler
from bot.settings import DISCORD, Settings, sandbox_environment
from bot.storage import FileStorage
from engine.log.redaction import register_secret

Clock = Callable[[], float]
GRACE_SECONDS: Final = 7.0
"""For jobs at work when the bot is asked to stop; Docker, for one, waits 10 before it kills."""
_TIMEOUT: Final = aiohttp.ClientTimeout(total=20)
_HEADERS: Final = {
    "User-Agent": f"DiscordBot (https://github.com/Rapptz/discord.py, {discord.__version__})"
}
"""Discord lets nobody in who does not say so: https://docs.discord.com/developers/reference."""
log = logging.getLogger(__name__)


async def run(
    settings: Settings,
    stop: asyncio.Event,
    *,
    launch: Launch | None = None,
    grace: float = GRACE_SECONDS,
    clock: Clock = time.time,
) -> None:
    """Be the bot until `stop` is set, and `grace` seconds longer if jobs are at work. `clock` tells
    the seconds since 1970.

    Raises FatalError, or what a part of it died of.
    """
    data = settings.imagine_data
    with migrations.claimed(data), suppress(StartupCancelled):
        migrations.migrate(data / FILENAME)
        async with AsyncExitStack() as stack:
            enter = stack.enter_async_context
            api, token = settings.discord_api, _token(settings)
            if token is None:
                playground = await enter(_playground(settings.imagine_playground_port))
                api, token = playground.api, playground.token
            register_secret(token)
            await _point_at(api)
            metrics = Metrics(version())
            ledger = await enter(Ledger(data / FILENAME, metrics.passed))
            engine = SocketEngineClient()
            launch = launch or functools.partial(spawn_engine, settings.engine_environment())
            client = Client(counting(metrics, api))
            monitor = Monitor(metrics, Figures(ledger), engine, client)
            await enter(_lookout(settings, monitor))
            starting = enter(EngineSupervisor(engine, launch))
            supervisor = await cancel_on(stop, starting)  # the model may have to be downloaded
            downloads = await enter(Downloads(local_hosts=_local_hosts(api)))
            limits = msgspec.structs.replace(
                LIMITS,
                adaptive=settings.imagine_adaptive,
                daily=settings.imagine_daily_seconds,
                role_factor=settings.imagine_role_factor,
            )
            promise = Promise(
                days=settings.imagine_retention_days, words_in_log=settings.imagine_log_prompts
            )
            await enter(client)  # before the studio, whose jobs need it to their end
            studio = await enter(
                _studio(client, ledger, engine, downloads, data, limits, monitor, promise, clock)
            )
            await _login(client, token)
            await studio.resume()  # which may have results to show
            if settings.discord_token is None:
                _welcome(playground.url)
            left = _left(stop, studio, client, grace)
            tending = client.services.retention.run()
            await run_until(left, supervisor.run(), _connected(client), studio.dispatch(), tending)


def start_engine(environment: Mapping[str, str]) -> AbstractAsyncContextManager[EngineClient]:
    """A supervised engine process with this environment."""
    return supervised_engine(functools.partial(spawn_engine, environment))


async def _left(stop: asyncio.Event, studio: JobService, client: Client, grace: float) -> None:
    await stop.wait()
    await asyncio.gather(studio.drain(grace), client.drain(grace))
    await client.delete_temporary_messages()


def _token(settings: Settings) -> str | None:
    return None if settings.discord_token is None else settings.discord_token.get_secret_value()


@asynccontextmanager
async def _playground(port: int) -> AsyncIterator[Playground]:
    try:
        async with Playground(port=port) as playground:
            yield playground
    except PlaygroundError as error:
        raise FatalError(f"{error} (IMAGINE_PLAYGROUND_PORT)", ExitCode.PORT_TAKEN) from error


def _lookout(settings: Settings, monitor: Monitor) -> AbstractAsyncContextManager[object]:
    port = settings.imagine_metrics_port
    return nullcontext() if port is None else Lookout(monitor, settings.imagine_metrics_host, port)


def _local_hosts(api: str) -> frozenset[str]:
    """Where attachments may come from besides Discord's own CDN."""
    host = yarl.URL(api).host
    return frozenset() if api == DISCORD or host is None else frozenset({host})


def _studio(
    client: Client,
    ledger: Ledger,
    engine: EngineClient,
    downloads: Downloads,
    data: Path,
    limits: Limits,
    monitor: Monitor,
    promise: Promise,
    clock: Clock,
) -> JobService:
    archive = FileStorage(data)
    archive.delete_temp_files()
    levels = NsfwLevels(ledger)
    whereabouts = Whereabouts(client, levels)
    mailbox = Mailbox(client)
    delivery = Delivery(mailbox, ledger, archive, whereabouts, clock=clock)
    outbox = Outbox(ledger, delivery, clock)
    moderation = Moderation(ledger)
    gate = AdmissionPolicy(moderation, clock)
    charges, roles, privacy = Charges(ledger), RoleLimits(ledger), Privacy(ledger)
    turns = JobScheduler(ledger, charges, lambda: engine.model, limits)
    workshop = JobRunner(
        ledger,
        charges,
        privacy,
        engine,
        archive,
        downloads,
        decoder(sandbox_environment()),
        outbox,
        delivery,
        limits=limits,
        clock=clock,
    )
    studio = JobService(
        ledger,
        levels,
        engine,
        turns,
        QuotaService(ledger, charges, roles, turns, limits=limits, clock=clock),
        gate,
        workshop,
        outbox,
        delivery,
        limits=limits,
        clock=clock,
    )
    client.services = Services(
        job_service=studio,
        jobs=ledger,
        pending_interactions=Presses(ledger),
        storage=archive,
        moderation=moderation,
        admission=gate,
        status_reporter=monitor,
        channels=whereabouts,
        guild_settings=levels,
        role_limits=roles,
        message_client=mailbox,
        erasure=privacy,
        retention=Retention(ledger, privacy, archive, studio, days=promise.days, clock=clock),
        retention_policy=promise,
        limits=limits,
    )
    return studio


def _welcome(address: str) -> None:
    sys.stdout.write(
        f"\nThe playground, a Discord of your own: {address}\n"
        "Open it and type /imagine a red house at night\n"
        "To join the real Discord: make an application with a bot on\n"
        "https://discord.com/developers/applications and put its token into .env as\n"
        "DISCORD_TOKEN=...\n\n"
    )
    sys.stdout.flush()


async def _point_at(api: str) -> None:
    """Tell discord.py which Discord to talk to."""
    Route.BASE = api
    try:
        async with (
            aiohttp.ClientSession(timeout=_TIMEOUT, headers=_HEADERS) as session,
            session.get(f"{api}/gateway") as answer,
        ):
            found = await answer.json(content_type=None)
            DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(found["url"])
    except (*NETWORK_ERRORS, ValueError, KeyError, TypeError) as error:
        raise FatalError(
            f"Discord does not answer at {api} ({error!r}). Check the network and DISCORD_API.",
            ExitCode.DISCORD_UNREACHABLE,
        ) from error


async def _login(client: Client, token: str) -> None:
    try:
        await client.login(token)
    except discord.LoginFailure as error:
        raise FatalError(
            "Discord does not know this DISCORD_TOKEN. Copy it again from "
            "https://discord.com/developers/applications.",
            ExitCode.TOKEN_REFUSED,
        ) from error
    except (discord.DiscordException, *NETWORK_ERRORS) as error:
        raise _unreachable(error) from error


async def _connected(client: Client) -> None:
    try:
        await client.connect()
    except (discord.DiscordException, *NETWORK_ERRORS) as error:
        raise _unreachable(error) from error


def _unreachable(error: Exception) -> FatalError:
    return FatalError(
        f"The connection to Discord failed ({error!r}).", ExitCode.DISCORD_UNREACHABLE
    )
