"""A notifier that records what it delivers."""

from collections.abc import Sequence

from bot.domain.job import Job, Progress
from bot.domain.picture import Picture


class FakeNotifier:
    """Raises the given errors, one for each delivery, before it delivers."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.delivered: list[str] = []

    def show(self, job: Job, now: Progress) -> None:
        """Progress is of no interest here."""

    async def deliver(self, job: Job, pictures: Sequence[Picture]) -> None:
        """Deliver the status."""
        if self.errors:
            raise self.errors.pop(0)
        self.delivered.append(job.status.value)

    async def deliver_error(self, job: Job, sentence: str) -> None:
        """Deliver the sentence."""
        if self.errors:
            raise self.errors.pop(0)
        self.delivered.append(sentence)

    async def is_answered(self, job: Job) -> bool:
        """Always."""
        return True
