"""What the features work with: the client, an interaction of it, and the parts of the bot."""

import asyncio
from typing import Any, TypeAlias

import discord
import msgspec

from bot.db.erasure import Privacy
from bot.db.guild_settings import NsfwLevels, RoleLimits
from bot.db.jobs import Ledger
from bot.db.moderation import Moderation
from bot.db.pending_interactions import Presses
from bot.domain.user_data import Promise
from bot.messages.channels import Whereabouts
from bot.messages.message_client import Mailbox
from bot.monitoring.status import Monitor
from bot.services.admission import AdmissionPolicy
from bot.services.job_service import JobService
from bot.services.retention import Retention
from bot.storage import FileStorage


class Desk(msgspec.Struct, frozen=True):
    """The parts of the bot that a person's wish can reach."""

    studio: JobService
    ledger: Ledger
    presses: Presses
    archive: FileStorage
    moderation: Moderation
    gate: AdmissionPolicy
    monitor: Monitor
    whereabouts: Whereabouts
    levels: NsfwLevels
    roles: RoleLimits
    mailbox: Mailbox
    privacy: Privacy
    retention: Retention
    promise: Promise


class BotClient(discord.Client):
    """What features see of our client; `desk` must be set before it starts."""

    desk: Desk
    said: set[tuple[int, int, str]]
    """Sentences that stand below a message for a moment, each for a person."""
    passing: set[asyncio.Task[None]]
    """Each takes one of those sentences away when its time is over, or when it is cancelled."""
    answering: set[asyncio.Task[Any]]
    """What is being done for people who pressed, typed or reacted."""

    def answers(self) -> None:
        """The task that calls this answers somebody, until it ends."""
        task = asyncio.current_task()
        if task is not None:
            self.answering.add(task)
            task.add_done_callback(self.answering.discard)


Interaction: TypeAlias = discord.Interaction[BotClient]


def desk(interaction: Interaction) -> Desk:
    """The parts of the bot that this person's wish can reach."""
    return interaction.client.desk


def is_moderator(interaction: Interaction) -> bool:
    """May this person delete other people's messages here?"""
    may = interaction.permissions
    return interaction.guild_id is not None and (may.manage_messages or may.administrator)
