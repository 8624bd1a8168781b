"""Routes for messages and reactions."""

from bisect import bisect_left

from bot.playground.errors import (
    DMS_CLOSED,
    EXPLICIT_DM,
    NO_MUTUAL_GUILD,
    ApiError,
    Json,
    cannot_use_sticker,
    dm_refused,
    invalid,
    unknown,
)
from bot.playground.model.guild import POSTS_ONLY, Channel, User
from bot.playground.model.messages import Message, MessageType
from bot.playground.model.permissions import Permission
from bot.playground.model.state import World
from bot.playground.rest import forwards, message_writer
from bot.playground.rest.api import Route
from bot.playground.rest.http import Request, Result
from bot.playground.rest.lookup import (
    find_channel,
    find_message,
    require_own_message,
    require_permission,
    require_send_permission,
)
from bot.playground.rest.message_writer import MessageTarget
from bot.playground.rest.reactions import (
    add_reaction,
    check_emoji,
    clear_reactions,
    remove_reaction,
)
from bot.playground.rest.request_body import RequestBody
from bot.playground.rest.serializers.message_content import visible_message_json
from bot.playground.rest.serializers.users import user_json
from bot.playground.rest.threads import open_by_message, require_open

NONCE_SECONDS = 5 * 60  # how long enforce_nonce finds an earlier message
MESSAGES = "/channels/{channel_id}/messages"
MESSAGE = MESSAGES + "/{message_id}"
REACTION = MESSAGE + "/reactions/{emoji_name}"


def create_message(world: World, request: Request) -> Result:
    """Create a message. A repeated nonce with `enforce_nonce` returns the earlier message."""
    channel = find_channel(world, request)
    if channel.type in POSTS_ONLY:
        raise ApiError(400, 50008, "Cannot send messages in a non-text channel")
    require_send_permission(channel)
    if channel.recipient:
        _check_recipient(world, channel.recipient, has_files=bool(request.body.files))
    body = message_writer.read(request.body)
    check_permissions(channel, body)
    if body.payload.get("sticker_ids"):
        raise cannot_use_sticker()
    open_by_message(world, channel)
    if earlier := _find_by_nonce(world, channel, body.payload):
        return 200, visible_message_json(world, earlier)
    if forwards.is_forward(body.payload):
        message = forwards.create(world, body, MessageTarget(channel, world.bot))
        return 200, visible_message_json(world, message)
    reference = _reference(world, channel, body.payload)
    message_type = MessageType.REPLY if reference else MessageType.DEFAULT
    message = message_writer.create(
        world, body, MessageTarget(channel, world.bot, message_type, reference=reference)
    )
    return 200, visible_message_json(world, message)


def _check_recipient(world: World, user: User, *, has_files: bool) -> None:
    """Raise ApiError if the user gets no DM from the bot."""
    if user.closed_dms:
        raise dm_refused(DMS_CLOSED)
    if not user.has_app and not any(user in guild.members for guild in world.guilds.values()):
        raise dm_refused(NO_MUTUAL_GUILD)
    for code in world.dm_refusals:
        if code != EXPLICIT_DM or has_files:
            raise dm_refused(code)


def check_permissions(channel: Channel, body: RequestBody) -> None:
    """Raise ApiError if the bot may not send files, embeds or polls.

    Interaction responses always may have them.
    """
    if body.files:
        require_permission(channel, Permission.ATTACH_FILES)
    if body.payload.get("embeds"):
        require_permission(channel, Permission.EMBED_LINKS)
    if body.payload.get("poll"):
        require_permission(channel, Permission.SEND_POLLS)


def _find_by_nonce(world: World, channel: Channel, payload: Json) -> Message | None:
    nonce = payload.get("nonce")
    if nonce is None or not payload.get("enforce_nonce"):
        return None
    cutoff = world.clock.now() - NONCE_SECONDS
    for message in world.messages.values():
        is_repeated = message.nonce == nonce and message.author is world.bot
        if is_repeated and message.channel is channel and message.created_at > cutoff:
            return message
    return None


def _reference(world: World, channel: Channel, payload: Json) -> Message | None:
    reference = payload.get("message_reference")
    if not reference:
        return None
    if channel.guild and not channel.allows_bot(Permission.READ_MESSAGE_HISTORY):
        raise ApiError(403, 160002, "Cannot reply without permission to read message history")
    if reference.get("channel_id", str(channel.id)) != str(channel.id):
        code = "REPLIES_CANNOT_REFERENCE_OTHER_CHANNEL"
        sentence = "Cannot reply to a message in a different channel"
        raise invalid(("message_reference",), code, sentence)
    message = world.messages.get(int(reference["message_id"]))
    if message and message.channel is channel and not message.ephemeral:
        if message.is_system:
            code = "REPLIES_CANNOT_REFERENCE_SYSTEM_MESSAGE"
            sentence = "Cannot reply to a system message"
            raise invalid(("message_reference",), code, sentence)
        return message
    if reference.get("fail_if_not_exists", True):
        raise invalid(("message_reference",), "REPLIES_UNKNOWN_MESSAGE", "Unknown message")
    return None


def get_message(world: World, request: Request) -> Result:
    """Fetch a message, with newly signed attachment URLs."""
    message = find_message(world, request)
    require_permission(message.channel, Permission.READ_MESSAGE_HISTORY)
    return 200, visible_message_json(world, message)


def list_messages(world: World, request: Request) -> Result:
    """List the messages of a channel, newest first."""
    channel = find_channel(world, request)
    require_permission(channel, Permission.READ_MESSAGE_HISTORY)
    messages = [
        message
        for message in world.messages.values()
        if message.channel is channel and not message.ephemeral
    ]
    return 200, [visible_message_json(world, message) for message in _page(messages, request)[::-1]]


def _page(messages: list[Message], request: Request) -> list[Message]:
    """Return the messages that `around`, `before` or `after` and `limit` select, oldest first.

    `around` returns the message itself and `limit // 2` on both sides, so one more than an even
    limit.
    """
    limit = request.integer("limit", 50, 1, 100)
    if "around" in request.query:
        message_id = request.query_id("around")
        start, end = _position(messages, message_id), _position(messages, message_id + 1)
        return messages[max(start - limit // 2, 0) : end + limit // 2]
    if "before" in request.query:
        messages = messages[: _position(messages, request.query_id("before"))]
    elif "after" in request.query:
        start = _position(messages, request.after() + 1)
        return messages[start : start + limit]
    return messages[-limit:]


def _position(messages: list[Message], message_id: int) -> int:
    """Return the index of the first message that is not older."""
    return bisect_left(messages, message_id, key=lambda message: message.id)


def edit_message(world: World, request: Request) -> Result:
    """Edit a message of the bot. A moderator may set the flags of any message."""
    message = find_message(world, request)
    body = message_writer.read(request.body)
    if message.author is not world.bot and set(body.payload) == {"flags"}:
        require_permission(message.channel, Permission.MANAGE_MESSAGES)
        require_open(message.channel)
        message_writer.set_flags(world, message, body)
        return 200, visible_message_json(world, message)
    require_own_message(world, message)
    require_open(message.channel)
    check_permissions(message.channel, body)
    if body.payload.get("sticker_ids"):
        raise ApiError(400, 50080, "Cannot edit stickers within a message", violation=True)
    message_writer.edit(world, message, body)
    return 200, visible_message_json(world, message)


def delete_message(world: World, request: Request) -> Result:
    """Delete a message of the bot, or any message with MANAGE_MESSAGES."""
    message = find_message(world, request)
    if message.author is not world.bot:
        require_permission(message.channel, Permission.MANAGE_MESSAGES)
    require_open(message.channel)
    message_writer.delete(world, message)
    return 204, None


def create_own_reaction(world: World, request: Request) -> Result:
    """Add a reaction of the bot."""
    message = find_message(world, request)
    require_permission(message.channel, Permission.READ_MESSAGE_HISTORY)
    emoji = request.params["emoji_name"]
    if emoji not in message.reactions:
        require_permission(message.channel, Permission.ADD_REACTIONS)
    require_open(message.channel)
    add_reaction(world, message, emoji, world.bot)
    return 204, None


def delete_own_reaction(world: World, request: Request) -> Result:
    """Remove a reaction of the bot."""
    message = find_message(world, request)
    require_open(message.channel)
    remove_reaction(world, message, request.params["emoji_name"], world.bot)
    return 204, None


def delete_user_reaction(world: World, request: Request) -> Result:
    """Remove a reaction of another user."""
    message = find_message(world, request)
    require_permission(message.channel, Permission.MANAGE_MESSAGES)
    user = world.users.get(request.snowflake("user_id"))
    if user is None:
        raise unknown("User", 10013)
    require_open(message.channel)
    remove_reaction(world, message, request.params["emoji_name"], user)
    return 204, None


def list_reactions(world: World, request: Request) -> Result:
    """List the users who reacted with an emoji."""
    message = find_message(world, request)
    limit = request.integer("limit", 25, 1, 100)
    after = request.after()
    check_emoji(request.params["emoji_name"])
    users = message.reactions.get(request.params["emoji_name"], [])
    page = sorted((user for user in users if user.id > after), key=lambda user: user.id)
    return 200, [user_json(user) for user in page[:limit]]


def delete_reactions(world: World, request: Request) -> Result:
    """Remove all reactions, or those with one emoji."""
    message = find_message(world, request)
    if message.channel.guild is None:
        raise ApiError(403, 50003, "Cannot execute action on a DM channel")
    require_permission(message.channel, Permission.MANAGE_MESSAGES)
    require_open(message.channel)
    clear_reactions(world, message, request.params.get("emoji_name"))
    return 204, None


def trigger_typing(world: World, request: Request) -> Result:
    """Check the permission; the page shows no typing indicator."""
    require_send_permission(find_channel(world, request))
    return 204, None


ROUTES = [
    Route("POST", MESSAGES, create_message),
    Route("GET", MESSAGES, list_messages),
    Route("GET", MESSAGE, get_message),
    Route("PATCH", MESSAGE, edit_message),
    Route("DELETE", MESSAGE, delete_message),
    Route("PUT", REACTION + "/@me", create_own_reaction),
    Route("DELETE", REACTION + "/@me", delete_own_reaction),
    Route("DELETE", REACTION + "/{user_id}", delete_user_reaction),
    Route("GET", REACTION, list_reactions),
    Route("DELETE", REACTION, delete_reactions),
    Route("DELETE", MESSAGE + "/reactions", delete_reactions),
    Route("POST", "/channels/{channel_id}/typing", trigger_typing),
]
