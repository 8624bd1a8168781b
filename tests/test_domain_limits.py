"""Limits of users, guilds and roles."""

import re

import msgspec
import pytest

from bot.domain.limits import (
    LIMITS,
    Limits,
    QueueDepth,
    RoleLimit,
    WaitEstimate,
    check,
    check_pictures,
    check_role,
    check_seconds,
    clamp_to_operator_limit,
    for_replicas,
    for_roles,
    is_full,
)
from bot.errors import Refused


def test_unfinished_jobs_of_a_user_are_limited() -> None:
    """The sixth is refused; the refusal has the numbers, and an estimate if there is one."""
    assert refusal(QueueDepth(4, 4, 4)) is None
    assert refusal(QueueDepth(5, 5, 5)) == (
        "You have 5 jobs waiting; the limit is 5. Let one finish first."
    )
    assert refusal(QueueDepth(5, 5, 5), WaitEstimate(170.0, 900.0)) == (
        "You have 5 jobs waiting; the limit is 5. Let one finish first, in about 3 minutes."
    )


def test_unfinished_jobs_of_all_users_are_limited() -> None:
    """A user without jobs is refused too."""
    assert refusal(QueueDepth(0, 0, 199)) is None
    assert refusal(QueueDepth(0, 0, 200), WaitEstimate(1.0, 2400.0)) == (
        "There are 200 jobs waiting; the limit is 200. "
        "All jobs together take about 40 minutes; please try again in a while."
    )


def test_a_guild_may_fill_three_quarters_of_the_queue() -> None:
    """The rest is left to other guilds."""
    assert refusal(QueueDepth(0, 149, 150)) is None
    assert refusal(QueueDepth(0, 150, 150)) == (
        "This server has 150 jobs waiting; the limit is 150. Please try again in a while."
    )


def refusal(load: QueueDepth, forecast: WaitEstimate | None = None) -> str | None:
    """The sentence of the refusal; None if another job is allowed."""
    full = is_full(load, LIMITS)
    try:
        check(load, LIMITS, forecast)
    except Refused as error:
        assert full
        return str(error)
    assert not full
    return None


def test_the_most_generous_role_counts() -> None:
    """It is determined for each limit separately; users without such a role have the defaults."""
    roles = [
        RoleLimit(role_id=1, max_unfinished=2),
        RoleLimit(role_id=2, max_unfinished=9, daily_seconds=60),
    ]
    limits = for_roles(LIMITS, roles)
    assert (limits.max_unfinished, limits.max_running, limits.daily_seconds) == (
        9,
        LIMITS.max_running,
        60,
    )
    assert for_roles(LIMITS, []) == LIMITS


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"max_unfinished": 0}, "waiting is 0; it must be 1 to 50"),
        ({"max_running": 9}, "running is 9; it must be 1 to 8"),
        ({"daily_seconds": -1}, "daily is -1; it must be 0 to 604800"),
    ],
)
def test_role_limits_are_checked(values: dict[str, int], words: str) -> None:
    """Each value must be in the range of its option."""
    with pytest.raises(Refused, match=re.escape(words)):
        RoleLimit(role_id=1, **values)
    with pytest.raises(Refused, match=re.escape(words)):
        msgspec.structs.replace(RoleLimit(role_id=1), **values)


def test_role_limits_are_clamped_to_the_operators_limit() -> None:
    """This includes limits that were stored earlier; a role may always be below the default."""
    limits = Limits(max_unfinished=5, max_running=3, daily_seconds=60.0, role_factor=2)
    much = RoleLimit(role_id=1, max_unfinished=50, max_running=8, daily_seconds=604_800)
    assert clamp_to_operator_limit(much, limits) == RoleLimit(
        role_id=1, max_unfinished=10, max_running=6, daily_seconds=120
    )
    raised = for_roles(limits, [much, RoleLimit(role_id=2, max_unfinished=1)])
    assert (raised.max_unfinished, raised.max_running, raised.daily_seconds) == (10, 6, 120)
    for values, most in (
        ({"max_unfinished": 11}, 10),
        ({"max_running": 7}, 6),
        ({"daily_seconds": 121}, 120),
    ):
        with pytest.raises(Refused, match=f"allows roles at most {most}"):
            check_role(RoleLimit(role_id=1, **values), limits)
    less = RoleLimit(role_id=1, max_unfinished=1, max_running=1, daily_seconds=0)
    check_role(less, limits)
    assert clamp_to_operator_limit(less, limits) == less
    frugal = Limits(daily_seconds=0.5, role_factor=1)
    # The half second is rounded up: 0 would exclude the role.
    assert for_roles(frugal, [RoleLimit(role_id=1, daily_seconds=60)]).daily_seconds == 1
    check_role(much, LIMITS)  # a role may have a quota although the default is none


def test_a_request_has_at_most_so_many_pictures_and_seconds() -> None:
    """The sentences say how much it would be, and the limit."""
    limits = Limits(max_pictures=16, max_request_seconds=90.0)
    check_pictures(16, limits)
    check_seconds(90.0, limits)
    with pytest.raises(Refused, match="That would be 22,500 pictures; at most 16 are allowed"):
        check_pictures(22_500, limits)
    with pytest.raises(Refused, match="about 10 minutes of the engine's time; at most 90 seconds"):
        check_seconds(600.0, limits)


@pytest.mark.parametrize(
    ("of_one", "replicas", "total"), [(200, 1, 200), (200, 3, 600), (200, 64, 800), (900, 2, 900)]
)
def test_the_queue_grows_with_the_replicas_up_to_a_limit(
    of_one: int, replicas: int, total: int
) -> None:
    """A longer queue would take too long to read; the operator's own limit is never lowered."""
    limits = for_replicas(Limits(max_unfinished_total=of_one), replicas)
    assert limits == Limits(max_unfinished_total=total)
