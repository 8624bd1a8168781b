"""Guilds with their channels, roles, members and permissions."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum

from bot.playground.clock import Clock
from bot.playground.model.forum import NO_CHANNEL_FLAGS, ChannelFlags, ForumTag
from bot.playground.model.permissions import (
    ADMIN,
    ALL,
    EVERYONE,
    MODERATOR,
    NOTHING,
    OF_TIMED_OUT,
    Overwrite,
    Permission,
    overwritten,
    without_implicitly_denied,
)


class ChannelType(IntEnum):
    """https://docs.discord.com/developers/resources/channel"""

    TEXT = 0
    DM = 1
    VOICE = 2
    GROUP_DM = 3
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
    has_app: bool = False
    """Whether the user has installed the application."""
    is_webhook: bool = False
    """Whether it is the author of messages by a webhook, which has its id."""
    file_limit: int = 0
    """Bytes per file that a subscription of the user allows."""
    locale: str = "en-US"
    """The language of the user's client."""


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
    """A channel of a guild, a thread in one, a DM channel of the bot, or a private channel.

    A private channel is a DM or group DM of the `people`, without the bot. `kind` is the type of a
    channel that is no thread.
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
    overwrites: "dict[Role | User, Overwrite]" = field(default_factory=dict, repr=False)
    last_pin_at: float | None = None
    """When the newest of the pinned messages was pinned."""
    kind: ChannelType = ChannelType.TEXT
    private: bool = False
    flags: ChannelFlags = NO_CHANNEL_FLAGS
    available_tags: list[ForumTag] = field(default_factory=list)
    applied_tag_ids: list[int] = field(default_factory=list)
    settings: dict[str, object] = field(default_factory=dict)
    """Other fields of a channel that were set, as in payloads."""
    people: tuple[User, ...] = ()
    thread_members: list[User] = field(default_factory=list)
    """The users who joined a thread or were added to it, besides its owner."""
    archives_after: int = 1440
    """Minutes without messages until a thread is hidden."""
    slowmode: int = 0
    """Seconds between the messages of a user in a thread; bots are exempt."""
    invitable: bool = True
    """Whether members of a private thread may add others."""

    @property
    def type(self) -> ChannelType:
        if self.guild is None:
            return ChannelType.GROUP_DM if len(self.people) > 2 else ChannelType.DM
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
        return self.allows(user, Permission.MANAGE_THREADS)

    def permissions_of(self, user: User) -> Permission:
        """Return the permissions of a member as in payloads; in a DM channel, of everyone."""
        guild, overwrites = self.guild, self.root.overwrites
        if guild is None:
            return EVERYONE
        base = guild.permissions(user)
        if Permission.ADMINISTRATOR in base:
            return ALL
        roles = [overwrites[role] for role in guild.roles_of(user) if role in overwrites]
        everyone = overwrites.get(guild.everyone, Overwrite())
        result = overwritten(base, everyone, roles, overwrites.get(user, Overwrite()))
        return result & OF_TIMED_OUT if guild.is_timed_out(user) else result

    def usable_permissions(self, user: User) -> Permission:
        """Return the permissions of a member without those that are implicitly denied."""
        return without_implicitly_denied(
            self.permissions_of(user),
            in_thread=self.parent is not None,
            in_voice=self.kind in WITHOUT_THREADS,
        )

    def allows(self, user: User, permission: Permission) -> bool:
        """Return whether a member has the permission and can use it."""
        return permission in self.usable_permissions(user)

    def allows_bot(self, permission: Permission) -> bool:
        """Return whether the bot has the permission and can use it; False if it is no member."""
        bot = self.guild.bot if self.guild else None
        return bot is not None and self.allows(bot, permission)

    @property
    def bot_permissions(self) -> Permission:
        """The permissions of the bot as in payloads: none if it is no member of the guild.

        Setting them sets the overwrite of its member, in a thread that of the parent.
        """
        if self.guild is None:
            return EVERYONE
        return self.permissions_of(self.guild.bot) if self.guild.bot else NOTHING

    @bot_permissions.setter
    def bot_permissions(self, permissions: Permission) -> None:
        if self.guild and self.guild.bot:
            overwrites = self.root.overwrites
            overwrites.pop(self.guild.bot, None)
            base = self.bot_permissions
            if permissions != base:
                overwrites[self.guild.bot] = Overwrite(permissions & ~base, base & ~permissions)


@dataclass(eq=False)
class Webhook:
    """A webhook of a channel, which creates messages with its own name as their author."""

    id: int
    token: str = field(repr=False)
    channel: Channel
    name: str


@dataclass(eq=False)
class Member:
    """What a guild knows of a member."""

    roles: list[Role] = field(default_factory=list)
    timed_out_until: float = 0.0
    """Seconds since 1970."""


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
    clock: Clock
    owner_id: int
    """The owner's id; it need not be a member here."""
    channels: list[Channel] = field(default_factory=list)
    unavailable: bool = False
    """Whether an outage hides it from the bot."""
    premium_tier: int = 0
    """The boost tier."""
    preferred_locale: str = "en-US"
    """The language of a Community."""
    has_commands: bool = False
    """Whether the application is installed without its bot, so that there are commands only."""
    bans: list[User] = field(default_factory=list)
    _members: dict[User, Member] = field(default_factory=dict, init=False, repr=False)

    @property
    def channel(self) -> Channel:
        """The first channel."""
        return self.channels[0]

    @property
    def members(self) -> list[User]:
        """All members, including the bot."""
        return list(self._members)

    @property
    def bot(self) -> User | None:
        """The bot, if it is a member."""
        return next((user for user in self._members if user.bot), None)

    @property
    def has_app(self) -> bool:
        """Whether the application is installed."""
        return self.has_commands or self.bot is not None

    def join(self, user: User, *roles: Role) -> None:
        """Add a member if necessary, and add roles."""
        member_roles = self._members.setdefault(user, Member()).roles
        member_roles += [role for role in roles if role not in member_roles]

    def leave(self, user: User) -> None:
        """Remove a member and the overwrites for it."""
        del self._members[user]
        for channel in self.channels:
            channel.overwrites.pop(user, None)

    def take(self, user: User, role: Role) -> None:
        """Remove a role from a member."""
        self._members[user].roles.remove(role)

    def delete_role(self, role: Role) -> None:
        """Delete a role, also from the members who have it and from overwrites."""
        self.roles.remove(role)
        for member in self._members.values():
            if role in member.roles:
                member.roles.remove(role)
        for channel in self.channels:
            channel.overwrites.pop(role, None)

    def set_roles(self, user: User, *roles: Role) -> None:
        """Replace the roles of a member."""
        self._members[user].roles = list(roles)

    def roles_of(self, user: User) -> list[Role]:
        """The roles of a member, without @everyone."""
        return list(self._members[user].roles) if user in self._members else []

    def permissions(self, user: User) -> Permission:
        """The guild permissions of a member; the owner and administrators have all."""
        combined = self.everyone.permissions
        for role in self.roles_of(user):
            combined |= role.permissions
        is_owner = user.id == self.owner_id
        return ALL if is_owner or Permission.ADMINISTRATOR in combined else combined

    def set_timeout(self, user: User, until: float) -> None:
        """Begin a timeout of a member, or end it with 0."""
        self._members[user].timed_out_until = until

    def timed_out_until(self, user: User) -> float | None:
        """When the last timeout of a member ends or has ended; None if it was removed."""
        return (self._members[user].timed_out_until if user in self._members else 0.0) or None

    def is_timed_out(self, user: User) -> bool:
        """Whether a timeout restricts a member. It never restricts those with all permissions."""
        until = self.timed_out_until(user)
        if until is None or until <= self.clock.now():
            return False
        return Permission.ADMINISTRATOR not in self.permissions(user)


def create_guild(name: str, ids: Iterator[int], clock: Clock, owner_id: int) -> Guild:
    """Return a guild with its default roles; `ids` supplies the ids of the guild and the roles."""
    guild_id = next(ids)
    everyone = Role(guild_id, "@everyone", EVERYONE)
    moderators = Role(next(ids), "Moderators", MODERATOR)
    admins = Role(next(ids), "Admins", ADMIN)
    applications = Role(next(ids), "Imagine", EVERYONE, managed=True)
    roles = [everyone, moderators, admins, applications]
    return Guild(guild_id, name, everyone, moderators, admins, applications, roles, clock, owner_id)
