"""What features depend on: the client's type, its interactions, and the services."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import discord
import msgspec
from discord import app_commands

from bot.gateway.sharded_client import ShardedClient
from bot.messages.action_views import ActionButton
from bot.messages.family_trees import FamilyTrees
from bot.messages.history_pages import HistoryPages
from bot.messages.languages import Languages
from bot.messages.message_client import MessageClient
from bot.messages.poll_messages import PollMessages
from bot.monitoring.status import StatusReporter
from bot.services.describer import Describer
from bot.services.gallery import Gallery
from bot.services.inputs import InputService
from bot.services.job_finder import JobFinder
from bot.services.job_service import JobService
from bot.services.moderation import ModerationService
from bot.services.outbox import Outbox
from bot.services.planner import Planner
from bot.services.polls import PollService
from bot.services.preferences import PreferenceService
from bot.services.presets import PresetService
from bot.services.prompt_expander import PromptExpander
from bot.services.queue_view import QueueView
from bot.services.reports import ReportService
from bot.services.retention import Retention
from bot.services.voting import VotingService


class Services(msgspec.Struct, frozen=True):
    """What features may use."""

    job_service: JobService
    planner: Planner
    job_finder: JobFinder
    inputs: InputService
    moderation: ModerationService
    presets: PresetService
    reports: ReportService
    status_reporter: StatusReporter
    message_client: MessageClient
    outbox: Outbox
    gallery: Gallery
    votes: VotingService
    polls: PollService
    poll_messages: PollMessages
    retention: Retention
    family_trees: FamilyTrees
    preferences: PreferenceService
    languages: Languages
    history: HistoryPages
    queue_view: QueueView
    prompt_expander: PromptExpander
    describer: Describer
    source_url: str | None
    """Where the operator publishes the source."""


class BotClient(ShardedClient):
    """What features use of the client; `services` is set before the first event arrives."""

    services: Services
    restrictable_commands: tuple[str, ...]
    """Names of the commands that a guild may forbid."""
    tree: app_commands.CommandTree[Any]
    """The commands of all features."""
    actions: Sequence[ActionButton]
    """The buttons and menus of all features below pictures and results."""
    reactions: Mapping[str, str]
    """What the reactions of all features do, by emoji."""
    handlers: set[asyncio.Task[Any]]
    """The tasks that handle events."""

    def track_current_task(self) -> None:
        """Make `drain` wait for the current task."""
        task = asyncio.current_task()
        if task is not None:
            self.handlers.add(task)
            task.add_done_callback(self.handlers.discard)


Interaction: TypeAlias = discord.Interaction[BotClient]


def services(interaction: Interaction) -> Services:
    """The services of the client that received this interaction."""
    return interaction.client.services
