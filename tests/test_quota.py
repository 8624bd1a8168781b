"""The quota of engine seconds in 24 hours."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain import quota
from bot.domain.clock import DAY, HOUR
from bot.domain.humanize import naturaldelta
from bot.domain.quota import Usage
from bot.errors import Refused


def refusal(uses: list[Usage], reserved: float = 0.0, daily: float = 60.0) -> str | None:
    """The refusal of a job submitted at the time DAY; None if it is accepted."""
    try:
        quota.check(uses, reserved, daily, now=DAY)
    except Refused as error:
        return str(error)
    return None


def test_a_user_with_seconds_left_may_submit() -> None:
    """The job may need more seconds than are left."""
    assert refusal([]) is None
    assert refusal([Usage(DAY, 59.0)]) is None


def test_a_refusal_says_when_the_quota_is_free_again() -> None:
    """That is when enough of the usage is 24 hours old."""
    assert refusal([Usage(3 * HOUR, 40.0), Usage(9 * HOUR, 30.0)]) == (
        "You have used 70 of your 60 engine seconds in 24 hours. Please try again in about 3 hours."
    )
    assert "in about 9 hours" in (refusal([Usage(3 * HOUR, 5.0), Usage(9 * HOUR, 65.0)]) or "")


def test_unfinished_jobs_count() -> None:
    """Several jobs together thus exceed the quota by one of them at most."""
    assert refusal([Usage(HOUR, 30.0)], reserved=29.0) is None
    assert refusal([Usage(HOUR, 30.0)], reserved=30.0) == (
        "You have used 30 of your 60 engine seconds in 24 hours, and your unfinished jobs will "
        "use the rest. Let them finish first."
    )


def test_a_quota_of_zero_excludes() -> None:
    """A role limit may be 0."""
    assert refusal([], daily=0.0) == (
        "Your roles do not allow you to make pictures on this server."
    )


@given(st.lists(st.tuples(st.floats(1, DAY), st.floats(0.1, 50)), min_size=1, max_size=20))
def test_free_at_is_the_earliest_time(used: list[tuple[float, float]]) -> None:
    """The usage is below the quota at that time, and not before."""
    uses = [Usage(*use) for use in used]
    if sum(use.seconds for use in uses) < 40.0:
        return
    free = quota.free_at(uses, 40.0)
    then = sum(use.seconds for use in uses if use.charged_at + DAY > free)
    just_before = sum(use.seconds for use in uses if use.charged_at + DAY >= free)
    assert then < 40.0 + 1e-9 <= just_before + 2e-9


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "about 5 seconds"),
        (42, "about 40 seconds"),
        (95, "about 2 minutes"),
        (3000, "about 50 minutes"),
        (6000, "about 2 hours"),
        (80000, "about 22 hours"),
    ],
)
def test_durations_are_rounded(seconds: float, words: str) -> None:
    """The result is a round number of one unit."""
    assert naturaldelta(seconds) == words
