"""What features depend on: the client's type, its interactions, and the services."""

import asyncio
from typing import Any, TypeAlias

import discord
import msgspec

from bot.db.audit_log import AuditLog
from bot.db.erasure import ErasureStore
from bot.db.guild_settings import ModChannelStore, NsfwSettingsStore, RoleLimitStore
from bot.db.job_messages import JobMessageStore
from bot.db.jobs import JobStore
from bot.db.moderation import ModerationStore
from bot.db.reports import ReportStore
from bot.domain.clock import Clock
from bot.domain.limits import Limits
from bot.domain.user_data import RetentionPolicy
from bot.messages.message_client import MessageClient
from bot.messages.picture_delivery import PictureDelivery
from bot.messages.temporary_replies import TemporaryReplies
from bot.monitoring.status import StatusReporter
from bot.services.admission import AdmissionPolicy
from bot.services.job_service import JobService
from bot.services.retention import Retention
from bot.storage import FileStorage


class Services(msgspec.Struct, frozen=True):
    """What features may use."""

    job_service: JobService
    jobs: JobStore
    job_messages: JobMessageStore
    storage: FileStorage
    moderation: ModerationStore
    reports: ReportStore
    audit_log: AuditLog
    mod_channels: ModChannelStore
    admission: AdmissionPolicy
    status_reporter: StatusReporter
    nsfw_settings: NsfwSettingsStore
    role_limits: RoleLimitStore
    message_client: MessageClient
    picture_delivery: PictureDelivery
    temporary_replies: TemporaryReplies
    erasure: ErasureStore
    retention: Retention
    retention_policy: RetentionPolicy
    limits: Limits
    """Of a user without a role limit."""
    clock: Clock


class BotClient(discord.Client):
    """What features use of the client; `services` is set before the first event arrives."""

    services: Services
    handlers: set[asyncio.Task[Any]]
    """The tasks that handle events."""

    def track_current_task(self) -> None:
        """Make `drain` wait for the current task."""
        task = asyncio.current_task()
        if task is not None:
            self.handlers.add(task)
            task.add_done_callback(self.handlers.discard)


Interaction: TypeAlias = discord.Interaction[BotClient]


def services(interaction: Interaction) -> Services:
    """The services of the client that received this interaction."""
    return interaction.client.services
