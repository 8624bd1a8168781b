"""What the services need of the code that shows jobs to users."""

from collections.abc import Sequence
from typing import Protocol

from bot.domain.job import Job, Progress
from bot.domain.picture import Picture


class Notifier(Protocol):
    """Shows the progress and the results of jobs."""

    def show(self, job: Job, now: Progress) -> None:
        """Show the progress of a job soon, unless newer progress replaces it before."""

    async def deliver(self, job: Job, pictures: Sequence[Picture]) -> None:
        """Show how a job ended, and no progress after that.

        `job` may be older than its row in the database. Raises DeliveryFailed if a later attempt
        may succeed.
        """

    async def deliver_error(self, job: Job, sentence: str) -> None:
        """Show this sentence instead of how the job ended. Raises DeliveryFailed as well."""

    async def is_answered(self, job: Job) -> bool:
        """Has the user received the first response, so that somebody waits for this job?"""
