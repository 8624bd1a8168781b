"""The texts of /privacy."""

from typing import Any

import pytest

from bot.domain.user_data import RetentionPolicy, UserDataSummary
from bot.messages import privacy_text

MAX_CONTENT = 2000


def user_data(**changes: object) -> UserDataSummary:
    """The data of a user with two jobs."""
    values: dict[str, Any] = {
        "jobs": 2,
        "pictures": 5,
        "input_pictures": 1,
        "under_review": 0,
        "audit_entries": 0,
        "oldest_at": 100.0,
    }
    return UserDataSummary(**values | changes)


NOTHING_STORED = user_data(jobs=0, pictures=0, input_pictures=0, oldest_at=None)


def test_nouns_agree_with_their_numbers() -> None:
    """Sketches are mentioned only if there are any."""
    policy = RetentionPolicy()
    text = privacy_text.summary(user_data(), policy)
    assert "2 jobs, 5 pictures and 1 input picture of yours" in text
    smallest = user_data(jobs=1, pictures=1, input_pictures=0)
    assert "1 job and 1 picture of yours" in privacy_text.summary(smallest, policy)
    assert "3 input pictures" in privacy_text.confirmation(user_data(input_pictures=3))


@pytest.mark.parametrize(
    ("policy", "sentence"),
    [
        (RetentionPolicy(), "It is stored until you delete it."),
        (RetentionPolicy(days=1), "It is deleted 1 day after a job has finished."),
        (RetentionPolicy(days=30), "It is deleted 30 days after a job has finished."),
        (RetentionPolicy(), "log has no prompts, but the IDs"),
        (RetentionPolicy(logs_prompts=True), "log has your prompts and the IDs"),
    ],
)
def test_the_summary_states_the_retention_policy(policy: RetentionPolicy, sentence: str) -> None:
    """It depends on the operator's settings."""
    assert sentence in privacy_text.summary(user_data(), policy)


def test_the_summary_states_what_the_audit_log_has() -> None:
    """This also holds for a user about whom nothing else is stored."""
    text = privacy_text.summary(user_data(audit_entries=3), RetentionPolicy())
    assert "The audit log has 3 entries about you, for moderators" in text
    assert "180 days" in privacy_text.summary(NOTHING_STORED, RetentionPolicy())


def test_the_result_states_what_is_deleted_later() -> None:
    """Jobs under review are not counted as deleted."""
    under_review = user_data(jobs=1, pictures=4, input_pictures=0, under_review=1)
    text = privacy_text.result(user_data(), under_review, is_complete=False)
    assert "Deleted: 1 job, 1 picture and 1 input picture." in text
    assert "1 job of yours was reported" in text and "after 30 days" in text
    assert "deleted as soon as possible" in text
    nothing = privacy_text.result(NOTHING_STORED, NOTHING_STORED, is_complete=True)
    assert nothing == privacy_text.NOTHING
    unchanged = privacy_text.result(under_review, under_review, is_complete=True)
    assert unchanged != privacy_text.NOTHING


def test_every_text_fits_into_a_message() -> None:
    """This holds even for very large numbers."""
    data = user_data(
        jobs=10**7,
        pictures=10**7,
        input_pictures=10**7,
        under_review=10**6,
        audit_entries=10**7,
        oldest_at=1e10,
    )
    for text in (
        privacy_text.summary(data, RetentionPolicy(days=36500, logs_prompts=True)),
        privacy_text.confirmation(data),
        privacy_text.result(data, user_data(under_review=10**6), is_complete=False),
    ):
        assert len(text) < MAX_CONTENT
