"""What the bot knows of a request: a job, where it is shown, and who asked for it."""

from enum import StrEnum
from typing import Final

import msgspec

from bot.domain.nsfw import UNKNOWN_CHANNEL, ChannelContext
from engine.contract import Recipe


class Status(StrEnum):
    """Where a job is on its way."""

    ACCEPTED = "accepted"
    """Recorded; the person is being answered and the sketch, if any, is being fetched."""
    QUEUED = "queued"
    """Its recipes are complete and it waits for its turn."""
    RUNNING = "running"
    """The engine has it."""
    DONE = "done"
    """Its pictures are on disk and in the record."""
    FAILED = "failed"
    """It could not be painted; the reason is for all who see the message."""
    CANCELLED = "cancelled"
    """Somebody stopped it."""
    REFUSED = "refused"
    """Its sketch was no good; the reason is for the person alone."""


FINAL_STATUSES: Final = frozenset({Status.DONE, Status.FAILED, Status.CANCELLED, Status.REFUSED})


class JobKind(StrEnum):
    """How a job came to be."""

    IMAGINE = "imagine"
    """Typed with /imagine."""
    REROLL = "reroll"
    """An earlier job again, with another seed."""
    VARIATION = "variation"
    """Like earlier pictures, but a little different."""


class DeletionReason(StrEnum):
    """Why nothing is left of a job but statistics."""

    REQUESTED = "wish"
    """Who asked for it wished so."""
    EXPIRED = "age"
    """It was older than anything is kept here."""

    @property
    def message(self) -> str:
        """For whoever asks about it."""
        if self is DeletionReason.REQUESTED:
            return "That was deleted at the wish of who asked for it."
        return "That was deleted: I keep pictures for a limited time."


class ResponseTarget(msgspec.Struct, frozen=True, kw_only=True):
    """Where a job is shown: a channel, and the message there once it is known."""

    channel_id: int
    guild_id: int | None = None
    message_id: int | None = None
    application_id: int | None = None
    token: str | None = None
    """Of the interaction: edits its answer for 15 minutes. A secret, so never in a log."""
    reply_to_id: int | None = None
    """The message that a job without an interaction answers."""

    def __repr__(self) -> str:
        return f"Address(channel={self.channel_id}, message={self.message_id})"


class Sketch(msgspec.Struct, frozen=True, kw_only=True):
    """A person's attachment, not fetched yet."""

    url: str
    strength: float
    keep_size: bool
    """The person asked for an aspect, so the sketch does not choose the size."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One request by one person: 1 to 4 recipes that differ in their seeds."""

    id: str
    idempotency_key: str
    """What asked for it, unique: the same interaction twice is one job."""
    kind: JobKind
    user_id: int
    target: ResponseTarget
    recipes: tuple[Recipe, ...]
    parents: tuple[str, ...] = ()
    """The pictures that a variation is like, by id."""
    sketch: Sketch | None = None
    include_flagged: bool = False
    """Where it was asked for, flagged pictures may be shown, so they are kept."""
    status: Status = Status.ACCEPTED
    attempt: int = 0
    """How often it was sent to the engine; what an older attempt says is ignored."""
    crashes: int = 0
    """How often the engine or the bot died while it was painted."""
    max_concurrent: int | None = None
    """How many of this person's jobs may be at the engine while others wait; None: as many as of
    everybody."""
    failure_reason: str | None = None
    created_at: float
    """Seconds since 1970."""
    deletion_reason: DeletionReason | None = None
    """If so, words, person and pictures are gone; the place, too, once the ending is shown."""

    @property
    def has_ended(self) -> bool:
        """Will nothing more come of it?"""
        return self.status in FINAL_STATUSES


class JobTimings(msgspec.Struct, frozen=True, kw_only=True):
    """A job that has ended, or whose ending has been seen, and when it was where."""

    job_id: str
    status: Status
    picture_count: int
    """That were asked for."""
    created_at: float
    started_at: float | None
    """Its last attempt; None if there was none."""
    ended_at: float
    delivered_at: float | None

    @property
    def queue_seconds(self) -> float:
        """Seconds from the request to its last attempt, or to its end if there was none."""
        return max(0.0, (self.started_at or self.ended_at) - self.created_at)

    @property
    def run_seconds(self) -> float | None:
        """Seconds from the beginning of its last attempt to its end."""
        return None if self.started_at is None else max(0.0, self.ended_at - self.started_at)

    @property
    def delivery_seconds(self) -> float | None:
        """Seconds from its end until that was seen."""
        return None if self.delivered_at is None else max(0.0, self.delivered_at - self.ended_at)


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a job is: `ahead` jobs before it, or `percent` of it painted, or neither yet."""

    engine_down: bool = False
    """It waits because there is no engine."""
    jobs_ahead: int | None = None
    percent: int | None = None
    preview: bytes | None = None
    """A small JPEG."""


class RequestContext(msgspec.Struct, frozen=True, kw_only=True):
    """Who asked for a job, by what, and where the answer goes."""

    idempotency_key: str
    user_id: int
    target: ResponseTarget
    channel: ChannelContext = UNKNOWN_CHANNEL
    role_ids: tuple[int, ...] = ()
    """Of the person, on that server."""
