"""Find the channel or message of a request, and check the bot's permissions."""

from bot.playground.errors import (
    ApiError,
    missing_access,
    missing_permissions,
    unknown,
    unknown_channel,
    unknown_message,
)
from bot.playground.model.guild import Channel, Guild, User
from bot.playground.model.messages import Message
from bot.playground.model.permissions import Permission
from bot.playground.model.state import World
from bot.playground.rest.http import Request


def find_channel(world: World, request: Request) -> Channel:
    """Return the channel in the path; raise ApiError if the bot cannot view it."""
    return find_channel_by_id(world, request.snowflake("channel_id"))


def find_channel_by_id(world: World, channel_id: int) -> Channel:
    """Return the channel; raise ApiError if the bot cannot view it."""
    channel = world.channels.get(channel_id)
    if channel is None:
        raise unknown_channel()
    if channel.people or (channel.guild and world.bot not in channel.guild.members):
        raise missing_access()
    if channel.guild and not channel.allows_bot(Permission.VIEW_CHANNEL):
        raise missing_access()
    if not channel.is_open_to(world.bot):
        raise missing_access()
    return channel


def require_permission(channel: Channel, permission: Permission) -> None:
    """Raise ApiError if the bot lacks the permission. DM channels have no permissions."""
    if channel.guild and not channel.allows_bot(permission):
        raise missing_permissions()


def require_send_permission(channel: Channel) -> None:
    """Raise ApiError if the bot cannot send messages. Threads have their own permission."""
    is_thread = channel.parent is not None
    require_permission(
        channel,
        Permission.SEND_MESSAGES_IN_THREADS if is_thread else Permission.SEND_MESSAGES,
    )


def find_message(world: World, request: Request) -> Message:
    """Return the message in the path; raise ApiError if it is unknown or ephemeral."""
    channel = find_channel(world, request)
    message = world.messages.get(request.snowflake("message_id"))
    if message is None or message.channel is not channel or message.ephemeral:
        raise unknown_message()
    return message


def require_own_message(world: World, message: Message) -> None:
    """Raise ApiError if the bot is not the author."""
    if message.author is not world.bot:
        raise ApiError(403, 50005, "Cannot edit a message authored by another user")


def find_user(world: World, request: Request) -> User:
    """Return the user in the path; raise ApiError if it is unknown."""
    user = world.users.get(request.snowflake("user_id"))
    if user is None:
        raise unknown("User", 10013)
    return user


def find_guild(world: World, request: Request) -> Guild:
    """Return the guild in the path; raise ApiError if it is unknown."""
    guild = world.guilds.get(request.snowflake("guild_id"))
    if guild is None:
        raise unknown("Guild", 10004)
    return guild
