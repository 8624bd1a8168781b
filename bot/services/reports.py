"""Reports of pictures by users, and the moderators' decisions on them."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

import msgspec

from bot.db.audit_log import AuditLog
from bot.db.connection import DatabaseUnavailable
from bot.db.deliveries import DeliveryStore
from bot.db.guild_settings import GuildSettingsStore
from bot.db.jobs import JobStore
from bot.db.moderation import ModerationStore
from bot.db.reports import ReportStore
from bot.domain.clock import HOUR, Clock
from bot.domain.job import Job
from bot.domain.moderation import (
    AuditAction,
    AuditEntry,
    Case,
    CaseState,
    Report,
    check_report,
)
from bot.domain.picture import Picture
from bot.errors import Refused
from bot.i18n import N_
from bot.services.job_service import JobService
from bot.storage import FileStorage

MessageIds = tuple[int, int]
"""The ids of a channel and of a message in it."""
_NO_RESULT: Final = N_("That message shows no picture of mine, so there is nothing to report.")
log = logging.getLogger(__name__)


class CaseDetails(msgspec.Struct, frozen=True, kw_only=True):
    """What moderators see of a case."""

    case: Case
    job: Job
    pictures: Sequence[Picture]
    block_reason: str | None
    """Why the user of the job is blocked in the guild; None if they are not."""
    mod_channel_id: int | None
    """The channel that the guild's reports are posted to."""


class Moderator(msgspec.Struct, frozen=True):
    """A user who decides on a case, and where."""

    user_id: int
    guild_id: int | None
    channel_id: int | None


class ReportService:
    """Each decision and its audit entry are one transaction."""

    def __init__(
        self,
        reports: ReportStore,
        jobs: JobStore,
        deliveries: DeliveryStore,
        moderation: ModerationStore,
        guild_settings: GuildSettingsStore,
        audit_log: AuditLog,
        storage: FileStorage,
        job_service: JobService,
        clock: Clock,
    ) -> None:
        self._reports = reports
        self._jobs = jobs
        self._deliveries = deliveries
        self._moderation = moderation
        self._guild_settings = guild_settings
        self._audit_log = audit_log
        self._storage = storage
        self._job_service = job_service
        self._clock = clock

    # Reports

    async def build(self, guild_id: int | None, message_id: int, user_id: int) -> Report:
        """The user's report of this message, without a reason and not stored.

        Raises Refused if the message cannot be reported, or not by this user now.
        """
        now = self._clock()
        result = await self._deliveries.find(message_id)
        if result is None or guild_id is None or result.guild_id != guild_id:
            raise Refused(_NO_RESULT)
        already_reported, recent = await self._reports.previous_reports(
            user_id, message_id, since=now - HOUR
        )
        check_report(already_reported=already_reported, recent=recent)
        return Report(
            job_id=result.job.id,
            guild_id=guild_id,
            channel_id=result.channel_id or 0,
            message_id=message_id,
            nth=result.nth,
            reporter_id=user_id,
            reason="",
            created_at=now,
        )

    async def submit(
        self, guild_id: int | None, message_id: int, user_id: int, reason: str = ""
    ) -> Report:
        """Store a report. Raises Refused as `build` does."""
        report = await self.build(guild_id, message_id, user_id)
        report = msgspec.structs.replace(report, reason=reason)
        await self._reports.submit(report)
        return report

    # Cases

    async def details(self, job_id: str, guild_id: int) -> CaseDetails | None:
        """The case of this job in a guild, if it was reported there."""
        case, job = await self._reports.case(job_id, guild_id), await self._jobs.job(job_id)
        if case is None or job is None:
            return None
        rules = await self._moderation.rules_for(case.guild_id, job.user_id)
        settings = await self._guild_settings.get(case.guild_id)
        return CaseDetails(
            case=case,
            job=job,
            pictures=await self._jobs.pictures(job_id),
            block_reason=rules.block_reason,
            mod_channel_id=settings.mod_channel_id,
        )

    async def without_card(self) -> list[tuple[str, int]]:
        """The job and guild ids of open cases that have no card."""
        return await self._reports.without_card()

    async def guilds(self, job_id: str) -> list[int]:
        """The ids of the guilds in which this job was reported."""
        return await self._reports.guilds(job_id)

    async def set_card(self, case: Case, channel_id: int, message_id: int) -> bool:
        """Record the message that shows the case; False if another one has been recorded since."""
        return await self._deliveries.set_card(case, channel_id, message_id, now=self._clock())

    # Decisions

    async def remove(self, job: Job, moderator: Moderator) -> list[MessageIds]:
        """Delete the pictures of a job, and their films and enlargements; the messages that show
        one, which must be deleted too.

        Unfinished jobs made from them are cancelled first, so that none finishes meanwhile.
        """
        await self._job_service.cancel(job)
        await self.cancel_variations(job)
        entry = self._audit_entry(moderator, AuditAction.REMOVED, job)
        messages: list[MessageIds] = []
        for job_id in await self._reports.remove(job.id, entry):
            await asyncio.to_thread(self._storage.delete_pictures, job_id)
            messages += await self._deliveries.messages_of_job(job_id)
        return messages

    async def cancel_variations(self, job: Job) -> Sequence[Job]:
        """Cancel the unfinished jobs made from a job's pictures; the finished ones, which stay."""
        variations = await self._reports.variations(job.id)
        return [job for job in variations if not await self._job_service.cancel(job)]

    async def resume_removals(self) -> list[MessageIds]:
        """Go on with removals that a crash interrupted; the messages that must be deleted."""
        for variation in await self._reports.unfinished_variations_of_removed():
            await self._job_service.cancel(variation)
        return await self._deliveries.messages_of_removed_pictures()

    async def forget_message(self, message_id: int) -> None:
        """Record that a message was deleted. A failure is only logged."""
        try:
            await self._deliveries.forget(message_id)
        except DatabaseUnavailable as error:
            log.warning("Message %d will be deleted again: %s", message_id, error)

    async def dismiss(self, job: Job, moderator: Moderator) -> bool:
        """Close a case without removing anything; False if it is closed already."""
        entry = self._audit_entry(moderator, AuditAction.DISMISSED, job)
        return await self._reports.close(job.id, CaseState.DISMISSED, entry)

    async def log_removed_message(self, deleted_job: Job, moderator: Moderator) -> None:
        """Record that a message of a deleted job, whose user is unknown, was removed."""
        entry = self._audit_entry(moderator, AuditAction.REMOVED, deleted_job)
        await self._audit_log.add(msgspec.structs.replace(entry, target_id=None))

    def _audit_entry(self, moderator: Moderator, action: AuditAction, job: Job) -> AuditEntry:
        return AuditEntry(
            created_at=self._clock(),
            guild_id=moderator.guild_id,
            channel_id=moderator.channel_id,
            actor_id=moderator.user_id,
            action=action,
            target_id=job.user_id,
            job_id=job.id,
        )
