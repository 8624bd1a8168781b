"""Rules about jobs, pictures and prompts."""

import pytest

from bot.domain import rules
from bot.errors import Refused
from tests.fake_engine import MODEL
from tests.samples import job, picture, recipe


def test_another_model_is_refused() -> None:
    """The sentence names both models."""
    rules.check_model(recipe(), MODEL)
    with pytest.raises(Refused, match=r"model old \(abc\); I paint with flat"):
        rules.check_model(recipe(model="old", revision="abc"), MODEL)


def test_a_withheld_picture_is_refused() -> None:
    """The sentence says which one and why."""
    rules.check_viewable(picture())
    with pytest.raises(Refused, match="Picture 2 was withheld by the safety check"):
        rules.check_viewable(picture(nth=2, is_withheld=True, path=None))
    with pytest.raises(Refused, match=r"Picture 3 could not be painted\. Too bright\."):
        rules.check_viewable(picture(nth=3, sha256=None, path=None, failure_reason="Too bright."))


def test_only_the_user_and_moderators_can_cancel() -> None:
    """Other users cannot."""
    assert rules.can_cancel(job(user_id=1), user_id=1, is_moderator=False)
    assert rules.can_cancel(job(user_id=1), user_id=2, is_moderator=True)
    assert not rules.can_cancel(job(user_id=1), user_id=2, is_moderator=False)


def test_invisible_characters_are_dropped() -> None:
    """Zero-width, direction and control characters and surrogates are removed."""
    assert rules.strip_invisible(" a\u200b red\u202e \x07house\n") == "a red house"
    assert rules.strip_invisible("a red \ud83d house") == "a red  house"
