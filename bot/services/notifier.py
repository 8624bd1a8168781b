"""The interface by which the services show jobs to users."""

from collections.abc import Sequence
from typing import Protocol

from bot.domain.job import Job, Progress
from bot.domain.picture import Picture


class Notifier(Protocol):
    """Shows the progress and the results of jobs."""

    def show(self, job: Job, progress: Progress) -> None:
        """Show the progress of a job soon, unless newer progress replaces it first."""

    async def deliver(self, job: Job, pictures: Sequence[Picture]) -> bool:
        """Show how a job ended, and no progress after that; False if nobody can see it.

        `job` may be older than its row in the database. Raises DeliveryFailed if a later attempt
        may succeed.
        """

    async def deliver_error(self, job: Job, sentence: str) -> bool:
        """Show this sentence instead of how the job ended. Returns and raises as `deliver` does."""

    def is_out_of_time(self, job: Job) -> bool:
        """Whether the message of this unfinished job can soon, or already, not be edited."""

    async def is_answered(self, job: Job) -> bool:
        """Whether the user has received the first response, and so may wait for this job."""
