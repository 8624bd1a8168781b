"""Archived and locked threads: what they refuse, and what opens them."""

from bot.playground.errors import ApiError
from bot.playground.model.guild import Channel
from bot.playground.model.permissions import Permission
from bot.playground.model.state import World
from bot.playground.rest.api import Route
from bot.playground.rest.http import Request, Result
from bot.playground.rest.lookup import (
    find_channel,
    require_permission,
    require_send_permission,
)
from bot.playground.rest.serializers.messages import channel_json
from bot.playground.rest.validation.fields import Boolean, Model, Text, read_form

THREAD = Model({"name": Text(100, 1), "archived": Boolean(), "locked": Boolean()})


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


def edit_thread(world: World, request: Request) -> Result:
    """Modify a thread. Everybody who may write in it may unarchive it, unless it is locked."""
    thread = find_channel(world, request)
    if thread.parent is None:
        raise ApiError(403, 50013, "Missing Permissions")
    form = read_form(THREAD, request.body.payload)
    if set(form) == {"archived"} and not form["archived"] and not thread.locked:
        require_send_permission(thread)
    else:
        require_permission(thread, Permission.MANAGE_THREADS)
    if thread.archived and form.get("archived") is not False:
        require_open(thread)
    thread.name = form.get("name", thread.name)
    update_thread(world, thread, archived=form.get("archived"), locked=form.get("locked"))
    return 200, channel_json(thread)


ROUTES = [Route("PATCH", "/channels/{channel_id}", edit_thread)]
