"""Jobs: what a user requested, its status, and where it is shown."""

from enum import StrEnum
from typing import Final

import msgspec

from bot.domain.nsfw import UNKNOWN_CHANNEL, ChannelContext
from bot.domain.plan import JobKind, PlanDetails
from bot.i18n import _
from engine.contract import Work


class Status(StrEnum):
    """The state of a job."""

    ACCEPTED = "accepted"
    """Stored; the first response is sent, and the sketch, if any, is downloaded."""
    QUEUED = "queued"
    """Its recipes are complete, and it waits for the engine."""
    RUNNING = "running"
    """An engine runs it."""
    DONE = "done"
    """Its pictures are on disk and in the database."""
    FAILED = "failed"
    """It could not be painted; everybody who sees the message may read the reason."""
    CANCELLED = "cancelled"
    """A user or a moderator cancelled it."""
    REFUSED = "refused"
    """Its sketch was rejected; only its user may read the reason."""


FINAL_STATUSES: Final = frozenset({Status.DONE, Status.FAILED, Status.CANCELLED, Status.REFUSED})


class DeletionReason(StrEnum):
    """Why the user data of a job was deleted."""

    REQUESTED = "wish"
    """Its user requested it."""
    EXPIRED = "age"
    """It was older than the retention period."""

    @property
    def message(self) -> str:
        """For users who act on the job."""
        if self is DeletionReason.REQUESTED:
            return _("This was deleted at its author's request.")
        return _("This was deleted: pictures are kept for a limited time only.")


class ResponseTarget(msgspec.Struct, frozen=True, kw_only=True):
    """Where a job is shown: the interaction or channel, and the message once it exists."""

    channel_id: int
    guild_id: int | None = None
    message_id: int | None = None
    application_id: int | None = None
    token: str | None = None
    """The interaction's token: valid for 15 minutes, and a secret, so never logged."""
    reply_to_id: int | None = None
    """The message that a job without an interaction replies to, or that shows what is posted to a
    gallery."""

    def __repr__(self) -> str:
        return f"ResponseTarget(channel_id={self.channel_id}, message_id={self.message_id})"


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One request by one user."""

    id: str
    idempotency_key: str
    """Identifies the interaction or reaction; a second request with the same key makes no job."""
    kind: JobKind
    user_id: int
    target: ResponseTarget
    recipes: tuple[Work, ...]
    plan: PlanDetails = PlanDetails()
    include_flagged: bool = False
    """Store flagged pictures, because the channel may show them."""
    status: Status = Status.ACCEPTED
    attempt: int = 0
    """How often it was started; results of older attempts are ignored."""
    crashes: int = 0
    """How often the engine or the bot died while it was running."""
    max_concurrent: int | None = None
    """How many of this user's jobs may run while other users wait; None for the default."""
    failure_reason: str | None = None
    created_at: float
    """Seconds since 1970."""
    deletion_reason: DeletionReason | None = None
    """If set, prompts, user and pictures are gone, and after the delivery the target too."""

    @property
    def words(self) -> str:
        """The user's own words, or else the prompt of the first picture."""
        return self.plan.prompt or self.recipes[0].prompt

    @property
    def has_ended(self) -> bool:
        """Whether the status is final."""
        return self.status in FINAL_STATUSES


class ShownJob(msgspec.Struct, frozen=True):
    """What a message shows: a job, or only its nth picture."""

    job: Job
    nth: int | None
    channel_id: int | None = None
    """Where the message is, which may not be where the job was requested; None without a
    message."""
    guild_id: int | None = None


class JobTimings(msgspec.Struct, frozen=True, kw_only=True):
    """When an ended job passed through its states; times are seconds since 1970."""

    job_id: str
    status: Status
    picture_count: int
    """How many were requested."""
    created_at: float
    started_at: float | None
    """Start of the last attempt; None if there was none."""
    ended_at: float
    delivered_at: float | None

    @property
    def queue_seconds(self) -> float:
        """From the request to the last attempt, or to the end if there was none."""
        return max(0.0, (self.started_at or self.ended_at) - self.created_at)

    @property
    def run_seconds(self) -> float | None:
        """From the start of the last attempt to the end."""
        return None if self.started_at is None else max(0.0, self.ended_at - self.started_at)

    @property
    def delivery_seconds(self) -> float | None:
        """From the end to the delivery."""
        return None if self.delivered_at is None else max(0.0, self.delivered_at - self.ended_at)


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a job is: its position in the queue, or how much of it is painted."""

    engine_down: bool = False
    """It waits because no engine is connected."""
    jobs_ahead: int | None = None
    percent: int | None = None
    done: int = 0
    """The number of finished pictures."""
    pictures: int = 1
    """The number of pictures that were requested."""
    preview: bytes | None = None
    """A small JPEG."""
    ends_at: float | None = None
    """When it is expected to end, in seconds since 1970; None if that is unknown."""


class RequestContext(msgspec.Struct, frozen=True, kw_only=True):
    """The user, interaction and channel of a request."""

    idempotency_key: str
    user_id: int
    target: ResponseTarget
    channel: ChannelContext = UNKNOWN_CHANNEL
    role_ids: tuple[int, ...] = ()
    """The user's roles in the guild."""
    is_token_only: bool = False
    """Whether the bot can respond by the interaction's token alone: it is no member there."""
    is_private: bool = False
    """Whether only the user may see the result; then too, the token alone can show it."""
