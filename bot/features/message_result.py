"""The result that a message in the Apps menu shows."""

import discord

from bot.context import Interaction, services
from bot.domain import rules
from bot.domain.job import ShownJob
from bot.messages import message_parser


async def find(interaction: Interaction, message: discord.Message) -> ShownJob | None:
    """What a message shows; None if it shows no job. Raises Refused if the job was deleted."""
    finder = services(interaction).job_finder
    result = await finder.by_message(message.id)
    if result is None:
        deleted_job = await finder.deleted_job(message_parser.job_id_of(message))
        if deleted_job is not None:
            rules.check_not_deleted(deleted_job)
    return result
