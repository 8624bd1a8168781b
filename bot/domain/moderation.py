"""What moderators deal with: reports and their cases, blocks, and lines of the audit log; pure."""

from enum import StrEnum
from typing import Final

import msgspec

from bot.errors import Refused

REASON_LIMIT: Final = 400
"""Characters of a reporter's reason."""
BLOCK_REASON_LIMIT: Final = 200
DETAIL_LIMIT: Final = 1000
REPORTS_AN_HOUR: Final = 5
"""Of one person."""
HOUR: Final = 3600.0


class Action(StrEnum):
    """What a line of the audit log tells of."""

    REFUSED = "refused"
    """A request broke a rule of words."""
    REPORTED = "reported"
    REMOVED = "removed"
    """Pictures, and the messages that showed them."""
    DISMISSED = "dismissed"
    """A case, by a moderator who saw no harm."""
    BLOCKED = "blocked"
    UNBLOCKED = "unblocked"
    WORD_ADDED = "word added"
    WORD_REMOVED = "word removed"
    SET = "set"
    """A setting of the server."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the audit log."""

    at: float
    """Seconds since 1970."""
    guild: int | None
    actor: int
    action: Action
    detail: str = ""
    channel: int | None = None
    person: int | None = None
    """Whom it is about, if not the actor."""
    job: str | None = None
    request: str | None = None
    """That was refused; noted once, though it may come again."""


class Standing(msgspec.Struct, frozen=True):
    """What the rules of a server have to do with a person who asks for something."""

    blocked: str | None = None
    """Why they are blocked there, if they are."""
    words: tuple[str, ...] = ()
    """The server's banned words."""


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """A person whom moderators let nothing be painted for in a server."""

    guild: int
    person: int
    reason: str
    moderator: int
    at: float


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody points moderators at a message of ours."""

    job: str
    guild: int
    channel: int
    message: int
    nth: int | None
    """The picture that the message shows; None for the whole job."""
    reporter: int
    reason: str
    """Empty for a reaction."""
    at: float


class State(StrEnum):
    """Where a case is."""

    OPEN = "open"
    REMOVED = "removed"
    DISMISSED = "dismissed"


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """A job that was reported, with all its reports, oldest first."""

    job: str
    guild: int
    state: State
    moderator: int | None
    card_channel: int | None
    card: int | None
    """The message in the moderators' channel."""
    reports: tuple[Report, ...]


def check_report(*, before: bool, lately: int) -> None:
    """Raise Refused if this person reported the message before, or very much in the last hour."""
    if before:
        raise Refused("You have reported this already. It is recorded.")
    if lately >= REPORTS_AN_HOUR:
        raise Refused(
            f"You have reported {lately} messages within an hour. Please try again later."
        )
