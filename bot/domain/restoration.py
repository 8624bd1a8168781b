"""Who needs a picture whose file may be gone, and so pays if it is painted again; pure."""

import msgspec

from bot.domain.delivery import Delivery
from bot.domain.job import Job, Status


class Requester(msgspec.Struct, frozen=True, kw_only=True):
    """A user who looks at a picture, or whose job needs it."""

    user_id: int
    guild_id: int | None = None
    job_status: Status | None = None
    """That of the job; None for a user who looks at the picture."""

    @property
    def is_admitted(self) -> bool:
        """Whether the limits of the user were checked, because it is for a job."""
        return self.job_status is not None

    @property
    def has_seat(self) -> bool:
        """Whether the job has a seat at the engine."""
        return self.job_status is Status.RUNNING


def of_job(job: Job) -> Requester:
    """The user of a job that needs the picture."""
    return Requester(user_id=job.user_id, guild_id=job.target.guild_id, job_status=job.status)


def of_delivery(delivery: Delivery) -> Requester | None:
    """The user who asked for a message that shows the picture; None if that is unknown."""
    if delivery.recipient_id is None:
        return None
    return Requester(user_id=delivery.recipient_id, guild_id=delivery.target.guild_id)
