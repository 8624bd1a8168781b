"""Messages of jobs that were deleted: the record knows them no more, they tell it themselves."""

from typing import TYPE_CHECKING

import discord

from bot.domain import rules
from bot.domain.job import Job
from bot.messages import message_parser

if TYPE_CHECKING:
    from bot.client import Client


async def check(client: "Client", message: discord.Message) -> None:
    """Raise Refused if the message shows something that was deleted."""
    job = await deleted(client, message)
    if job is not None:
        rules.check_remembered(job)


async def deleted(client: "Client", message: discord.Message) -> Job | None:
    """The deleted job that this message of ours shows; None if it shows none."""
    name = message_parser.job(message)
    job = None if name is None else await client.desk.ledger.job(name)
    return job if job is not None and job.erased is not None else None
