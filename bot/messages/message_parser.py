"""Messages of jobs that were deleted: the record knows them no more, they tell it themselves."""

import re
from collections.abc import Iterator
from typing import Final

import discord

from bot.db.jobs import Ledger
from bot.domain import rules
from bot.domain.job import Job
from bot.messages import components

_FILE: Final = re.compile(r"(?:SPOILER_)?(?P<job>[0-9a-z]{1,24})(?:-[1-4])?\.(?:png|jpg)")
"""As our pictures are named on Discord."""
_OWNER: Final = re.compile(r"(?<!\\)<@(?P<person>\d{1,20})>")
"""As captions name who asked; in people's words such signs are escaped."""


def job(message: discord.Message) -> str | None:
    """The job that this message of ours shows, by its buttons or its files."""
    buttons = (re.fullmatch(components.PATTERN, each) for each in _custom_ids(message))
    named = [match["job"] for match in buttons if match]
    named += [name for file in message.attachments if (name := of_file(file.filename))]
    return next(iter(named), None)


def of_file(name: str) -> str | None:
    """The job whose picture may be in a file of this name."""
    match = _FILE.fullmatch(name)
    return match["job"] if match else None


def _custom_ids(message: discord.Message) -> Iterator[str]:
    for row in message.components:
        for part in getattr(row, "children", ()):
            yield getattr(part, "custom_id", None) or ""


def owner(message: discord.Message) -> int | None:
    """Who asked for what it shows; of a picture at full size, who had it shown."""
    person, asked = named(message.content), message.interaction_metadata
    return person if person is not None or asked is None else asked.user.id


def named(caption: str) -> int | None:
    """Who asked for the job that this is the caption of."""
    match = _OWNER.search(caption)
    return int(match["person"]) if match else None


async def check(ledger: Ledger, message: discord.Message) -> None:
    """Raise Refused if the message shows something that was deleted."""
    erased = await deleted(ledger, message)
    if erased is not None:
        rules.check_remembered(erased)


async def deleted(ledger: Ledger, message: discord.Message) -> Job | None:
    """The deleted job that this message of ours shows; None if it shows none."""
    name = job(message)
    named = None if name is None else await ledger.job(name)
    return named if named is not None and named.erased is not None else None
