"""Limits on jobs: for a user, a guild and in total, and for users with a role; pure."""

import math
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from bot.domain.humanize import naturaldelta
from bot.errors import Refused
from bot.i18n import N_, _, ngettext, pgettext

MAX_TOKEN_WAIT: Final = 10 * 60.0
"""Seconds in which a job is expected to end, so that it ends before its interaction token expires
even if it takes somewhat longer."""
_NOT_A_MEMBER: Final = N_(
    "I am not a member of this server, so Discord gives me only 15 minutes to "
    "answer. Ask again later, or in a direct message to me, or ask an admin to add "
    "my bot user to the server."
)
_NOT_IN_CHAT: Final = N_(
    "I am not in this chat, so Discord gives me only 15 minutes to answer. Ask again "
    "later, or in a direct message to me."
)
MAX_QUEUE: Final = 800
"""Unfinished jobs of all users, however many replicas there are: the queue is read and ordered at
each start of a job, which takes about 0.05 s for 1,000 jobs."""
_PRIVATE: Final = N_(
    "Discord gives me only 15 minutes for a message that you alone can see. Ask "
    "again later, or without the option private."
)


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The operator's limits."""

    max_unfinished: int = 5
    """Unfinished jobs of one user."""
    max_running: int = 3
    """Running jobs of one user while other users wait."""
    daily_seconds: float | None = None
    """Engine seconds of one user in 24 hours; None for no limit."""
    max_pictures: int = 16
    """Pictures of one request."""
    max_request_seconds: float = 3600.0
    """Estimated engine seconds of one request."""
    max_unfinished_total: int = 200
    """Unfinished jobs of all users, for each replica of the engine."""
    max_running_total: int = 8
    """Running jobs of all users, for each replica of the engine."""
    role_factor: int = 10
    """A role may be given at most so many times the default."""
    guild_share: float = 0.75
    """The share of unfinished jobs, and of running ones while others wait, for one guild."""
    adaptive: bool = False
    """Whether the engine may choose larger batches under load. They change bits; the row class is
    stored with each picture."""
    max_crashes: int = 3
    """A job fails after the engine has died so often while it ran."""


class RoleRange(NamedTuple):
    """The values that a role may be given, and the option of /admin limits that sets one."""

    option: str
    least: int
    most: int


ROLE_RANGES: Final[Mapping[str, RoleRange]] = {
    "max_unfinished": RoleRange("waiting", 1, 50),
    "max_running": RoleRange("running", 1, 8),
    "daily_seconds": RoleRange("daily", 0, 604_800),
}
"""By the field of RoleLimit and Limits; the operator's limits may allow less."""


class RoleLimit(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of users with a role; None for the default."""

    role_id: int
    max_unfinished: int | None = None
    max_running: int | None = None
    daily_seconds: int | None = None

    def __post_init__(self) -> None:
        for field, (option, least, most) in ROLE_RANGES.items():
            value = getattr(self, field)
            if value is not None and not least <= value <= most:
                raise Refused(
                    _("The option {option} is {value}; it must be {least} to {most}.").format(
                        option=pgettext("option name", option), value=value, least=least, most=most
                    )
                )


LIMITS: Final = Limits()


class QueueDepth(msgspec.Struct, frozen=True):
    """Numbers of unfinished jobs: of one user, of a guild, and of all."""

    user: int
    guild: int
    total: int


class WaitEstimate(msgspec.Struct, frozen=True):
    """Seconds until the user's first job is done, and until all jobs of all users are."""

    first_job: float
    all_jobs: float


def for_replicas(limits: Limits, replicas: int) -> Limits:
    """The limits with so many replicas of the engine, of which each adds unfinished jobs."""
    least = limits.max_unfinished_total
    total = max(least, min(least * replicas, MAX_QUEUE))
    return msgspec.structs.replace(limits, max_unfinished_total=total)


def for_roles(limits: Limits, role_limits: Sequence[RoleLimit]) -> Limits:
    """The limits of a user with these roles: for each limit, the largest that a role grants."""
    changes = {}
    for field in ROLE_RANGES:
        values = [_clamped(role_limit, field, limits) for role_limit in role_limits]
        if granted := [value for value in values if value is not None]:
            changes[field] = max(granted)
    return msgspec.structs.replace(limits, **changes)


def merge(current: RoleLimit, changes: RoleLimit) -> RoleLimit:
    """The current limits, with those replaced that `changes` has."""
    values = {field: getattr(changes, field) for field in ROLE_RANGES}
    replaced = {field: value for field, value in values.items() if value is not None}
    return msgspec.structs.replace(current, **replaced)


def summary(limit: RoleLimit | Limits) -> str:
    """The limits in one line, in English, as they are stored."""
    parts = []
    if limit.max_unfinished is not None:
        parts.append(N_("{count} unfinished").format(count=limit.max_unfinished))
    if limit.max_running is not None:
        parts.append(N_("{count} running").format(count=limit.max_running))
    if limit.daily_seconds is not None:
        parts.append(N_("{count:g} seconds in 24 hours").format(count=limit.daily_seconds))
    return ", ".join(parts)


def clamp_to_operator_limit(limit: RoleLimit, limits: Limits) -> RoleLimit:
    """The role's limits, each reduced to what the operator allows roles at most."""
    values = {field: _clamped(limit, field, limits) for field in ROLE_RANGES}
    return msgspec.structs.replace(limit, **values)


def check_role(limit: RoleLimit, limits: Limits) -> None:
    """Raise Refused if a limit of the role exceeds what the operator allows roles at most."""
    for field, (option, *_range) in ROLE_RANGES.items():
        if _clamped(limit, field, limits) != getattr(limit, field):
            raise Refused(
                _(
                    "The option {option} is {value}; the operator of this bot allows "
                    "roles at most {limit}."
                ).format(
                    option=pgettext("option name", option),
                    value=getattr(limit, field),
                    limit=_operator_limit(field, limits),
                )
            )


def _clamped(limit: RoleLimit, field: str, limits: Limits) -> int | None:
    value: int | None = getattr(limit, field)
    return None if value is None else min(value, _operator_limit(field, limits))


def _operator_limit(field: str, limits: Limits) -> int:
    default = getattr(limits, field)
    most = ROLE_RANGES[field].most
    return most if default is None else min(most, math.ceil(default * limits.role_factor))


def check_pictures(count: int, limits: Limits) -> None:
    """Raise Refused if a request has more pictures than allowed."""
    if count > limits.max_pictures:
        raise Refused(
            _(
                "That would be {count:,} pictures; at most {limit} are allowed in one request."
            ).format(count=count, limit=limits.max_pictures)
        )


def check_seconds(seconds: float, limits: Limits) -> None:
    """Raise Refused if a request is expected to take more engine time than allowed."""
    if seconds > limits.max_request_seconds:
        raise Refused(
            _(
                "That would take {duration} of the engine's time; at most {limit:g} "
                "seconds are allowed in one request."
            ).format(duration=naturaldelta(seconds), limit=limits.max_request_seconds)
        )


def is_full(depth: QueueDepth, limits: Limits) -> bool:
    """Whether another job would exceed a limit."""
    return (
        depth.user >= limits.max_unfinished
        or depth.guild >= guild_share(limits.max_unfinished_total, limits)
        or depth.total >= limits.max_unfinished_total
    )


def check(depth: QueueDepth, limits: Limits, estimate: WaitEstimate | None = None) -> None:
    """Raise Refused, with a sentence for the user, if another job would exceed a limit."""
    most = guild_share(limits.max_unfinished_total, limits)
    if depth.user >= limits.max_unfinished:
        soon = (
            _(", in {duration}").format(duration=naturaldelta(estimate.first_job))
            if estimate
            else ""
        )
        raise Refused(
            _("You have {jobs} waiting; the limit is {limit}. Let one finish first{soon}.").format(
                jobs=_jobs(depth.user), limit=limits.max_unfinished, soon=soon
            )
        )
    if depth.guild >= most:
        raise Refused(
            _("This server has {jobs} waiting; the limit is {most}. {later}").format(
                jobs=_jobs(depth.guild), most=most, later=_later(estimate)
            )
        )
    if depth.total >= limits.max_unfinished_total:
        raise Refused(
            _("There are {jobs} waiting; the limit is {limit}. {later}").format(
                jobs=_jobs(depth.total), limit=limits.max_unfinished_total, later=_later(estimate)
            )
        )


def check_token_life(seconds: float | None, *, is_private: bool, guild_id: int | None) -> None:
    """Raise Refused if a job that is expected to end after `seconds` may end too late to be shown.

    This is for jobs that can be shown by an interaction token alone.
    """
    if seconds is not None and seconds > MAX_TOKEN_WAIT:
        reason = token_reason(is_private=is_private, guild_id=guild_id)
        raise Refused(
            _("This would take {duration}. {reason}").format(
                duration=naturaldelta(seconds), reason=reason
            )
        )


def out_of_time(*, is_private: bool, guild_id: int | None) -> str:
    """Why a job fails whose message can soon no longer be edited."""
    reason = token_reason(is_private=is_private, guild_id=guild_id)
    return _("This took too long. {reason}").format(reason=reason)


def token_reason(*, is_private: bool, guild_id: int | None) -> str:
    """Why a result must be shown while its interaction token is valid, and what else works."""
    if is_private:
        return _(_PRIVATE)
    return _(_NOT_IN_CHAT) if guild_id is None else _(_NOT_A_MEMBER)


def _jobs(count: int) -> str:
    return ngettext("{count} job", "{count} jobs", count).format(count=count)


def _later(estimate: WaitEstimate | None) -> str:
    if estimate is None:
        return _("Please try again in a while.")
    return _("All jobs together take {duration}; please try again in a while.").format(
        duration=naturaldelta(estimate.all_jobs)
    )


def guild_share(of: int, limits: Limits) -> int:
    """How many of `of` jobs may belong to one guild."""
    return max(1, int(of * limits.guild_share))
