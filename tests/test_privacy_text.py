"""What is kept of a person, in words."""

from typing import Any

import pytest

from bot.domain.user_data import RetentionPolicy, UserDataSummary
from bot.messages import privacy_text

LIMIT = 2000


def kept(**changes: object) -> UserDataSummary:
    """A person of two jobs."""
    values: dict[str, Any] = {
        "jobs": 2,
        "pictures": 5,
        "sketches": 1,
        "under_review": 0,
        "audit_entries": 0,
        "oldest_at": 100.0,
    }
    return UserDataSummary(**values | changes)


NONE = kept(jobs=0, pictures=0, sketches=0, oldest_at=None)


def test_one_is_not_said_to_be_many() -> None:
    """Nor many one; sketches are named if there are any."""
    assert "2 jobs, 5 pictures and 1 sketch of you" in privacy_text.summary(
        kept(), RetentionPolicy()
    )
    one = kept(jobs=1, pictures=1, sketches=0)
    assert "1 job and 1 picture of you" in privacy_text.summary(one, RetentionPolicy())
    assert "3 sketches" in privacy_text.confirmation(kept(sketches=3))


@pytest.mark.parametrize(
    ("promise", "said"),
    [
        (RetentionPolicy(), "kept until you delete it"),
        (RetentionPolicy(days=1), "deleted 1 day after a job has ended"),
        (RetentionPolicy(days=30), "deleted 30 days after a job has ended"),
        (RetentionPolicy(), "log has none of your words, but ids"),
        (RetentionPolicy(logs_prompts=True), "log has your prompts, and ids"),
    ],
)
def test_what_was_promised_is_said(promise: RetentionPolicy, said: str) -> None:
    """By who runs the bot."""
    assert said in privacy_text.summary(kept(), promise)


def test_what_moderators_keep_is_said_with_reason_and_time() -> None:
    """Also to somebody of whom there is nothing else."""
    said = privacy_text.summary(kept(audit_entries=3), RetentionPolicy())
    assert "act against abuse, 3 lines of their log about you are kept for 180 days" in said
    assert "180 days" in privacy_text.summary(NONE, RetentionPolicy())


def test_what_goes_later_is_said() -> None:
    """It is not counted as deleted."""
    held = kept(jobs=1, pictures=4, sketches=0, under_review=1)
    said = privacy_text.result(kept(), held, complete=False)
    assert "Deleted: 1 job, 1 picture and 1 sketch." in said
    assert "1 job of yours was reported" in said and "after 30 days" in said
    assert "goes as soon as it is free" in said
    assert privacy_text.result(NONE, NONE, complete=True) == privacy_text.NOTHING
    assert privacy_text.result(held, held, complete=True) != privacy_text.NOTHING


def test_all_of_it_fits_into_a_message() -> None:
    """With the largest numbers."""
    most = kept(
        jobs=10**7,
        pictures=10**7,
        sketches=10**7,
        under_review=10**6,
        audit_entries=10**7,
        oldest_at=1e10,
    )
    for said in (
        privacy_text.summary(most, RetentionPolicy(days=36500, logs_prompts=True)),
        privacy_text.confirmation(most),
        privacy_text.result(most, kept(under_review=10**6), complete=False),
    ):
        assert len(said) < LIMIT
