"""The interfaces by which the services write to users."""

from typing import Protocol

from bot.domain.delivery import Delivery
from bot.domain.job import Job, Progress


class Sender(Protocol):
    """Writes the messages of one kind of delivery."""

    async def send(self, delivery: Delivery, *, is_first: bool = False) -> bool:
        """Write the message, in one attempt; False if nobody can see it.

        `is_first` means that the user has just asked for it, and that the response is still empty.
        Raises Refused or FileMissing, with a sentence for the user, if there is nothing to show;
        DeliveryFailed if a later attempt may succeed; another error if `is_first`.
        """

    async def explain(self, delivery: Delivery, reason: str) -> bool:
        """Write this sentence instead; False if nobody can see it.

        Raises DeliveryFailed if a later attempt may succeed.
        """


class Notifier(Sender, Protocol):
    """Shows the progress and the results of jobs."""

    def show(self, job: Job, progress: Progress) -> None:
        """Show the progress of a job soon, unless newer progress replaces it first."""

    def is_out_of_time(self, job: Job) -> bool:
        """Whether the message of this unfinished job can soon, or already, not be edited."""

    async def is_answered(self, job: Job) -> bool:
        """Whether the user has received the first response, and so may wait for this job."""
