"""Guilds with their channels, roles, members and permissions."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum

from bot.playground.model.permissions import ADMIN, ALL, EVERYONE, MODERATOR, Permission


class ChannelType(IntEnum):
    """https://docs.discord.com/developers/resources/channel"""

    TEXT = 0
    DM = 1
    VOICE = 2
    ANNOUNCEMENT = 5
    ANNOUNCEMENT_THREAD = 10
    PUBLIC_THREAD = 11
    PRIVATE_THREAD = 12
    STAGE = 13
    FORUM = 15
    MEDIA = 16


POSTS_ONLY = frozenset({ChannelType.FORUM, ChannelType.MEDIA})
"""Channels without messages of their own; their threads are posts."""
WITHOUT_THREADS = frozenset({ChannelType.VOICE, ChannelType.STAGE})


@dataclass(eq=False)
class User:
    """A human user or the bot."""

    id: int
    name: str
    bot: bool = False
    closed_dms: bool = False


@dataclass(eq=False)
class Role:
    """A role of a guild. The id of @everyone is the guild's id."""

    id: int
    name: str
    permissions: Permission
    managed: bool = False
    mentionable: bool = False


@dataclass(eq=False)
class Channel:
    """A channel of a guild, a thread in one, or a user's DM channel with the bot.

    `kind` is the type of a channel that is no thread.
    """

    id: int
    name: str
    guild: "Guild | None" = field(default=None, repr=False)
    nsfw: bool = False
    recipient: User | None = None
    parent: "Channel | None" = None
    owner: User | None = None
    message_count: int = 0
    archived: bool = False
    locked: bool = False
    bot_permissions: Permission = EVERYONE
    kind: ChannelType = ChannelType.TEXT
    private: bool = False
    thread_members: list[User] = field(default_factory=list)
    """The users who were added to a private thread."""

    @property
    def type(self) -> ChannelType:
        if self.guild is None:
            return ChannelType.DM
        if self.parent is None:
            return self.kind
        if self.private:
            return ChannelType.PRIVATE_THREAD
        if self.parent.kind is ChannelType.ANNOUNCEMENT:
            return ChannelType.ANNOUNCEMENT_THREAD
        return ChannelType.PUBLIC_THREAD

    @property
    def root(self) -> "Channel":
        """The channel whose permissions apply: a thread's parent, otherwise itself."""
        return self.parent or self

    def is_open_to(self, user: User) -> bool:
        """Whether the user is in a private thread or may manage threads; True for others."""
        if not self.private or user is self.owner or user in self.thread_members:
            return True
        return Permission.MANAGE_THREADS in self.permissions_of(user)

    def permissions_of(self, user: User) -> Permission:
        """Return the permissions of the bot or of a member; in a DM channel, of everyone."""
        if self.guild is None:
            return EVERYONE
        return self.root.bot_permissions if user.bot else self.guild.permissions(user)


@dataclass(eq=False)
class Guild:
    """A guild and its members."""

    id: int
    name: str
    everyone: Role
    moderators: Role
    admins: Role
    applications: Role
    roles: list[Role]
    channels: list[Channel] = field(default_factory=list)
    unavailable: bool = False
    """Whether an outage hides it from the bot."""
    _members: dict[User, list[Role]] = field(default_factory=dict, init=False, repr=False)

    @property
    def channel(self) -> Channel:
        """The first channel."""
        return self.channels[0]

    @property
    def members(self) -> list[User]:
        """All members, including the bot."""
        return list(self._members)

    def join(self, user: User, *roles: Role) -> None:
        """Add a member if necessary, and add roles."""
        member_roles = self._members.setdefault(user, [])
        member_roles += [role for role in roles if role not in member_roles]

    def leave(self, user: User) -> None:
        """Remove a member."""
        del self._members[user]

    def take(self, user: User, role: Role) -> None:
        """Remove a role from a member."""
        self._members[user].remove(role)

    def delete_role(self, role: Role) -> None:
        """Delete a role, also from the members who have it."""
        self.roles.remove(role)
        for member_roles in self._members.values():
            if role in member_roles:
                member_roles.remove(role)

    def set_roles(self, user: User, *roles: Role) -> None:
        """Replace the roles of a member."""
        self._members[user] = list(roles)

    def roles_of(self, user: User) -> list[Role]:
        """The roles of a member, without @everyone."""
        return list(self._members.get(user, []))

    def permissions(self, user: User) -> Permission:
        """The guild permissions of a member; administrators have all."""
        combined = self.everyone.permissions
        for role in self.roles_of(user):
            combined |= role.permissions
        return ALL if Permission.ADMINISTRATOR in combined else combined


def create_guild(name: str, ids: Iterator[int]) -> Guild:
    """Return a guild with its default roles; `ids` supplies the ids of the guild and the roles."""
    guild_id = next(ids)
    everyone = Role(guild_id, "@everyone", EVERYONE)
    moderators = Role(next(ids), "Moderators", MODERATOR)
    admins = Role(next(ids), "Admins", ADMIN)
    applications = Role(next(ids), "Imagine", EVERYONE, managed=True)
    roles = [everyone, moderators, admins, applications]
    return Guild(guild_id, name, everyone, moderators, admins, applications, roles)
