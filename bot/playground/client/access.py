"""What the permissions of a user and timeouts forbid in Discord's client."""

from bot.playground.errors import NotPermitted
from bot.playground.model.guild import Channel, User
from bot.playground.model.messages import Message
from bot.playground.model.permissions import Permission


def can_view(user: User, channel: Channel) -> bool:
    """Return whether the user can view a channel."""
    guild = channel.guild
    if guild is None:
        return user in (channel.recipient, *channel.people)
    is_visible = user in guild.members and channel.allows(user, Permission.VIEW_CHANNEL)
    return is_visible and channel.is_open_to(user)


def check_can_send(user: User, channel: Channel, *, files: bool) -> None:
    """Raise NotPermitted unless the user may send a message."""
    in_thread = channel.parent is not None
    _check(
        user,
        channel,
        Permission.SEND_MESSAGES_IN_THREADS if in_thread else Permission.SEND_MESSAGES,
    )
    if files:
        _check(user, channel, Permission.ATTACH_FILES)
    if channel.locked:
        _check(user, channel, Permission.MANAGE_THREADS)


def check_can_react(user: User, message: Message, emoji: str) -> None:
    """Raise NotPermitted unless the user may add a reaction."""
    if message.ephemeral:
        raise NotPermitted("Ephemeral messages cannot have reactions.")
    check_not_timed_out(user, message.channel)
    _check(user, message.channel, Permission.READ_MESSAGE_HISTORY)
    if emoji not in message.reactions:
        _check(user, message.channel, Permission.ADD_REACTIONS)


def check_not_timed_out(user: User, channel: Channel) -> None:
    """Raise NotPermitted during a timeout of the user in the channel's guild."""
    if channel.guild and channel.guild.is_timed_out(user):
        raise NotPermitted(f"{user.name} is timed out in {channel.guild.name}.")


def _check(user: User, channel: Channel, permission: Permission) -> None:
    if channel.guild and not channel.allows(user, permission):
        raise NotPermitted(f"{user.name} lacks {permission.name} in #{channel.name}.")
