"""Finds the jobs and pictures that the bot's messages and buttons stand for."""

from bot.db.deliveries import DeliveryStore
from bot.db.jobs import JobStore
from bot.domain import rules
from bot.domain.job import Job, ShownJob
from bot.domain.picture import Picture
from bot.errors import Refused
from bot.i18n import _


class JobFinder:
    """Reads only. The Refused that methods raise is a sentence for the user."""

    def __init__(self, jobs: JobStore, deliveries: DeliveryStore) -> None:
        self._jobs = jobs
        self._deliveries = deliveries

    async def by_button(self, job_id: str) -> Job:
        """The job of a button. Raises Refused if it does not exist or was deleted."""
        job = await self._jobs.job(job_id)
        if job is None:
            raise Refused(_(rules.UNKNOWN_PICTURE))
        rules.check_not_deleted(job)
        return job

    async def by_message(self, message_id: int) -> ShownJob | None:
        """What this message shows; None if it shows no job, or a deleted one."""
        return await self._deliveries.find(message_id)

    async def by_id(self, job_id: str, nth: int | None) -> ShownJob | None:
        """The job of this id, or its nth picture; None if there is no such job.

        Raises Refused if it was deleted.
        """
        job = await self._jobs.job(job_id)
        if job is None:
            return None
        rules.check_not_deleted(job)
        return ShownJob(job, nth)

    async def deleted_job(self, job_id: str | None) -> Job | None:
        """The job of this id if it was deleted."""
        job = None if job_id is None else await self._jobs.job(job_id)
        return job if job is not None and job.deletion_reason is not None else None

    async def picture(self, job: Job, nth: int) -> Picture:
        """The nth picture of a job. Raises Refused if there is none."""
        return rules.nth_picture(job, await self._jobs.pictures(job.id), nth)

    async def pictures(self, shown: ShownJob) -> list[Picture]:
        """The finished pictures that a message shows."""
        pictures = await self._jobs.pictures(shown.job.id)
        return [picture for picture in pictures if shown.nth in (None, picture.nth)]
