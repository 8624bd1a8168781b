"""A notifier that records its deliveries, and an outbox that uses it."""

from bot.db.database import Database
from bot.domain.delivery import Delivery, DeliveryKind
from bot.domain.job import Job, Progress
from bot.services.outbox import Outbox


class FakeNotifier:
    """Records each delivery; raises the given errors first, one for each call."""

    def __init__(self, *errors: Exception, is_shown: bool = True) -> None:
        self.errors = list(errors)
        self.is_shown = is_shown
        self.delivered: list[str] = []

    def show(self, job: Job, now: Progress) -> None:
        """Ignore the progress."""

    async def send(self, delivery: Delivery, *, is_first: bool = False) -> bool:
        """Record the kind."""
        if self.errors:
            raise self.errors.pop(0)
        self.delivered.append(delivery.kind.value)
        return self.is_shown

    async def explain(self, delivery: Delivery, reason: str) -> bool:
        """Record the sentence."""
        if self.errors:
            raise self.errors.pop(0)
        self.delivered.append(reason)
        return self.is_shown

    def is_out_of_time(self, job: Job) -> bool:
        """Never."""
        return False

    async def is_answered(self, job: Job) -> bool:
        """Always true."""
        return True


def outbox(db: Database, notifier: FakeNotifier) -> Outbox:
    """An outbox for results whose clock stands still, and whose retries come at once."""
    senders = {DeliveryKind.RESULT: notifier}
    return Outbox(db.jobs, db.deliveries, senders, lambda: 200.0, retry_seconds=(0.0,))
