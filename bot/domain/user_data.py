"""The data that is stored about a user: a summary and the exported file; pure."""

import gzip
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from bot.domain.job import Job
from bot.domain.picture import Picture, picture_id
from bot.domain.polls import Poll
from bot.domain.votes import Vote

AUDIT_DAYS: Final = 180
"""How long the audit log is kept."""
REVIEW_DAYS: Final = 30
"""How long the deletion of a reported job waits for the moderators' decision."""


class UserDataSummary(msgspec.Struct, frozen=True, kw_only=True):
    """How much is stored of a user."""

    jobs: int
    pictures: int
    """That have a file."""
    input_pictures: int
    under_review: int
    """Jobs that were reported and that moderators have not decided on."""
    audit_entries: int
    """By or about the user."""
    votes: int = 0
    """For pictures."""
    polls: int = 0
    """That the user started, and that have not ended."""
    oldest_at: float | None
    """When the oldest job was created; None if there is none."""
    settings: int = 0
    """That the user has set."""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing that the user could delete."""
        return not (self.jobs or self.settings or self.votes or self.polls)


class RetentionPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How long the operator keeps user data."""

    days: int | None = None
    """After how many days ended jobs are deleted; None for never."""
    logs_prompts: bool = False


def export_record(
    job: Job, pictures: Sequence[Picture], parents: Sequence[str] = ()
) -> dict[str, Any]:
    """A job in the exported file: Discord's ids are strings, times are seconds since 1970."""
    target = job.target
    return {
        "job": job.id,
        "kind": job.kind.name,
        "status": job.status,
        "asked_at": job.created_at,
        "person": str(job.user_id),
        "channel": str(target.channel_id),
        "server": None if target.guild_id is None else str(target.guild_id),
        "message": None if target.message_id is None else str(target.message_id),
        "reason": job.failure_reason,
        "variations_of": parents,
        "recipes": job.recipes,
        "plan": job.plan,
        "pictures": [_picture_record(picture) for picture in pictures],
    }


def vote_record(vote: Vote) -> dict[str, Any]:
    """A vote in the exported file."""
    return {
        "vote_for": vote.job_id if vote.nth is None else picture_id(vote.job_id, vote.nth),
        "message": str(vote.message_id),
        "voted_at": vote.created_at,
    }


def poll_record(poll: Poll) -> dict[str, Any]:
    """A poll in the exported file."""
    return {
        "poll_about": poll.picture_ids,
        "message": str(poll.message_id),
        "options": poll.options,
        "started_at": poll.created_at,
    }


def _picture_record(picture: Picture) -> dict[str, Any]:
    return {
        "picture": picture.id,
        "sha256": picture.sha256,
        "absent": picture.unavailable_reason,
        "fingerprint": picture.fingerprint,
    }


def export_file(entries: Sequence[dict[str, Any]], limit: int) -> tuple[str, bytes]:
    """Name and content of the file; compressed if it has more bytes than `limit`."""
    data = msgspec.json.format(msgspec.json.encode(entries), indent=1)
    if len(data) <= limit:
        return "imagine-bot.json", data
    return "imagine-bot.json.gz", gzip.compress(data)
