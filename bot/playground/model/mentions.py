"""Resolve which users a message notifies, from its text and its `allowed_mentions`."""

import re
from dataclasses import dataclass

from bot.playground.errors import Json
from bot.playground.model.guild import User

USER_MENTION = re.compile(r"<@!?(\d+)>")
EVERYONE_MENTION = re.compile(r"@(everyone|here)")
MENTION_TYPES = {"users", "roles", "everyone"}


@dataclass(frozen=True)
class Mentions:
    """The users who get a notification, and whether @everyone does."""

    users: list[User]
    everyone: bool

    @property
    def names(self) -> frozenset[str]:
        """User names, and "everyone"."""
        return frozenset(user.name for user in self.users) | (
            frozenset({"everyone"}) if self.everyone else frozenset()
        )


def resolve_mentions(
    text: str,
    allowed: Json | None,
    users: dict[int, User],
    *,
    default: set[str],
    reply_to: User | None,
) -> Mentions:
    """Return who is notified. `default` replaces `allowed_mentions.parse` if `allowed` is None."""
    parse = default if allowed is None else set(allowed.get("parse") or [])
    user_ids = {int(id) for id in USER_MENTION.findall(text)}
    if "users" not in parse:
        user_ids &= {int(user_id) for user_id in (allowed or {}).get("users") or []}
    mentioned_users = [users[user_id] for user_id in sorted(user_ids) if user_id in users]
    mentions_author = allowed is None or bool(allowed.get("replied_user"))
    if reply_to and mentions_author and reply_to not in mentioned_users:
        mentioned_users.append(reply_to)
    return Mentions(mentioned_users, "everyone" in parse and bool(EVERYONE_MENTION.search(text)))
