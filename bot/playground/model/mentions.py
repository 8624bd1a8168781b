"""Who a message would ping, from its text and its `allowed_mentions`."""

import re
from dataclasses import dataclass

from bot.playground.errors import Json, invalid
from bot.playground.model.guild import User

USER = re.compile(r"<@!?(\d+)>")
EVERYONE = re.compile(r"@(everyone|here)")
KINDS = {"users", "roles", "everyone"}


@dataclass(frozen=True)
class Mentions:
    """The people who get a notification, and whether that is everyone."""

    users: list[User]
    everyone: bool

    @property
    def names(self) -> frozenset[str]:
        """The names of all of them, for tests to look at."""
        return frozenset(user.name for user in self.users) | (
            frozenset({"everyone"}) if self.everyone else frozenset()
        )


def resolve_mentions(
    text: str,
    allowed: Json | None,
    people: dict[int, User],
    *,
    default: set[str],
    reply_to: User | None,
) -> Mentions:
    """Who gets pinged; `default` are the kinds that may be when the request does not say."""
    parse = default if allowed is None else _kinds(allowed)
    named = {int(found) for found in USER.findall(text)}
    if "users" not in parse:
        named &= {int(user) for user in (allowed or {}).get("users") or []}
    users = [people[user] for user in sorted(named) if user in people]
    replied = allowed is None or bool(allowed.get("replied_user"))
    if reply_to and replied and reply_to not in users:
        users.append(reply_to)
    return Mentions(users, "everyone" in parse and bool(EVERYONE.search(text)))


def _kinds(allowed: Json) -> set[str]:
    kinds = set(allowed.get("parse") or [])
    if not kinds <= KINDS:
        raise invalid(("allowed_mentions", "parse"), "BASE_TYPE_CHOICES", "Unknown mention type")
    if "users" in kinds and allowed.get("users"):
        sentence = 'parse:["users"] and users: [ids...] are mutually exclusive.'
        raise invalid(("allowed_mentions",), "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE", sentence)
    return kinds
