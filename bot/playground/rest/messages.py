"""REST: messages of channels, and their reactions."""

from bot.playground.errors import ApiError, Json, invalid, unknown
from bot.playground.model.guild import Channel
from bot.playground.model.permissions import Permission
from bot.playground.model.state import Message, MessageType, World
from bot.playground.rest import message_writer
from bot.playground.rest.api import Route
from bot.playground.rest.http import Answer, Request
from bot.playground.rest.lookup import (
    find_channel,
    find_message,
    own,
    require_permission,
    require_send_permission,
)
from bot.playground.rest.message_writer import MessageTarget
from bot.playground.rest.reactions import add_reaction, drop_reaction
from bot.playground.rest.serializers.messages import message_json, user_json

NONCE_WINDOW = 5 * 60  # seconds in which enforce_nonce finds the earlier message
NONCE_LIMIT = 25
NEWEST = (1 << 63) - 1
MESSAGES = "/channels/{channel_id}/messages"
MESSAGE = MESSAGES + "/{message_id}"
REACTION = MESSAGE + "/reactions/{emoji_name}"
Result = tuple[int, Answer]


def create_message(world: World, request: Request) -> Result:
    """Post a message; the same nonce again (enforced) answers with the message it made."""
    channel = find_channel(world, request)
    require_send_permission(channel)
    if request.body.files:
        require_permission(channel, Permission.ATTACH_FILES)
    if channel.recipient and channel.recipient.closed_dms:
        raise ApiError(403, 50007, "Cannot send messages to this user")
    if earlier := _same_nonce(world, channel, request.body.payload):
        return 200, message_json(earlier, world.bot)
    reference = _reference(world, channel, request.body.payload)
    kind = MessageType.REPLY if reference else MessageType.DEFAULT
    message = message_writer.create(
        world, request.body, MessageTarget(channel, world.bot, kind, reference=reference)
    )
    return 200, message_json(message, world.bot)


def _same_nonce(world: World, channel: Channel, payload: Json) -> Message | None:
    nonce = payload.get("nonce")
    if isinstance(nonce, str) and len(nonce) > NONCE_LIMIT:
        raise invalid(("nonce",), "NONCE_TYPE_TOO_LONG", "Must be 25 or fewer in length.")
    if nonce is None or not payload.get("enforce_nonce"):
        return None
    since = world.clock.now() - NONCE_WINDOW
    for message in world.messages.values():
        same = message.nonce == nonce and message.author is world.bot
        if same and message.channel is channel and message.created_at > since:
            return message
    return None


def _reference(world: World, channel: Channel, payload: Json) -> Message | None:
    given = payload.get("message_reference")
    if not given:
        return None
    require_permission(channel, Permission.READ_MESSAGE_HISTORY)
    message = world.messages.get(int(given.get("message_id", 0)))
    if message and message.channel is channel:
        return message
    if given.get("fail_if_not_exists", True):
        raise invalid(("message_reference",), "REPLIES_UNKNOWN_MESSAGE", "Unknown message")
    return None


def get_message(world: World, request: Request) -> Result:
    """Fetch one message, with fresh addresses for its files."""
    message = find_message(world, request)
    require_permission(message.channel, Permission.READ_MESSAGE_HISTORY)
    return 200, message_json(message, world.bot)


def list_messages(world: World, request: Request) -> Result:
    """The newest messages of a channel, newest first."""
    channel = find_channel(world, request)
    require_permission(channel, Permission.READ_MESSAGE_HISTORY)
    limit = request.number("limit", 50, 1, 100)
    before = request.number("before", NEWEST, 0, NEWEST)
    after = request.number("after", 0, 0, NEWEST)
    found = [
        message_json(message, world.bot)
        for message in world.messages.values()
        if message.channel is channel and not message.ephemeral and after < message.id < before
    ]
    return 200, (found[:limit][::-1] if after else found[::-1][:limit])


def edit_message(world: World, request: Request) -> Result:
    """Change one of the bot's own messages."""
    message = own(world, find_message(world, request))
    message_writer.edit(world, message, request.body)
    return 200, message_json(message, world.bot)


def delete_message(world: World, request: Request) -> Result:
    """Delete the bot's own message, or anyone's with the permission."""
    message = find_message(world, request)
    if message.author is not world.bot:
        require_permission(message.channel, Permission.MANAGE_MESSAGES)
    message_writer.delete(world, message)
    return 204, None


def react(world: World, request: Request) -> Result:
    """Add the bot's reaction."""
    message = find_message(world, request)
    require_permission(message.channel, Permission.READ_MESSAGE_HISTORY)
    emoji = request.params["emoji_name"]
    if emoji not in message.reactions:
        require_permission(message.channel, Permission.ADD_REACTIONS)
    add_reaction(world, message, emoji, world.bot)
    return 204, None


def unreact(world: World, request: Request) -> Result:
    """Take the bot's own reaction away."""
    drop_reaction(world, find_message(world, request), request.params["emoji_name"], world.bot)
    return 204, None


def unreact_person(world: World, request: Request) -> Result:
    """Take somebody else's reaction away."""
    message = find_message(world, request)
    require_permission(message.channel, Permission.MANAGE_MESSAGES)
    user = world.users.get(request.snowflake("user_id"))
    if user is None:
        raise unknown("User", 10013)
    drop_reaction(world, message, request.params["emoji_name"], user)
    return 204, None


def list_reactions(world: World, request: Request) -> Result:
    """Who reacted with one emoji."""
    message = find_message(world, request)
    limit = request.number("limit", 25, 1, 100)
    after = request.number("after", 0, 0, NEWEST)
    users = message.reactions.get(request.params["emoji_name"], [])
    later = sorted((user for user in users if user.id > after), key=lambda user: user.id)
    return 200, [user_json(user) for user in later[:limit]]


def clear_reactions(world: World, request: Request) -> Result:
    """Take all reactions away, or those of one emoji."""
    message = find_message(world, request)
    require_permission(message.channel, Permission.MANAGE_MESSAGES)
    wanted = request.params.get("emoji_name")
    for emoji, users in list(message.reactions.items()):
        if wanted in (None, emoji):
            for user in list(users):
                drop_reaction(world, message, emoji, user)
    return 204, None


def typing(world: World, request: Request) -> Result:
    """Show that the bot is typing; the playground does not."""
    require_send_permission(find_channel(world, request))
    return 204, None


ROUTES = [
    Route("POST", MESSAGES, create_message),
    Route("GET", MESSAGES, list_messages),
    Route("GET", MESSAGE, get_message),
    Route("PATCH", MESSAGE, edit_message),
    Route("DELETE", MESSAGE, delete_message),
    Route("PUT", REACTION + "/@me", react),
    Route("DELETE", REACTION + "/@me", unreact),
    Route("DELETE", REACTION + "/{user_id}", unreact_person),
    Route("GET", REACTION, list_reactions),
    Route("DELETE", REACTION, clear_reactions),
    Route("DELETE", MESSAGE + "/reactions", clear_reactions),
    Route("POST", "/channels/{channel_id}/typing", typing),
]
