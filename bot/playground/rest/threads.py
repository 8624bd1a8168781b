"""Archived and locked threads: what they refuse, and what opens them; deletion of threads."""

from bot.playground.errors import ApiError, Json, missing_permissions
from bot.playground.model.guild import Channel
from bot.playground.model.permissions import Permission
from bot.playground.model.state import World
from bot.playground.rest.api import Route
from bot.playground.rest.http import Request, Result
from bot.playground.rest.lookup import (
    find_channel,
    require_permission,
)
from bot.playground.rest.serializers.channels import channel_json


def require_open(channel: Channel) -> None:
    """Raise ApiError if the channel is an archived thread: nothing in it can be changed."""
    if channel.archived:
        raise ApiError(400, 50083, "Thread is archived")


def open_by_message(world: World, channel: Channel) -> None:
    """Unarchive a thread before a new message; raise ApiError if it is locked."""
    if channel.locked and not channel.allows_bot(Permission.MANAGE_THREADS):
        raise ApiError(403, 160005, "Thread is locked")
    if channel.archived:
        update_thread(world, channel, archived=False)


def update_thread(
    world: World, thread: Channel, *, archived: bool | None = None, locked: bool | None = None
) -> None:
    """Archive or lock a thread, or undo it."""
    thread.archived = thread.archived if archived is None else archived
    thread.locked = thread.locked if locked is None else locked
    world.emit("THREAD_UPDATE", channel_json(thread), thread)
    world.changes.notify()


def apply_settings(thread: Channel, form: Json) -> None:
    """Set what a request says of a new or existing thread."""
    thread.archives_after = form.get("auto_archive_duration", thread.archives_after)
    thread.slowmode = form.get("rate_limit_per_user", thread.slowmode)
    thread.invitable = form.get("invitable", thread.invitable)


def delete_thread(world: World, request: Request) -> Result:
    """Delete a thread with its messages. The bot cannot delete other channels."""
    thread = find_channel(world, request)
    if thread.parent is None:
        raise missing_permissions()
    require_permission(thread, Permission.MANAGE_THREADS)
    data = channel_json(thread)
    remove_channel(world, thread)
    return 200, data


def remove_channel(world: World, channel: Channel) -> None:
    """Delete a channel or thread of a guild with its messages."""
    data = channel_json(channel)
    world.delete_channel(channel)
    if channel.parent:
        data = {name: data[name] for name in ("id", "guild_id", "parent_id", "type")}
    world.emit("THREAD_DELETE" if channel.parent else "CHANNEL_DELETE", data, channel)


ROUTES = [
    Route("DELETE", "/channels/{channel_id}", delete_thread),
]
