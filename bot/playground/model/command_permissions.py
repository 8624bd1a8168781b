"""Who may use which command where: what a guild allows and denies in its integration settings.

https://docs.discord.com/developers/interactions/application-commands#permissions
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from bot.playground.errors import Json
from bot.playground.model.guild import Channel, Guild, User
from bot.playground.model.permissions import Permission


class PermissionType(IntEnum):
    """Whom a permission is for."""

    ROLE = 1
    USER = 2
    CHANNEL = 3


@dataclass(frozen=True)
class CommandPermission:
    """Whether a role, a user or a channel may use a command.

    The id of the guild means @everyone, and the id before it all channels.
    """

    id: int
    type: PermissionType
    allowed: bool


class CommandPermissions:
    """The permissions of each guild, for single commands and for all of the application."""

    def __init__(self, application_id: int) -> None:
        self._application_id = application_id
        self._entries: dict[tuple[int, int], list[CommandPermission]] = {}

    def set(self, guild: Guild, command_id: int, entries: Sequence[CommandPermission]) -> None:
        """Replace the permissions of a command, or of all if it is the application's id."""
        self._entries[guild.id, command_id] = list(entries)

    def of(self, guild: Guild, command_id: int) -> list[CommandPermission]:
        """Return the permissions of a command, or of all if it is the application's id."""
        return self._entries.get((guild.id, command_id), [])

    def ids(self, guild: Guild) -> list[int]:
        """Return the ids of the commands with permissions, and perhaps the application's."""
        return [item for (guild_id, item) in self._entries if guild_id == guild.id]

    def allow(self, command: Json, channel: Channel, guild: Guild, user: User) -> bool:
        """Return whether a member may use a command in a channel of a guild.

        Administrators may use all. The permissions of a command precede those of the application,
        and replace the `default_member_permissions` of the command.
        """
        permissions = channel.usable_permissions(user)
        if Permission.ADMINISTRATOR in permissions:
            return True
        if Permission.USE_APPLICATION_COMMANDS not in permissions:
            return False
        own, shared = self.of(guild, int(command["id"])), self.of(guild, self._application_id)
        in_channel = _of_channel(own, channel.root, guild)
        if in_channel is None:
            in_channel = _of_channel(shared, channel.root, guild)
        if in_channel is False:
            return False
        for_user = _of_member(own, guild, user)
        if for_user is not None:
            return for_user
        if _of_member(shared, guild, user) is False:
            return False
        return has_default_permissions(permissions, command["default_member_permissions"])


def has_default_permissions(permissions: Permission, default: str | None) -> bool:
    """Return whether a command's `default_member_permissions` allow its use.

    "0" allows administrators only; null allows everyone.
    """
    return default is None or (int(default) != 0 and int(default) & ~permissions == 0)


def _of_channel(
    entries: Sequence[CommandPermission], channel: Channel, guild: Guild
) -> bool | None:
    channels = {e.id: e.allowed for e in entries if e.type is PermissionType.CHANNEL}
    return channels.get(channel.id, channels.get(guild.id - 1))


def _of_member(entries: Sequence[CommandPermission], guild: Guild, user: User) -> bool | None:
    """Return the permission of the user, else of the roles, else of @everyone."""
    users = {e.id: e.allowed for e in entries if e.type is PermissionType.USER}
    roles = {e.id: e.allowed for e in entries if e.type is PermissionType.ROLE}
    if user.id in users:
        return users[user.id]
    of_roles = [roles[role.id] for role in guild.roles_of(user) if role.id in roles]
    return any(of_roles) if of_roles else roles.get(guild.id)
