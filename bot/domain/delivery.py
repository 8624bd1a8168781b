"""What must arrive, or has arrived, as a message on Discord."""

from enum import StrEnum
from typing import TypeAlias

import msgspec

from bot.domain.job import Job, ResponseTarget

DeliveryKey: TypeAlias = tuple[str, str, str | None, int | None]
"""The kind, job, request and guild of a delivery."""


class DeliveryKind(StrEnum):
    """What a message shows."""

    RESULT = "result"
    """How a job ended, and before that its progress. Each job has one."""
    PICTURE = "picture"
    """One picture of a job at full size."""
    SHOWN = "shown"
    """A result once more, as an interaction asked for it."""
    DIRECT = "direct"
    """Pictures of a job in the direct messages of a user."""
    SUPERSEDED = "superseded"
    """An older message of a result, which may still exist."""
    CARD = "card"
    """The moderators' view of a reported job."""
    GALLERY = "gallery"
    """A picture, or all of a job, in the gallery of a guild. Each has one there."""
    WITHDRAWAL = "withdrawal"
    """A post in a gallery that is to be deleted, with its message."""


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """A message that a user waits for, or one that exists."""

    kind: DeliveryKind
    job_id: str
    nth: int | None = None
    """The number of the picture; None for the whole job."""
    request: str | None = None
    """The interaction or reaction that asked for it, until it is delivered; None for a result."""
    recipient_id: int | None = None
    """The user who asked for it, and who gets a direct message, until it is delivered; None for a
    result."""
    target: ResponseTarget
    created_at: float
    """Seconds since 1970, of the request."""

    @property
    def key(self) -> DeliveryKey:
        """Identifies an undelivered delivery."""
        return self.kind, self.job_id, self.request, self.target.guild_id


def direct_copy(job: Job, *, now: float) -> Delivery:
    """The delivery of a job's pictures to its user; a second one is the same."""
    return Delivery(
        kind=DeliveryKind.DIRECT,
        job_id=job.id,
        request=f"copy:{job.id}",
        recipient_id=job.user_id,
        target=ResponseTarget(channel_id=0),
        created_at=now,
    )


def result_of(job: Job) -> Delivery:
    """The delivery of a job's result."""
    return Delivery(
        kind=DeliveryKind.RESULT, job_id=job.id, target=job.target, created_at=job.created_at
    )
