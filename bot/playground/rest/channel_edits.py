"""The route that edits channels and threads."""

from bot.playground.errors import ApiError, Json, missing_permissions
from bot.playground.model.forum import ChannelFlags
from bot.playground.model.guild import POSTS_ONLY, Channel
from bot.playground.model.permissions import Permission
from bot.playground.model.state import World
from bot.playground.rest import forum
from bot.playground.rest.api import Route
from bot.playground.rest.http import Request, Result
from bot.playground.rest.lookup import (
    find_channel,
    require_permission,
    require_send_permission,
)
from bot.playground.rest.serializers.channels import channel_json
from bot.playground.rest.threads import apply_settings, require_open, update_thread
from bot.playground.rest.validation.channels import CHANNEL, SETTINGS, THREAD, check_tag_names
from bot.playground.rest.validation.fields import read_form

SETTABLE = ChannelFlags.REQUIRE_TAG | ChannelFlags.HIDE_MEDIA_DOWNLOAD_OPTIONS


def edit(world: World, request: Request) -> Result:
    """Modify a channel of a guild or a thread."""
    channel = find_channel(world, request)
    if channel.guild is None:
        raise missing_permissions()
    if channel.parent:
        edit_thread(world, channel, read_form(THREAD, request.body.payload))
    else:
        require_permission(channel, Permission.MANAGE_CHANNELS)
        edit_channel(world, channel, read_form(CHANNEL, request.body.payload))
    return 200, channel_json(channel)


def edit_thread(world: World, thread: Channel, form: Json) -> None:
    """Modify a thread. Everybody who may write in it may unarchive it, unless it is locked."""
    if set(form) == {"archived"} and not form["archived"] and not thread.locked:
        require_send_permission(thread)
    else:
        require_permission(thread, Permission.MANAGE_THREADS)
    if thread.archived and form.get("archived") is not False:
        require_open(thread)
    if forum.is_post(thread):
        _edit_post(world, thread, form)
    thread.name = form.get("name", thread.name)
    apply_settings(thread, form)
    update_thread(world, thread, archived=form.get("archived"), locked=form.get("locked"))


def _edit_post(world: World, post: Channel, form: Json) -> None:
    if "applied_tags" in form:
        new_ids, old_ids = [int(item) for item in form["applied_tags"]], post.applied_tag_ids
        post.applied_tag_ids = forum.checked_tag_ids(post.root, world.bot, new_ids, old_ids)
    if "flags" in form:
        flags = ChannelFlags(form["flags"]) & ChannelFlags.PINNED
        if flags:
            forum.check_can_pin_post(world, post)
        post.flags = flags


def edit_channel(world: World, channel: Channel, form: Json) -> None:
    """Modify a channel of a guild; raise ApiError, without a change, if it is not allowed."""
    if channel.kind in POSTS_ONLY:
        _edit_forum(world, channel, form)
    channel.name = form.get("name", channel.name)
    channel.nsfw = form.get("nsfw", channel.nsfw)
    channel.settings |= {name: value for name, value in form.items() if name in SETTINGS}
    world.emit("CHANNEL_UPDATE", channel_json(channel), channel)
    world.changes.notify()


def _edit_forum(world: World, channel: Channel, form: Json) -> None:
    before = channel.flags, channel.available_tags
    check_tag_names(form.get("available_tags", []))
    if "flags" in form:
        channel.flags = ChannelFlags(form["flags"]) & SETTABLE
    if "available_tags" in form:
        forum.set_available_tags(world, channel, form["available_tags"])
    try:
        forum.check_can_require_tags(channel)
    except ApiError:
        channel.flags, channel.available_tags = before
        raise


ROUTES = [Route("PATCH", "/channels/{channel_id}", edit)]
