"""Find what a request names, as far as the bot may see and do it."""

from bot.playground.errors import (
    ApiError,
    missing_access,
    missing_permissions,
    unknown_channel,
    unknown_message,
)
from bot.playground.model.guild import Channel
from bot.playground.model.permissions import Permission
from bot.playground.model.state import Message, World
from bot.playground.rest.http import Request


def find_channel(world: World, request: Request) -> Channel:
    """The channel in the path, which the bot must see."""
    channel = world.channels.get(request.snowflake("channel_id"))
    if channel is None:
        raise unknown_channel()
    if not channel.root.bot_permissions & Permission.VIEW_CHANNEL:
        raise missing_access()
    return channel


def require_permission(channel: Channel, permission: Permission) -> None:
    """Raise unless the bot has this permission; in direct messages it has all it can have."""
    if channel.guild and permission not in channel.root.bot_permissions:
        raise missing_permissions()


def require_send_permission(channel: Channel) -> None:
    """Raise unless the bot may write there; threads have a permission of their own for it."""
    thread = channel.parent is not None
    require_permission(
        channel, Permission.SEND_MESSAGES_IN_THREADS if thread else Permission.SEND_MESSAGES
    )


def find_message(world: World, request: Request) -> Message:
    """The message in the path. Ephemeral ones are not to be found by their channel."""
    channel = find_channel(world, request)
    message = world.messages.get(request.snowflake("message_id"))
    if message is None or message.channel is not channel or message.ephemeral:
        raise unknown_message()
    return message


def own(world: World, message: Message) -> Message:
    """A message that the bot may edit: its own."""
    if message.author is not world.bot:
        raise ApiError(403, 50005, "Cannot edit a message authored by another user")
    return message
