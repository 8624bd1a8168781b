"""What is kept of a person, counted and as a file; pure."""

import gzip
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from bot.domain.job import Job
from bot.domain.picture import Picture

AUDIT_DAYS: Final = 180
"""For so long moderators can read what was refused, reported, removed and blocked."""
HOLD_DAYS: Final = 30
"""For so long a deletion waits for moderators who have not looked at a report of it."""


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """How much there is of a person."""

    jobs: int
    pictures: int
    """That have a file."""
    sketches: int
    held: int
    """Of the jobs, those that were reported and that moderators have yet to look at."""
    lines: int
    """Of the audit log, by or about the person."""
    since: float | None
    """When the oldest job was asked for; None if there is none."""


class Promise(msgspec.Struct, frozen=True, kw_only=True):
    """What whoever runs the bot has settled."""

    days: int | None = None
    """For how long finished jobs are kept; None for ever."""
    words_in_log: bool = False


def entry(job: Job, pictures: Sequence[Picture]) -> dict[str, Any]:
    """One job as it stands in the file: Discord's ids are strings, times seconds since 1970."""
    address = job.address
    return {
        "job": job.id,
        "kind": job.kind,
        "status": job.status,
        "asked_at": job.created_at,
        "person": str(job.person),
        "channel": str(address.channel),
        "server": None if address.guild is None else str(address.guild),
        "message": None if address.message is None else str(address.message),
        "reason": job.reason,
        "variations_of": job.parents,
        "recipes": job.recipes,
        "pictures": [_described(picture) for picture in pictures],
    }


def _described(picture: Picture) -> dict[str, Any]:
    return {
        "picture": picture.id,
        "sha256": picture.sha256,
        "absent": picture.absence,
        "fingerprint": picture.fingerprint,
    }


def written(entries: Sequence[dict[str, Any]], limit: int) -> tuple[str, bytes]:
    """The name and the content of the file; it is packed if it has more bytes than `limit`."""
    data = msgspec.json.format(msgspec.json.encode(entries), indent=1)
    if len(data) <= limit:
        return "imagine-bot.json", data
    return "imagine-bot.json.gz", gzip.compress(data)
