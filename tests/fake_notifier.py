"""A notifier that records its deliveries."""

from collections.abc import Sequence

from bot.domain.job import Job, Progress
from bot.domain.picture import Picture


class FakeNotifier:
    """Records each delivery; raises the given errors first, one for each call."""

    def __init__(self, *errors: Exception, is_shown: bool = True) -> None:
        self.errors = list(errors)
        self.is_shown = is_shown
        self.delivered: list[str] = []

    def show(self, job: Job, now: Progress) -> None:
        """Ignore the progress."""

    async def deliver(self, job: Job, pictures: Sequence[Picture]) -> bool:
        """Record the status."""
        if self.errors:
            raise self.errors.pop(0)
        self.delivered.append(job.status.value)
        return self.is_shown

    async def deliver_error(self, job: Job, sentence: str) -> bool:
        """Record the sentence."""
        if self.errors:
            raise self.errors.pop(0)
        self.delivered.append(sentence)
        return self.is_shown

    def is_out_of_time(self, job: Job) -> bool:
        """Never."""
        return False

    async def is_answered(self, job: Job) -> bool:
        """Always true."""
        return True
