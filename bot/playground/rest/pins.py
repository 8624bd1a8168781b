"""Pinned messages: the routes, and pins by people.

https://docs.discord.com/developers/resources/message#get-channel-pins
"""

from datetime import datetime

from bot.playground.clock import iso
from bot.playground.errors import ApiError, Json, invalid
from bot.playground.model.guild import Channel, User
from bot.playground.model.messages import Message, MessageType
from bot.playground.model.permissions import Permission
from bot.playground.model.state import World
from bot.playground.rest import message_writer
from bot.playground.rest.api import Route
from bot.playground.rest.http import Request, Result
from bot.playground.rest.lookup import find_channel, find_message, require_permission
from bot.playground.rest.message_writer import MessageTarget
from bot.playground.rest.serializers.message_content import visible_message_json
from bot.playground.rest.serializers.message_events import message_event_json
from bot.playground.rest.threads import require_open

PINS_LIMIT = 250  # in a channel
PAGE_LIMIT = 50
PINS = "/channels/{channel_id}/messages/pins"
DEPRECATED_PINS = "/channels/{channel_id}/pins"


def pin(world: World, message: Message, user: User) -> None:
    """Pin a message, and announce it; raise ApiError if it cannot be pinned."""
    if message.is_system:
        raise ApiError(403, 50021, "Cannot execute action on a system message")
    require_open(message.channel)
    if message.pinned_at is not None:
        return
    if len(pinned_messages(world, message.channel)) >= PINS_LIMIT:
        sentence = f"Maximum number of pins reached for the channel ({PINS_LIMIT})"
        raise ApiError(400, 30003, sentence)
    message.pinned_at = world.clock.now()
    _emit(world, message)
    target = MessageTarget(
        message.channel, user, MessageType.CHANNEL_PINNED_MESSAGE, reference=message
    )
    message_writer.publish(world, message_writer.new_message(world, target))


def unpin(world: World, message: Message) -> None:
    """Unpin a message; nothing happens if it is not pinned."""
    require_open(message.channel)
    if message.pinned_at is not None:
        message.pinned_at = None
        _emit(world, message)


def pinned_messages(world: World, channel: Channel) -> list[Message]:
    """Return the pinned messages of a channel, the one that was pinned last first."""
    pinned = [
        (message.pinned_at, message.id, message)
        for message in world.messages.values()
        if message.channel is channel and message.pinned_at is not None
    ]
    return [message for _, _, message in sorted(pinned, key=lambda item: item[:2], reverse=True)]


def _emit(world: World, message: Message) -> None:
    """Emit MESSAGE_UPDATE and CHANNEL_PINS_UPDATE."""
    channel = message.channel
    latest = next(iter(pinned_messages(world, channel)), None)
    channel.last_pin_at = latest.pinned_at if latest else None
    world.emit("MESSAGE_UPDATE", message_event_json(world, message), channel)
    event: Json = {"channel_id": str(channel.id), "last_pin_timestamp": None}
    if channel.last_pin_at is not None:
        event["last_pin_timestamp"] = iso(channel.last_pin_at)
    if channel.guild:
        event["guild_id"] = str(channel.guild.id)
    world.emit("CHANNEL_PINS_UPDATE", event, channel)
    world.notify_changed(message)


def pin_message(world: World, request: Request) -> Result:
    message = find_message(world, request)
    require_permission(message.channel, Permission.PIN_MESSAGES)
    pin(world, message, world.bot)
    return 204, None


def unpin_message(world: World, request: Request) -> Result:
    message = find_message(world, request)
    require_permission(message.channel, Permission.PIN_MESSAGES)
    unpin(world, message)
    return 204, None


def list_pins(world: World, request: Request) -> Result:
    """List the pinned messages before a time, the one that was pinned last first."""
    limit = request.integer("limit", PAGE_LIMIT, 1, PAGE_LIMIT)
    before = _time(request.query["before"]) if "before" in request.query else float("inf")
    messages = [m for m in _readable_pins(world, request) if _time(_pinned_at(m)) < before]
    items: list[Json] = [
        {"pinned_at": _pinned_at(message), "message": visible_message_json(world, message)}
        for message in messages[:limit]
    ]
    return 200, {"items": items, "has_more": len(messages) > limit}


def list_first_pins(world: World, request: Request) -> Result:
    """List at most 50 pinned messages, as the deprecated route does."""
    messages = _readable_pins(world, request)[:PAGE_LIMIT]
    return 200, [visible_message_json(world, message) for message in messages]


def _readable_pins(world: World, request: Request) -> list[Message]:
    """Return the pinned messages; none without the permission to read the history."""
    channel = find_channel(world, request)
    if channel.guild and not channel.allows_bot(Permission.READ_MESSAGE_HISTORY):
        return []
    return pinned_messages(world, channel)


def _pinned_at(message: Message) -> str:
    return iso(message.pinned_at or 0.0)


def _time(text: str) -> float:
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        message = f"Could not parse {text}. Should be ISO8601."
        raise invalid(("before",), "DATE_TIME_TYPE_PARSE", message) from None


ROUTES = [  # before the routes of one message
    Route("GET", PINS, list_pins),
    Route("PUT", PINS + "/{message_id}", pin_message),
    Route("DELETE", PINS + "/{message_id}", unpin_message),
    Route("GET", DEPRECATED_PINS, list_first_pins),
    Route("PUT", DEPRECATED_PINS + "/{message_id}", pin_message),
    Route("DELETE", DEPRECATED_PINS + "/{message_id}", unpin_message),
]
