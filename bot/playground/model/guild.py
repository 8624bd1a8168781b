"""A guild: its channels and roles, who its members are, and what they may do."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum

from bot.playground.model.permissions import ADMIN, ALL, EVERYONE, MODERATOR, Permission


class ChannelType(IntEnum):
    """The channel types that the playground has."""

    TEXT = 0
    DM = 1
    THREAD = 11


@dataclass(eq=False)
class User:
    """A person or the bot."""

    id: int
    name: str
    bot: bool = False
    closed_dms: bool = False


@dataclass(eq=False)
class Role:
    """A role of a guild; its id is the guild's own for @everyone."""

    id: int
    name: str
    permissions: Permission
    managed: bool = False


@dataclass(eq=False)
class Channel:
    """A text channel of a guild, a thread in one, or one person's direct messages with the bot."""

    id: int
    name: str
    guild: "Guild | None" = field(default=None, repr=False)
    nsfw: bool = False
    recipient: User | None = None
    parent: "Channel | None" = None
    starter: User | None = None
    posted: int = 0
    bot_permissions: Permission = EVERYONE

    @property
    def kind(self) -> ChannelType:
        """The channel's type."""
        if self.guild is None:
            return ChannelType.DM
        return ChannelType.THREAD if self.parent else ChannelType.TEXT

    @property
    def root(self) -> "Channel":
        """The channel that rules for this one: a thread's parent, else itself."""
        return self.parent or self


@dataclass(eq=False)
class Guild:
    """A server."""

    id: int
    name: str
    everyone: Role
    moderators: Role
    admins: Role
    applications: Role
    roles: list[Role]
    channels: list[Channel] = field(default_factory=list)
    _members: dict[User, list[Role]] = field(default_factory=dict, init=False, repr=False)

    @property
    def channel(self) -> Channel:
        """Its first channel."""
        return self.channels[0]

    @property
    def members(self) -> list[User]:
        """Everyone in it, the bot too."""
        return list(self._members)

    def join(self, user: User, *roles: Role) -> None:
        """Let somebody in, and give them roles."""
        given = self._members.setdefault(user, [])
        given += [role for role in roles if role not in given]

    def take(self, user: User, role: Role) -> None:
        """Take a role away."""
        self._members[user].remove(role)

    def roles_of(self, user: User) -> list[Role]:
        """What a member was given beyond @everyone."""
        return list(self._members.get(user, []))

    def permissions(self, user: User) -> Permission:
        """What a member may do; administrators, all."""
        combined = self.everyone.permissions
        for role in self.roles_of(user):
            combined |= role.permissions
        return ALL if Permission.ADMINISTRATOR in combined else combined


def create_guild(name: str, ids: Iterator[int]) -> Guild:
    """A guild with its first roles; the ids are its own and theirs."""
    id = next(ids)
    everyone = Role(id, "@everyone", EVERYONE)
    moderators = Role(next(ids), "Moderators", MODERATOR)
    admins = Role(next(ids), "Admins", ADMIN)
    applications = Role(next(ids), "Imagine", EVERYONE, managed=True)
    roles = [everyone, moderators, admins, applications]
    return Guild(id, name, everyone, moderators, admins, applications, roles)
