"""Find the job and the user of one of our messages from the message itself.

For messages of deleted jobs, which the database no longer links to a job.
"""

import re
from collections.abc import Iterator
from typing import Final

import discord

from bot.messages import components

_FILE_NAME: Final = re.compile(
    r"(?:SPOILER_)?(?P<job>[0-9a-z]{1,24})(?:-[0-9]{1,3})?\.(?:png|webp|jpg)"
)
"""Of the pictures that the bot uploads."""
_MENTION: Final = re.compile(r"(?<!\\)<@(?P<user>\d{1,20})>")
"""The mention of the user in our captions; mentions inside of prompts are escaped."""


def job_id_of(message: discord.Message) -> str | None:
    """The job that this message of ours shows, from its buttons or its files."""
    matches = (re.fullmatch(components.PATTERN, text) for text in _custom_ids(message))
    job_ids = [match["job"] for match in matches if match]
    job_ids += [job for file in message.attachments if (job := job_in_filename(file.filename))]
    return next(iter(job_ids), None)


def job_in_filename(name: str) -> str | None:
    """The job of an uploaded picture with this file name."""
    match = _FILE_NAME.fullmatch(name)
    return match["job"] if match else None


def _custom_ids(message: discord.Message) -> Iterator[str]:
    for row in message.components:
        for component in getattr(row, "children", ()):
            yield getattr(component, "custom_id", None) or ""


def owner_of(message: discord.Message) -> int | None:
    """The user who requested the job, or a picture at full size."""
    user_id, metadata = user_in_caption(message.content), message.interaction_metadata
    return user_id if user_id is not None or metadata is None else metadata.user.id


def user_in_caption(caption: str) -> int | None:
    """The user whom a caption of ours mentions."""
    match = _MENTION.search(caption)
    return int(match["user"]) if match else None
