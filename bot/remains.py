"""What a message of ours still tells of a job that was deleted from the record; pure."""

import re
from collections.abc import Iterator
from typing import Final

import discord

from bot import components

_FILE: Final = re.compile(r"(?:SPOILER_)?(?P<job>[0-9a-z]{1,24})(?:-[1-4])?\.(?:png|jpg)")
"""As our pictures are named on Discord."""
_OWNER: Final = re.compile(r"(?<!\\)<@(?P<person>\d{1,20})>")
"""As captions name who asked; in people's words such signs are escaped."""


def job(message: discord.Message) -> str | None:
    """The job that this message of ours shows, by its buttons or its files."""
    matches = [re.fullmatch(components.PATTERN, each) for each in _custom_ids(message)]
    matches += [_FILE.fullmatch(file.filename) for file in message.attachments]
    return next((match["job"] for match in matches if match), None)


def _custom_ids(message: discord.Message) -> Iterator[str]:
    for row in message.components:
        for part in getattr(row, "children", ()):
            yield getattr(part, "custom_id", None) or ""


def owner(message: discord.Message) -> int | None:
    """Who asked for what it shows; of a picture at full size, who had it shown."""
    named = _OWNER.search(message.content)
    if named is not None:
        return int(named["person"])
    asked = message.interaction_metadata
    return None if asked is None else asked.user.id
