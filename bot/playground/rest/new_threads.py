"""Routes that create threads: from a message, or without one."""

from bot.playground.errors import ApiError, Json, wrong_channel_type
from bot.playground.model.guild import POSTS_ONLY, WITHOUT_THREADS, Channel, ChannelType
from bot.playground.model.messages import Message, MessageFlags
from bot.playground.model.permissions import Permission
from bot.playground.model.state import World
from bot.playground.rest import posts
from bot.playground.rest.api import Route
from bot.playground.rest.http import Request, Result
from bot.playground.rest.lookup import find_channel, find_message, require_permission
from bot.playground.rest.serializers.channels import channel_json, thread_member_json
from bot.playground.rest.serializers.message_events import message_event_json
from bot.playground.rest.threads import apply_settings
from bot.playground.rest.validation.channels import THREAD_SETTINGS
from bot.playground.rest.validation.fields import Choice, Model, Required, Text, read_form

TYPES = (
    ChannelType.ANNOUNCEMENT_THREAD,
    ChannelType.PUBLIC_THREAD,
    ChannelType.PRIVATE_THREAD,
)
NAME = Required(Text(100, 1))
FROM_MESSAGE = Model({**THREAD_SETTINGS, "name": NAME})
WITHOUT_MESSAGE = Model({**THREAD_SETTINGS, "name": NAME, "type": Choice(TYPES)})
THREADS = "/channels/{channel_id}/threads"


def create_from_message(world: World, request: Request) -> Result:
    """Create a thread that has the id of its message."""
    message = find_message(world, request)
    _check_parent(message.channel)
    form = read_form(FROM_MESSAGE, request.body.payload)
    require_permission(message.channel, Permission.CREATE_PUBLIC_THREADS)
    require_permission(message.channel, Permission.READ_MESSAGE_HISTORY)
    if message.flags & MessageFlags.HAS_THREAD:
        text = "A thread has already been created for this message"
        raise ApiError(400, 160004, text, violation=True)
    result = _create(world, message.channel, form, message=message)
    message.flags |= MessageFlags.HAS_THREAD
    world.emit("MESSAGE_UPDATE", message_event_json(world, message), message.channel)
    return 201, result


def create_without_message(world: World, request: Request) -> Result:
    """Create a post of a forum, or else a thread, by default a private one."""
    channel = find_channel(world, request)
    if channel.kind in POSTS_ONLY and channel.parent is None:
        return posts.start_post(world, channel, request.body)
    _check_parent(channel)
    form = read_form(WITHOUT_MESSAGE, request.body.payload)
    private = form.get("type", ChannelType.PRIVATE_THREAD) == ChannelType.PRIVATE_THREAD
    if private and channel.kind is not ChannelType.TEXT:
        raise wrong_channel_type()
    permission = Permission.CREATE_PRIVATE_THREADS if private else Permission.CREATE_PUBLIC_THREADS
    require_permission(channel, permission)
    return 201, _create(world, channel, form, private=private)


def _check_parent(channel: Channel) -> None:
    has_threads = channel.guild and channel.kind not in WITHOUT_THREADS | POSTS_ONLY
    if not has_threads or channel.parent:
        raise wrong_channel_type()


def _create(
    world: World,
    parent: Channel,
    form: Json,
    *,
    private: bool = False,
    message: Message | None = None,
) -> Json:
    thread = world.add_thread(parent, form["name"], world.bot, private=private, message=message)
    apply_settings(thread, form)
    data = channel_json(thread) | {"member": thread_member_json(thread, world.bot)}
    world.emit("THREAD_CREATE", data | {"newly_created": True}, thread)
    world.changes.notify()
    return data


ROUTES = [
    Route("POST", THREADS, create_without_message),
    Route("POST", "/channels/{channel_id}/messages/{message_id}/threads", create_from_message),
]
