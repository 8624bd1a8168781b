"""Reports and their cases, blocks, and the audit log; pure."""

from enum import StrEnum
from typing import Final

import msgspec

from bot.errors import PolicyViolation, Refused
from bot.i18n import N_, _

MAX_REASON_CHARS: Final = 400
"""Of a report."""
MAX_BLOCK_REASON_CHARS: Final = 200
MAX_DETAIL_CHARS: Final = 1000
MAX_REPORTS_PER_HOUR: Final = 5
"""By one user."""


class AuditAction(StrEnum):
    """What an audit entry records."""

    REFUSED = N_("refused")
    """A request with a forbidden prompt."""
    REPORTED = N_("reported")
    REMOVED = N_("removed")
    """Pictures, and the messages that showed them."""
    DISMISSED = N_("dismissed")
    """A case that a moderator closed without removing anything."""
    BLOCKED = N_("blocked")
    UNBLOCKED = N_("unblocked")
    WORD_ADDED = N_("word added")
    WORD_REMOVED = N_("word removed")
    SET = N_("set")
    """A setting of the guild."""


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of the audit log."""

    created_at: float
    """Seconds since 1970."""
    guild_id: int | None
    actor_id: int
    action: AuditAction
    detail: str = ""
    channel_id: int | None = None
    target_id: int | None = None
    """The user whom it is about, if not the actor."""
    job_id: str | None = None
    idempotency_key: str | None = None
    """The key of a refused request, so that a repetition of it has no second entry."""


class GuildRules(msgspec.Struct, frozen=True):
    """The rules of a guild for the requests of one user."""

    block_reason: str | None = None
    """Why the user is blocked there; None if they are not."""
    banned_words: tuple[str, ...] = ()


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """A user who may not use the bot in a guild."""

    guild_id: int
    user_id: int
    reason: str
    moderator_id: int
    created_at: float


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A user's report of a message of the bot."""

    job_id: str
    guild_id: int
    channel_id: int
    message_id: int
    nth: int | None
    """The index of the picture that the message shows; None for the whole job."""
    reporter_id: int
    reason: str
    """Empty if it was reported by a reaction."""
    created_at: float


class CaseState(StrEnum):
    """The state of a case."""

    OPEN = N_("open")
    REMOVED = N_("removed")
    DISMISSED = N_("dismissed")


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """A job that was reported in a guild, with all its reports there, oldest first."""

    job_id: str
    guild_id: int
    state: CaseState
    moderator_id: int | None
    card_channel_id: int | None
    card_message_id: int | None
    """Of the message in the moderators' channel."""
    reports: tuple[Report, ...]


def check_not_blocked(rules: GuildRules) -> None:
    """Raise PolicyViolation if the user is blocked in the guild."""
    if rules.block_reason is not None:
        raise PolicyViolation(  # logged, too, so it is translated where it is shown
            N_("Moderators of this server have blocked you from using me here: {reason}").format(
                reason=rules.block_reason
            )
        )


def check_report(*, already_reported: bool, recent: int) -> None:
    """Raise Refused if the user reported the message before or too many in the last hour."""
    if already_reported:
        raise Refused(_("You have reported this already. It is recorded."))
    if recent >= MAX_REPORTS_PER_HOUR:
        raise Refused(
            _("You have reported {count} messages within an hour. Please try again later.").format(
                count=recent
            )
        )
