"""The channels and commands that a guild allows, for commands, buttons, forms and reactions."""

import re
from collections.abc import Awaitable, Callable, Collection
from functools import partial

import discord
import msgspec

from bot.context import BotClient, Interaction, services
from bot.domain.job import Job
from bot.domain.preferences import check_allowed
from bot.errors import Refused
from bot.features.exports import Action, Component, Exports
from bot.features.permissions import CannotReply
from bot.features.preferences import settings_channel_id, settings_guild_id


def command_names(feature: Exports) -> tuple[str, ...]:
    """The names of a feature's commands, which are those of its buttons and forms, too."""
    return tuple(command.name for command in feature.commands)


def check(interaction: Interaction, commands: Collection[str]) -> None:
    """Raise Refused if the guild allows none of these commands, or not in this channel."""
    guild_id = settings_guild_id(interaction)
    if guild_id is None:
        return
    preferences = services(interaction).preferences.of(guild_id, None, None)
    channel_id = settings_channel_id(interaction.channel, interaction.channel_id)
    check_allowed(preferences, channel_id, commands)


def check_reaction(client: BotClient, reaction: discord.RawReactionActionEvent) -> None:
    """As `check_channel`, for the channel of a reaction."""
    check_channel(client, reaction.guild_id, reaction.channel_id)


def check_channel(
    client: BotClient, guild_id: int | None, channel_id: int, commands: Collection[str] = ()
) -> None:
    """Raise CannotReply, whose sentence is for a direct message, if the guild does not allow the
    bot in this channel, or none of these commands, if there are any."""
    guild = client.get_guild(guild_id or 0)
    if guild is None:
        return
    channel = guild.get_channel_or_thread(channel_id)
    preferences = client.services.preferences.of(guild.id, None, None)
    try:
        check_allowed(preferences, settings_channel_id(channel, channel_id), commands)
    except Refused as error:
        raise CannotReply(str(error)) from None


def restricted(feature: Exports) -> Exports:
    """The feature, whose buttons, menus and forms check first whether the guild allows them."""
    if feature.is_always_allowed:
        return feature
    names = command_names(feature)
    return msgspec.structs.replace(
        feature,
        actions=tuple(_restricted_action(action, names) for action in feature.actions),
        components=tuple(_restricted_component(item, names) for item in feature.components),
        modals=tuple(_restricted_component(item, names) for item in feature.modals),
    )


def _restricted_action(action: Action, names: Collection[str]) -> Action:
    if action.is_always_allowed:
        return action
    return msgspec.structs.replace(action, handler=partial(_act, action.handler, names))


async def _act(
    handler: Callable[[Interaction, Job, int], Awaitable[None]],
    names: Collection[str],
    interaction: Interaction,
    job: Job,
    nth: int,
) -> None:
    check(interaction, names)
    await handler(interaction, job, nth)


def _restricted_component(component: Component, names: Collection[str]) -> Component:
    return Component(component.pattern, partial(_use, component.on_use, names))


async def _use(
    on_use: "Callable[[Interaction, re.Match[str]], Awaitable[None]]",
    names: Collection[str],
    interaction: Interaction,
    match: "re.Match[str]",
) -> None:
    check(interaction, names)
    await on_use(interaction, match)
