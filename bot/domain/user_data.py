"""What is kept of a person, counted and as a file; pure."""

import gzip
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from bot.domain.job import Job
from bot.domain.picture import Picture

AUDIT_DAYS: Final = 180
"""For so long moderators can read what was refused, reported, removed and blocked."""
REVIEW_DAYS: Final = 30
"""For so long a deletion waits for moderators who have not looked at a report of it."""


class UserDataSummary(msgspec.Struct, frozen=True, kw_only=True):
    """How much there is of a person."""

    jobs: int
    pictures: int
    """That have a file."""
    sketches: int
    under_review: int
    """Of the jobs, those that were reported and that moderators have yet to look at."""
    audit_entries: int
    """Of the audit log, by or about the person."""
    oldest_at: float | None
    """When the oldest job was asked for; None if there is none."""


class RetentionPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """What whoever runs the bot has settled."""

    days: int | None = None
    """For how long finished jobs are kept; None for ever."""
    logs_prompts: bool = False


def export_record(job: Job, pictures: Sequence[Picture]) -> dict[str, Any]:
    """One job as it stands in the file: Discord's ids are strings, times seconds since 1970."""
    address = job.target
    return {
        "job": job.id,
        "kind": job.kind,
        "status": job.status,
        "asked_at": job.created_at,
        "person": str(job.user_id),
        "channel": str(address.channel_id),
        "server": None if address.guild_id is None else str(address.guild_id),
        "message": None if address.message_id is None else str(address.message_id),
        "reason": job.failure_reason,
        "variations_of": job.parents,
        "recipes": job.recipes,
        "pictures": [_described(picture) for picture in pictures],
    }


def _described(picture: Picture) -> dict[str, Any]:
    return {
        "picture": picture.id,
        "sha256": picture.sha256,
        "absent": picture.unavailable_reason,
        "fingerprint": picture.fingerprint,
    }


def export_file(entries: Sequence[dict[str, Any]], limit: int) -> tuple[str, bytes]:
    """The name and the content of the file; it is packed if it has more bytes than `limit`."""
    data = msgspec.json.format(msgspec.json.encode(entries), indent=1)
    if len(data) <= limit:
        return "imagine-bot.json", data
    return "imagine-bot.json.gz", gzip.compress(data)
