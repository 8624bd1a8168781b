"""The composition root: builds every part of the bot and runs them."""

import asyncio
import functools
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

import msgspec
import yarl

from bot.aio import StartupCancelled, cancel_on, run_until
from bot.attachments.downloader import AttachmentDownloader
from bot.attachments.sandbox import decoder_sandbox
from bot.client import ACTIONS, Client
from bot.context import Services
from bot.db import migrations
from bot.db.database import FILENAME, Database
from bot.discord_connection import check_token, configure_api, login, serve
from bot.domain.clock import Clock
from bot.domain.delivery import DeliveryKind
from bot.domain.limits import LIMITS, Limits
from bot.domain.user_data import RetentionPolicy
from bot.engine_client.base import EngineClient
from bot.engine_client.process import spawn_engine
from bot.engine_client.socket_client import SocketEngineClient
from bot.engine_client.supervisor import EngineSupervisor, Launch, supervised_engine
from bot.errors import ExitCode, FatalError
from bot.features import imagine, model_option
from bot.features.report_cards import CardSender
from bot.messages.action_views import ActionViews
from bot.messages.attachment_fetcher import AttachmentFetcher
from bot.messages.captured import CapturedFiles
from bot.messages.channels import ChannelResolver
from bot.messages.direct_messages import DirectMessages
from bot.messages.family_trees import FamilyTrees
from bot.messages.full_size import FullSizeContent
from bot.messages.job_messages import JobMessages
from bot.messages.message_client import MessageClient
from bot.messages.response_sender import ResponseSender
from bot.monitoring.http_metrics import trace_config
from bot.monitoring.http_server import MetricsServer
from bot.monitoring.metrics import Metrics
from bot.monitoring.status import StatusReporter, version
from bot.playground import Playground, PlaygroundError
from bot.services.admission import AdmissionPolicy
from bot.services.dispatcher import Dispatcher
from bot.services.display_versions import DisplayVersions
from bot.services.family import FamilyFinder
from bot.services.input_files import InputFiles
from bot.services.inputs import InputService
from bot.services.job_finder import JobFinder
from bot.services.job_runner import JobRunner
from bot.services.job_service import JobService
from bot.services.job_tasks import JobTasks
from bot.services.moderation import ModerationService
from bot.services.notifier import Notifier, Sender
from bot.services.outbox import Outbox
from bot.services.planner import Planner
from bot.services.quota_service import QuotaService
from bot.services.reports import ReportService
from bot.services.retention import PASS_SECONDS, Retention
from bot.services.scheduler import JobScheduler
from bot.services.uploaded_recipes import UploadedRecipes
from bot.settings import DISCORD, Settings, sandbox_environment
from bot.storage import FileStorage
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
) -> None:
    """Run the bot until `stop` is set, and up to `grace` seconds longer while jobs are running.

    `clock` returns the seconds since 1970. Raises FatalError, or the error of the part that failed.
    """
    data = settings.imagine_data
    launch = launch or functools.partial(spawn_engine, settings.engine_environment())
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
            client = Client(trace_config(metrics, api), proxy)
            status_reporter = StatusReporter(metrics, db.stats, engine, client, clock=clock)
            await enter(_metrics_server(settings, status_reporter))
            starting = enter(EngineSupervisor(engine, launch))
            supervisor = await cancel_on(stop, starting)  # the model may have to be downloaded
            downloader = await enter(
                AttachmentDownloader(local_hosts=_local_hosts(api), proxy=proxy)
            )
            await enter(client)  # the tasks of jobs need it until they end
            parts = _build(settings, client, db, engine, downloader, status_reporter, clock)
            await enter(parts.notifier)
            await enter(parts.tasks)
            await enter(parts.services.message_client.temporary_replies)
            imagine.offer_samplers(model_option.all_samplers(engine.models))
            await cancel_on(stop, login(client, token))
            await parts.dispatcher.resume()
            await parts.services.job_service.resume()
            if playground is not None:
                _welcome(playground.url)
            await run_until(
                _shutdown(stop, parts.dispatcher, client, grace),
                supervisor.run(),
                serve(client, parts.services),
                *_background_work(parts, retention_seconds),
            )


def _background_work(
    parts: "_Parts", retention_seconds: float
) -> tuple[Coroutine[None, None, None], ...]:
    """What runs beside the connection to Discord until the bot stops."""
    return (
        parts.dispatcher.run(),
        parts.services.job_service.cancel_gone(parts.notifier.gone),
        parts.services.job_service.fail_out_of_time(),
        parts.tasks.watch(),
        parts.services.retention.run(retention_seconds),
        parts.services.outbox.run(parts.tasks.start),
    )


def start_engine(environment: Mapping[str, str]) -> AbstractAsyncContextManager[EngineClient]:
    """A supervised engine process with this environment."""
    return supervised_engine(functools.partial(spawn_engine, environment))


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


class _Parts(msgspec.Struct, frozen=True):
    services: Services
    notifier: JobMessages
    dispatcher: Dispatcher
    tasks: JobTasks


def _build(
    settings: Settings,
    client: Client,
    db: Database,
    engine: EngineClient,
    downloader: AttachmentDownloader,
    status_reporter: StatusReporter,
    clock: Clock,
) -> _Parts:
    limits, storage = _limits(settings), _storage(settings)
    channels, message_client = ChannelResolver(client, db.guild_settings), MessageClient(client)
    views = ActionViews(ACTIONS)
    fetcher = AttachmentFetcher(downloader, client)
    captured = CapturedFiles(db.artifacts, db.jobs, db.lineage, storage)
    displays = DisplayVersions(db.jobs, engine, storage)
    notifier = JobMessages(
        message_client, db.jobs, storage, captured, displays, channels, views, engine, clock=clock
    )
    full_size = FullSizeContent(
        db.jobs, storage, displays, channels, message_client.upload_limits, views, engine
    )
    outbox = _outbox(client, db, storage, message_client, full_size, notifier, clock)
    tasks = JobTasks(outbox)
    scheduler = JobScheduler(db.jobs, db.usage, engine, limits)
    files = InputFiles(db.jobs, db.lineage, storage)
    runner = _runner(db, engine, storage, files, notifier, limits, clock)
    dispatcher = Dispatcher(db.jobs, engine, scheduler, runner, tasks, outbox, notifier, clock)
    admission = AdmissionPolicy(db.moderation, db.audit_log, clock)
    job_service = JobService(
        db.jobs,
        db.guild_settings,
        engine,
        admission,
        QuotaService(db.jobs, db.usage, db.guild_settings, scheduler, limits=limits, clock=clock),
        _input_service(db, engine, storage, files, fetcher),
        dispatcher,
        tasks,
        outbox,
        notifier,
        clock=clock,
    )
    uploaded_recipes = UploadedRecipes(fetcher, db.job_inputs, storage)
    services = Services(
        job_service=job_service,
        planner=Planner(
            db.jobs, db.lineage, db.guild_settings, engine, files, uploaded_recipes, limits
        ),
        job_finder=JobFinder(db.jobs, db.deliveries),
        moderation=_moderation(db, limits, clock),
        reports=_reports(db, storage, job_service, clock),
        status_reporter=status_reporter,
        message_client=message_client,
        outbox=outbox,
        retention=_retention(settings, db, storage, job_service, tasks, clock),
        family_trees=FamilyTrees(FamilyFinder(db.lineage, db.jobs), storage),
    )
    return _Parts(services, notifier, dispatcher, tasks)


def _runner(
    db: Database,
    engine: EngineClient,
    storage: FileStorage,
    files: InputFiles,
    notifier: Notifier,
    limits: Limits,
    clock: Clock,
) -> JobRunner:
    return JobRunner(
        db.jobs,
        db.artifacts,
        db.usage,
        engine,
        storage,
        files,
        notifier,
        limits=limits,
        clock=clock,
    )


def _retention(
    settings: Settings,
    db: Database,
    storage: FileStorage,
    job_service: JobService,
    tasks: JobTasks,
    clock: Clock,
) -> Retention:
    policy = RetentionPolicy(
        days=settings.imagine_retention_days, logs_prompts=settings.imagine_log_prompts
    )
    return Retention(
        db.jobs,
        db.erasure,
        db.file_deletions,
        storage,
        job_service,
        tasks,
        policy=policy,
        clock=clock,
    )


def _outbox(
    client: Client,
    db: Database,
    storage: FileStorage,
    messages: MessageClient,
    full_size: FullSizeContent,
    notifier: JobMessages,
    clock: Clock,
) -> Outbox:
    """With a sender for each kind of delivery that can be undelivered."""
    senders: dict[DeliveryKind, Sender] = {
        DeliveryKind.RESULT: notifier,
        DeliveryKind.PICTURE: ResponseSender(messages, db.deliveries, full_size),
        DeliveryKind.DIRECT: DirectMessages(client, db.jobs, db.deliveries, storage, clock),
        DeliveryKind.CARD: CardSender(client),
    }
    return Outbox(db.jobs, db.deliveries, senders, clock)


def _moderation(db: Database, limits: Limits, clock: Clock) -> ModerationService:
    return ModerationService(
        db.moderation,
        db.guild_settings,
        db.audit_log,
        limits=limits,
        clock=clock,
    )


def _reports(
    db: Database, storage: FileStorage, job_service: JobService, clock: Clock
) -> ReportService:
    return ReportService(
        db.reports,
        db.jobs,
        db.deliveries,
        db.moderation,
        db.guild_settings,
        db.audit_log,
        storage,
        job_service,
        clock,
    )


def _input_service(
    db: Database,
    engine: EngineClient,
    storage: FileStorage,
    files: InputFiles,
    fetcher: AttachmentFetcher,
) -> InputService:
    sandbox = decoder_sandbox(sandbox_environment())
    return InputService(db.job_inputs, db.file_deletions, engine, storage, files, fetcher, sandbox)


def _storage(settings: Settings) -> FileStorage:
    storage = FileStorage(settings.imagine_data)
    storage.delete_temp_files()
    return storage


def _limits(settings: Settings) -> Limits:
    return msgspec.structs.replace(
        LIMITS,
        adaptive=settings.imagine_adaptive,
        daily_seconds=settings.imagine_daily_seconds,
        max_pictures=settings.imagine_max_pictures,
        max_request_seconds=settings.imagine_max_seconds,
        role_factor=settings.imagine_role_factor,
    )


def _welcome(url: str) -> None:
    sys.stdout.write(
        f"\nThe playground, a local Discord: {url}\n"
        "Open it and type /imagine a red house at night\n"
        "To use the real Discord, create an application with a bot on\n"
        "https://discord.com/developers/applications and put its token into .env:\n"
        "DISCORD_TOKEN=...\n\n"
    )
    sys.stdout.flush()
