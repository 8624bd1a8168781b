"""How much the bot takes on, of everybody and of people with a role; pure."""

import math
from collections.abc import Sequence
from typing import Final

import msgspec

from bot.domain.humanize import about
from bot.errors import Refused


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How much the bot takes on."""

    waiting: int = 5
    """Unfinished jobs of one person."""
    running: int = 3
    """Of these at the engine, while others wait."""
    daily: float | None = None
    """Seconds of the engine for one person in 24 hours; None for any number."""
    backlog: int = 200
    """Unfinished jobs of everybody."""
    at_once: int = 8
    """Jobs at the engine, which paints them together."""
    role_factor: int = 10
    """How many times as much as everybody a role may be given, at most."""
    guild_share: float = 0.75
    """Of the backlog for one server; and of the places at the engine, while others wait."""
    adaptive: bool = False
    """May the engine choose larger batches while it has much to do? They change bits, but the
    record says in which a picture was painted."""
    crashes: int = 3
    """A job during which the engine died so often is given up."""


ROLE_RANGES: Final = {"waiting": (1, 50), "running": (1, 8), "daily": (0, 604_800)}
"""The least and the most that a role may be given; who runs the bot may allow less."""


class RoleLimit(msgspec.Struct, frozen=True, kw_only=True):
    """What a role allows; None is what everybody may."""

    role: int
    waiting: int | None = None
    running: int | None = None
    daily: int | None = None

    def __post_init__(self) -> None:
        for name, (least, most) in ROLE_RANGES.items():
            value = getattr(self, name)
            if value is not None and not least <= value <= most:
                raise Refused(f"The option {name} is {value}; it must be {least} to {most}.")


LIMITS: Final = Limits()


class Load(msgspec.Struct, frozen=True):
    """How many unfinished jobs there are: of one person, of their server, and of everybody."""

    person: int
    guild: int
    all: int


class Forecast(msgspec.Struct, frozen=True):
    """Seconds until a person's first job is done, and until all are."""

    first: float
    all: float


def for_roles(limits: Limits, allowed: Sequence[RoleLimit]) -> Limits:
    """The limits of somebody with these roles: the most that one of them allows, of each."""
    changes = {}
    for name in ROLE_RANGES:
        values = [_given(each, name, limits) for each in allowed]
        if known := [value for value in values if value is not None]:
            changes[name] = max(known)
    return msgspec.structs.replace(limits, **changes)


def capped(limit: RoleLimit, limits: Limits) -> RoleLimit:
    """What the role gets of it: servers' admins give no more than who runs the bot allows."""
    given = {name: _given(limit, name, limits) for name in ROLE_RANGES}
    return msgspec.structs.replace(limit, **given)


def check_role(limit: RoleLimit, limits: Limits) -> None:
    """Raise Refused if a role may not be given so much."""
    for name in ROLE_RANGES:
        if _given(limit, name, limits) != getattr(limit, name):
            raise Refused(
                f"The option {name} is {getattr(limit, name)}; whoever runs this bot lets roles "
                f"have {_most(name, limits)} at most."
            )


def _given(limit: RoleLimit, name: str, limits: Limits) -> int | None:
    value: int | None = getattr(limit, name)
    return None if value is None else min(value, _most(name, limits))


def _most(name: str, limits: Limits) -> int:
    everybodys = getattr(limits, name)
    most = ROLE_RANGES[name][1]
    return most if everybodys is None else min(most, math.ceil(everybodys * limits.role_factor))


def is_full(load: Load, limits: Limits) -> bool:
    """Is another job too much right now?"""
    return (
        load.person >= limits.waiting
        or load.guild >= share(limits.backlog, limits)
        or load.all >= limits.backlog
    )


def check(load: Load, limits: Limits, forecast: Forecast | None = None) -> None:
    """Raise Refused, in words for the person, if another job is too much right now."""
    most = share(limits.backlog, limits)
    if load.person >= limits.waiting:
        soon = f", in {about(forecast.first)}" if forecast else ""
        raise Refused(
            f"You have {_jobs(load.person)} waiting, and {limits.waiting} may wait. "
            f"Let one finish first{soon}."
        )
    if load.guild >= most:
        raise Refused(
            f"This server has {_jobs(load.guild)} waiting, and {most} may wait. {_later(forecast)}"
        )
    if load.all >= limits.backlog:
        raise Refused(
            f"There are {_jobs(load.all)} waiting, and {limits.backlog} may wait. "
            f"{_later(forecast)}"
        )


def _jobs(count: int) -> str:
    return "1 job" if count == 1 else f"{count} jobs"


def _later(forecast: Forecast | None) -> str:
    if forecast is None:
        return "Please try again in a while."
    return f"All jobs together take {about(forecast.all)}; please try again in a while."


def share(of: int, limits: Limits) -> int:
    """How many of so many may be one server's."""
    return max(1, int(of * limits.guild_share))
