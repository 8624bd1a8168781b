"""Resolve whom a message notifies: from its text, `allowed_mentions` and permissions."""

import re
from dataclasses import dataclass, field

from bot.playground.errors import Json
from bot.playground.model.guild import Channel, Role, User
from bot.playground.model.permissions import Permission

USER_MENTION = re.compile(r"<@!?(\d+)>")
ROLE_MENTION = re.compile(r"<@&(\d+)>")
EVERYONE_MENTION = re.compile(r"@(everyone|here)")
MENTION_TYPES = {"users", "roles", "everyone"}


@dataclass(frozen=True)
class Mentions:
    """The users and roles that get a notification, and whether @everyone does."""

    users: list[User] = field(default_factory=list)
    roles: list[Role] = field(default_factory=list)
    everyone: bool = False

    @property
    def names(self) -> frozenset[str]:
        """Names of users and roles, and "everyone"."""
        names = {user.name for user in self.users} | {role.name for role in self.roles}
        return frozenset(names | ({"everyone"} if self.everyone else set()))


@dataclass(frozen=True)
class MentionParser:
    """Resolves the mentions in messages of an author in a channel."""

    users: dict[int, User]
    channel: Channel
    author: User

    def parse(
        self, text: str, allowed: Json | None, *, default: set[str], reply_to: User | None
    ) -> Mentions:
        """Return who is notified.

        `default` replaces `allowed_mentions.parse` if `allowed` is None. `reply_to` is the author
        of the message that is replied to.
        """
        types = default if allowed is None else set(allowed.get("parse") or [])
        user_ids = _ids(USER_MENTION, text, "users", types, allowed)
        users = [self.users[user_id] for user_id in user_ids if user_id in self.users]
        mentions_author = allowed is None or bool(allowed.get("replied_user"))
        if reply_to and mentions_author and reply_to not in users:
            users.append(reply_to)
        role_ids = _ids(ROLE_MENTION, text, "roles", types, allowed)
        has_everyone = "everyone" in types and bool(EVERYONE_MENTION.search(text))
        return Mentions(users, self._roles(role_ids), has_everyone and self._may_mention_all)

    def _roles(self, role_ids: list[int]) -> list[Role]:
        """Return the roles with these ids that the author may mention, without @everyone."""
        guild = self.channel.guild
        if guild is None:
            return []
        return [
            role
            for role in guild.roles
            if role.id in role_ids
            and role is not guild.everyone
            and (role.mentionable or self._may_mention_all)
        ]

    @property
    def _may_mention_all(self) -> bool:
        """Whether the author may mention @everyone, @here and all roles."""
        is_dm = self.channel.guild is None
        return is_dm or self.channel.allows(self.author, Permission.MENTION_EVERYONE)


def _ids(
    pattern: re.Pattern[str], text: str, type: str, types: set[str], allowed: Json | None
) -> list[int]:
    """Return the ids of this type in the text that are allowed, without duplicates."""
    ids = {int(mentioned_id) for mentioned_id in pattern.findall(text)}
    if type not in types:
        ids &= {int(allowed_id) for allowed_id in (allowed or {}).get(type) or []}
    return sorted(ids)
