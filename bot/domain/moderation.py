"""What moderators deal with: reports and their cases, blocks, and lines of the audit log; pure."""

from enum import StrEnum
from typing import Final

import msgspec

from bot.errors import Refused

MAX_REASON_CHARS: Final = 400
"""Characters of a reporter's reason."""
MAX_BLOCK_REASON_CHARS: Final = 200
MAX_DETAIL_CHARS: Final = 1000
MAX_REPORTS_PER_HOUR: Final = 5
"""Of one person."""
HOUR: Final = 3600.0


class AuditAction(StrEnum):
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


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the audit log."""

    created_at: float
    """Seconds since 1970."""
    guild_id: int | None
    actor_id: int
    action: AuditAction
    detail: str = ""
    channel_id: int | None = None
    target_id: int | None = None
    """Whom it is about, if not the actor."""
    job_id: str | None = None
    idempotency_key: str | None = None
    """That was refused; noted once, though it may come again."""


class GuildRules(msgspec.Struct, frozen=True):
    """What the rules of a server have to do with a person who asks for something."""

    block_reason: str | None = None
    """Why they are blocked there, if they are."""
    banned_words: tuple[str, ...] = ()
    """The server's banned words."""


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """A person whom moderators let nothing be painted for in a server."""

    guild_id: int
    user_id: int
    reason: str
    moderator_id: int
    created_at: float


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody points moderators at a message of ours."""

    job_id: str
    guild_id: int
    channel_id: int
    message_id: int
    nth: int | None
    """The picture that the message shows; None for the whole job."""
    reporter_id: int
    reason: str
    """Empty for a reaction."""
    created_at: float


class CaseState(StrEnum):
    """Where a case is."""

    OPEN = "open"
    REMOVED = "removed"
    DISMISSED = "dismissed"


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """A job that was reported, with all its reports, oldest first."""

    job_id: str
    guild_id: int
    state: CaseState
    moderator_id: int | None
    card_channel_id: int | None
    card_message_id: int | None
    """The message in the moderators' channel."""
    reports: tuple[Report, ...]


def check_report(*, already_reported: bool, recent: int) -> None:
    """Raise Refused if this person reported the message before, or very much in the last hour."""
    if already_reported:
        raise Refused("You have reported this already. It is recorded.")
    if recent >= MAX_REPORTS_PER_HOUR:
        raise Refused(
            f"You have reported {recent} messages within an hour. Please try again later."
        )
