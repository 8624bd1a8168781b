"""What the conditions change in the local Discord."""

from collections.abc import Callable
from dataclasses import dataclass

from bot.playground.faults import Rule
from bot.playground.gateway import changes
from bot.playground.gateway.sessions import Gateway
from bot.playground.gateway.websocket import WebSocketServer
from bot.playground.model.permissions import Permission
from bot.playground.model.state import FILE_LIMIT, World
from bot.playground.rest.threads import update_thread

DISCONNECT_SECONDS = 10.0
REPEATED_EVENTS = 20
ARCHIVE_SECONDS = 2.0
PREVIEW_SECONDS = 1.0
SMALL_FILE_LIMIT = 100_000  # bytes


@dataclass(frozen=True)
class Targets:
    """The parts of the playground that conditions change."""

    world: World
    gateway: Gateway
    sockets: WebSocketServer


Effect = Callable[[Targets, bool], None]
"""Begins if the second argument is true, otherwise ends."""


def requests(*rules: Rule) -> Effect:
    """Return the effect that requests meet faults."""

    def switch(targets: Targets, on: bool) -> None:
        faults = targets.world.cdn.faults
        for rule in rules:
            (faults.add if on else faults.remove)(rule)

    return switch


def refuse_dms(code: int) -> Effect:
    """Return the effect that direct messages are refused with this error code."""

    def switch(targets: Targets, on: bool) -> None:
        refusals = targets.world.dm_refusals
        (refusals.append if on else refusals.remove)(code)

    return switch


def block_word(word: str) -> Effect:
    """Return the effect that AutoMod blocks the messages with a word."""

    def switch(targets: Targets, on: bool) -> None:
        targets.world.blocked_word = word if on else ""

    return switch


def remove_permission(permission: Permission) -> Effect:
    """Return the effect that the bot lacks a permission in the channels of all guilds."""

    def switch(targets: Targets, on: bool) -> None:
        for channel in list(targets.world.channels.values()):
            if channel.guild and channel.parent is None:
                others = channel.bot_permissions & ~permission
                permissions = others if on else others | permission
                changes.set_bot_permissions(targets.world, channel, permissions)

    return switch


def limit_files(targets: Targets, on: bool) -> None:
    """Accept small files only."""
    targets.world.file_limit = SMALL_FILE_LIMIT if on else FILE_LIMIT


def archive_threads(targets: Targets, on: bool) -> None:
    """Archive all threads, and each again some time after a message."""
    world = targets.world
    world.archive_seconds = ARCHIVE_SECONDS if on else None
    if on:
        for channel in list(world.channels.values()):
            if channel.parent and not channel.archived:
                update_thread(world, channel, archived=True)


def add_link_previews(targets: Targets, on: bool) -> None:
    """Add previews to messages with links some time later."""
    targets.world.preview_seconds = PREVIEW_SECONDS if on else None


def disconnect(targets: Targets, on: bool) -> None:
    """Cut the connections to the gateway, and each new one some time later."""
    targets.sockets.connection_seconds = DISCONNECT_SECONDS if on else None
    if on:
        targets.sockets.drop()


def refuse_resume(targets: Targets, on: bool) -> None:
    """Cut the connections, and answer a Resume with opcode 9."""
    targets.gateway.resumable = not on
    if on:
        targets.sockets.drop()


def repeat_events(targets: Targets, on: bool) -> None:
    """Cut the connections, and send events again that the bot had before a Resume."""
    targets.gateway.repeated_events = REPEATED_EVENTS if on else 0
    if on:
        targets.sockets.drop()


def refuse_connections(targets: Targets, on: bool) -> None:
    """Cut the connections and accept no new ones."""
    targets.sockets.unavailable = on
    if on:
        targets.sockets.drop()


def ignore_heartbeats(targets: Targets, on: bool) -> None:
    """Do not acknowledge heartbeats."""
    targets.sockets.set_heartbeat_acks(on=not on)


def hide_guild(targets: Targets, on: bool) -> None:
    """Make the default guild unavailable."""
    changes.set_available(targets.world, targets.world.default_guild, available=not on)
