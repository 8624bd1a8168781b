"""The composition root: builds every part of the bot."""

import msgspec

from bot.attachments.downloader import AttachmentDownloader
from bot.attachments.sandbox import decoder_sandbox
from bot.client import ACTIONS, Client
from bot.context import Services
from bot.db.database import Database
from bot.domain.clock import Clock
from bot.domain.delivery import DeliveryKind
from bot.domain.limits import LIMITS, Limits
from bot.domain.user_data import RetentionPolicy
from bot.engine_client.base import EngineClient
from bot.features.report_cards import CardSender
from bot.messages.action_views import ActionViews
from bot.messages.attachment_fetcher import AttachmentFetcher
from bot.messages.captured import CapturedFiles
from bot.messages.channels import ChannelResolver
from bot.messages.direct_messages import DirectMessages
from bot.messages.family_trees import FamilyTrees
from bot.messages.full_size import FullSizeContent
from bot.messages.gallery_posts import GalleryPosts, GalleryWithdrawals
from bot.messages.history_pages import HistoryPages
from bot.messages.job_messages import JobMessages
from bot.messages.languages import Languages
from bot.messages.message_client import MessageClient
from bot.messages.poll_messages import PollMessages
from bot.messages.replayed import ReplayNotes
from bot.messages.response_sender import ResponseSender
from bot.messages.result_content import ResultContent, ShownResult
from bot.messages.temporary_replies import TemporaryReplies
from bot.monitoring.status import StatusReporter
from bot.services.admission import AdmissionPolicy
from bot.services.describer import Describer
from bot.services.dispatcher import Dispatcher
from bot.services.display_versions import DisplayVersions
from bot.services.engine_texts import EngineTexts
from bot.services.family import FamilyFinder
from bot.services.gallery import Gallery
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
from bot.services.polls import PollService
from bot.services.preferences import PreferenceService
from bot.services.presets import PresetService
from bot.services.prompt_expander import PromptExpander
from bot.services.queue_view import QueueView
from bot.services.quota_service import QuotaService
from bot.services.reports import ReportService
from bot.services.restoration import PictureRestorer
from bot.services.retention import Retention
from bot.services.scheduler import JobScheduler
from bot.services.uploaded_recipes import UploadedRecipes
from bot.services.voting import VotingService
from bot.settings import Settings, sandbox_environment
from bot.storage import FileStorage


class Parts(msgspec.Struct, frozen=True):
    """What runs, or is used, while the bot is connected to Discord."""

    services: Services
    notifier: JobMessages
    dispatcher: Dispatcher
    tasks: JobTasks

    @property
    def temporary_replies(self) -> TemporaryReplies:
        """Those of the client for messages."""
        return self.services.message_client.temporary_replies


def build(
    settings: Settings,
    client: Client,
    db: Database,
    engine: EngineClient,
    downloader: AttachmentDownloader,
    status_reporter: StatusReporter,
    clock: Clock,
) -> Parts:
    """All objects between the client and the database, each with what it depends on."""
    limits, storage = _limits(settings), _storage(settings)
    channels, messages = ChannelResolver(client, db.guild_settings), MessageClient(client)
    views, fetcher = ActionViews(ACTIONS), AttachmentFetcher(downloader, client)
    scheduler = JobScheduler(db.jobs, db.usage, engine, limits)
    quota = _quota(db, scheduler, limits, clock)
    files = _input_files(db, engine, storage, scheduler, quota, clock)
    displays = DisplayVersions(db.jobs, engine, storage)
    results = _results(db, engine, storage, channels, messages, views)
    preferences = PreferenceService(db.preferences, clock=clock)
    languages = Languages(client, preferences)
    texts = (messages, db.jobs, results, displays, channels)
    notifier = JobMessages(*texts, language=languages.of_job, clock=clock)
    shown = (messages, channels, displays, results, files, views)
    senders = _senders(client, db, storage, *shown, engine, clock)
    outbox = _outbox(db, senders, notifier, preferences, languages, clock)
    tasks, presets = JobTasks(outbox), PresetService(db.presets, clock)
    runner = _runner(db, engine, storage, files, notifier, limits, clock)
    dispatcher = Dispatcher(db.jobs, engine, scheduler, runner, tasks, outbox, notifier, clock)
    inputs, engine_texts = _input_service(db, engine, storage, files, fetcher), EngineTexts(engine)
    job_service = _job_service(
        db, preferences, engine, quota, inputs, dispatcher, tasks, outbox, notifier, clock
    )
    services = Services(
        job_service=job_service,
        planner=_planner(db, preferences, presets, engine, files, fetcher, storage, limits),
        job_finder=JobFinder(db.jobs, db.deliveries),
        inputs=inputs,
        moderation=_moderation(db, limits, clock),
        presets=presets,
        reports=_reports(db, storage, job_service, clock),
        status_reporter=status_reporter,
        message_client=messages,
        outbox=outbox,
        gallery=Gallery(db.deliveries, outbox, clock),
        votes=VotingService(db.votes, clock),
        polls=PollService(db.polls, db.deliveries),
        poll_messages=PollMessages(client, messages),
        retention=_retention(settings, db, storage, job_service, tasks, preferences, clock),
        family_trees=FamilyTrees(FamilyFinder(db.lineage, db.jobs), storage),
        preferences=preferences,
        languages=languages,
        history=HistoryPages(db.history, db.jobs, storage),
        queue_view=QueueView(db.jobs, notifier.waits),
        prompt_expander=PromptExpander(_admission(db, clock), engine_texts),
        describer=Describer(inputs, engine_texts, _admission(db, clock)),
        source_url=settings.imagine_source_url,
    )
    return Parts(services, notifier, dispatcher, tasks)


def _job_service(
    db: Database,
    preferences: PreferenceService,
    engine: EngineClient,
    quota: QuotaService,
    inputs: InputService,
    dispatcher: Dispatcher,
    tasks: JobTasks,
    outbox: Outbox,
    notifier: Notifier,
    clock: Clock,
) -> JobService:
    return JobService(
        db.jobs,
        db.guild_settings,
        preferences,
        engine,
        _admission(db, clock),
        quota,
        inputs,
        dispatcher,
        tasks,
        outbox,
        notifier,
        clock=clock,
    )


def _admission(db: Database, clock: Clock) -> AdmissionPolicy:
    return AdmissionPolicy(db.moderation, db.lineage, db.audit_log, clock)


def _planner(
    db: Database,
    preferences: PreferenceService,
    presets: PresetService,
    engine: EngineClient,
    files: InputFiles,
    fetcher: AttachmentFetcher,
    storage: FileStorage,
    limits: Limits,
) -> Planner:
    return Planner(
        db.jobs,
        db.lineage,
        db.guild_settings,
        preferences,
        presets,
        engine,
        files,
        UploadedRecipes(fetcher, db.job_inputs, storage),
        limits,
    )


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
    preferences: PreferenceService,
    clock: Clock,
) -> Retention:
    policy = RetentionPolicy(
        days=settings.imagine_retention_days, logs_prompts=settings.imagine_log_prompts
    )
    return Retention(
        db.jobs,
        db.erasure,
        db.votes,
        db.polls,
        db.file_deletions,
        storage,
        job_service,
        tasks,
        preferences,
        policy=policy,
        clock=clock,
    )


def _senders(
    client: Client,
    db: Database,
    storage: FileStorage,
    messages: MessageClient,
    channels: ChannelResolver,
    displays: DisplayVersions,
    results: ResultContent,
    files: InputFiles,
    views: ActionViews,
    engine: EngineClient,
    clock: Clock,
) -> dict[DeliveryKind, Sender]:
    """One for each kind of delivery that can be undelivered, besides results."""
    full_size = FullSizeContent(
        db.jobs, storage, files, displays, channels, messages.upload_limits, views, engine
    )
    shown_result = ShownResult(db.jobs, results, files, displays, channels)
    return {
        DeliveryKind.PICTURE: ResponseSender(messages, db.deliveries, full_size),
        DeliveryKind.SHOWN: ResponseSender(messages, db.deliveries, shown_result),
        DeliveryKind.DIRECT: DirectMessages(
            client, db.jobs, db.deliveries, storage, files, messages.upload_limits, clock
        ),
        DeliveryKind.CARD: CardSender(client),
        DeliveryKind.GALLERY: GalleryPosts(
            client, messages, db.jobs, db.deliveries, storage, displays, files, channels
        ),
        DeliveryKind.WITHDRAWAL: GalleryWithdrawals(messages),
    }


def _outbox(
    db: Database,
    senders: dict[DeliveryKind, Sender],
    notifier: JobMessages,
    preferences: PreferenceService,
    languages: Languages,
    clock: Clock,
) -> Outbox:
    return Outbox(
        db.jobs,
        db.deliveries,
        {**senders, DeliveryKind.RESULT: notifier},
        clock,
        wants_copy=preferences.wants_copy,
        language=languages.of_delivery,
    )


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


def _quota(db: Database, scheduler: JobScheduler, limits: Limits, clock: Clock) -> QuotaService:
    return QuotaService(db.jobs, db.usage, db.guild_settings, scheduler, limits=limits, clock=clock)


def _results(
    db: Database,
    engine: EngineClient,
    storage: FileStorage,
    channels: ChannelResolver,
    messages: MessageClient,
    views: ActionViews,
) -> ResultContent:
    captured = CapturedFiles(db.artifacts, db.jobs, db.lineage, storage)
    replay_notes = ReplayNotes(db.jobs, db.lineage, storage)
    return ResultContent(
        storage, captured, replay_notes, channels, views, messages.upload_limits, engine
    )


def _input_files(
    db: Database,
    engine: EngineClient,
    storage: FileStorage,
    scheduler: JobScheduler,
    quota: QuotaService,
    clock: Clock,
) -> InputFiles:
    restorer = PictureRestorer(db.jobs, db.usage, engine, storage, scheduler, quota, clock)
    return InputFiles(db.jobs, db.lineage, storage, restorer)


def _input_service(
    db: Database,
    engine: EngineClient,
    storage: FileStorage,
    files: InputFiles,
    fetcher: AttachmentFetcher,
) -> InputService:
    sandbox = decoder_sandbox(sandbox_environment())
    return InputService(
        db.job_inputs,
        db.lineage,
        db.file_deletions,
        engine,
        storage,
        files,
        fetcher,
        sandbox,
    )


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
