"""What a feature registers with the client."""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

import discord
import msgspec
from discord import app_commands

from bot.context import BotClient, Interaction
from bot.domain.job import Job
from bot.messages.action_views import ActionButton

GroupCommand: TypeAlias = app_commands.Command[Any, ..., Any] | app_commands.Group
AnyCommand: TypeAlias = GroupCommand | app_commands.ContextMenu
ReactionHandler: TypeAlias = Callable[[BotClient, discord.RawReactionActionEvent], Awaitable[None]]
ReactionClear: TypeAlias = discord.RawReactionClearEvent | discord.RawReactionClearEmojiEvent
"""A moderator or a bot removed all reactions to a message, or all with one emoji."""
ClearHandler: TypeAlias = Callable[[BotClient, ReactionClear], Awaitable[None]]
BanHandler: TypeAlias = Callable[[BotClient, int, int], Awaitable[None]]
"""Takes the ids of the guild and of the user."""
MessageHandler: TypeAlias = Callable[[BotClient, discord.Message], Awaitable[None]]
"""Gets all messages, but the content only of those that mention the bot, and of direct messages."""
StartupWork: TypeAlias = Callable[[BotClient], Awaitable[None]]


class Component(NamedTuple):
    """The custom ids of buttons, menus or modals, and the handler of a click, a choice or a
    submission; it gets the match of the custom id, which has all of their state."""

    pattern: str
    on_use: Callable[[Interaction, "re.Match[str]"], Awaitable[None]]


class Action(ActionButton, frozen=True, kw_only=True):
    """A button or menu of jobs or pictures, and what it does.

    The handler takes the interaction, the job, which was not deleted, and the 1-based number of
    the picture, or 0 for the whole job; of a menu, the chosen number.
    An action that no kind names and that offers itself nowhere has menus in views of its feature.
    """

    handler: Callable[[Interaction, Job, int], Awaitable[None]]
    is_always_allowed: bool = False
    """Whether it works where the guild does not allow the bot."""
    is_marked: bool = True
    """Whether its button shows that it was pressed."""


class Exports(msgspec.Struct, frozen=True, kw_only=True):
    """What the client registers for a feature."""

    commands: tuple[AnyCommand, ...] = ()
    actions: tuple[Action, ...] = ()
    components: tuple[Component, ...] = ()
    """Buttons and menus beside those of the actions; they also work after a restart."""
    modals: tuple[Component, ...] = ()
    reactions: Mapping[str, str] = {}
    """What a reaction to a result does, by emoji, for /help."""
    on_reaction_add: tuple[ReactionHandler, ...] = ()
    on_reaction_remove: tuple[ReactionHandler, ...] = ()
    on_reaction_clear: tuple[ClearHandler, ...] = ()
    on_message: tuple[MessageHandler, ...] = ()
    on_ban: tuple[BanHandler, ...] = ()
    on_ready: tuple[StartupWork, ...] = ()
    """Run after each connection to Discord."""
    is_always_allowed: bool = False
    """Whether a guild can neither forbid its commands nor the channels where they are used."""
