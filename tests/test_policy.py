"""What is allowed."""

import pytest

from bot import policy
from bot.errors import Refused
from tests.fake_engine import MODEL
from tests.samples import job, picture, recipe


def test_a_person_may_wait_for_so_many_jobs_only() -> None:
    """The sixth is refused, with the number in the sentence."""
    policy.check(waiting=4, backlog=4, limits=policy.LIMITS)
    with pytest.raises(Refused, match="You have 5 jobs waiting"):
        policy.check(waiting=5, backlog=5, limits=policy.LIMITS)


def test_the_backlog_of_all_is_bounded() -> None:
    """A newcomer is refused too when there is far too much to do."""
    with pytest.raises(Refused, match="There are 200 jobs waiting"):
        policy.check(waiting=0, backlog=200, limits=policy.LIMITS)


def test_other_weights_cannot_repeat_a_recipe() -> None:
    """The sentence names both models."""
    policy.check_model(recipe(), MODEL)
    with pytest.raises(Refused, match=r"model old \(abc\); I paint with flat"):
        policy.check_model(recipe(model="old", revision="abc"), MODEL)


def test_a_withheld_picture_is_not_shown() -> None:
    """The sentence says which and why."""
    policy.check_shown(picture())
    with pytest.raises(Refused, match="Picture 2 was withheld by the safety check"):
        policy.check_shown(picture(nth=2, blocked=True, path=None))
    with pytest.raises(Refused, match=r"Picture 3 could not be painted\. Too bright\."):
        policy.check_shown(picture(nth=3, sha256=None, path=None, failed="Too bright."))


def test_only_the_person_and_moderators_stop_a_job() -> None:
    """Nobody else may."""
    assert policy.may_stop(job(person=1), person=1, moderator=False)
    assert policy.may_stop(job(person=1), person=2, moderator=True)
    assert not policy.may_stop(job(person=1), person=2, moderator=False)


def test_invisible_characters_are_dropped() -> None:
    """Zero-width, direction and control characters carry no meaning for a painter."""
    assert policy.cleaned(" a\u200b red\u202e \x07house\n") == "a red house"
    assert policy.cleaned("a red \ud83d house") == "a red  house"
