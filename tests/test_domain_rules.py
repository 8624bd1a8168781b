"""Rules about jobs, pictures and prompts."""

import pytest

from bot.domain import rules
from bot.errors import Refused
from engine.contract import Embedding
from tests.fake_engine import MODEL
from tests.samples import job, picture, recipe


def test_another_model_is_refused() -> None:
    """The sentence names both models."""
    rules.check_models([recipe()], [MODEL])
    with pytest.raises(Refused, match=r"model old \(abc\); I paint with flat"):
        rules.check_models([recipe(), recipe(model="old", revision="abc")], [MODEL])
    with pytest.raises(Refused, match="needs the embedding bad, which the model"):
        rules.check_models([recipe(embeddings=(Embedding("bad", "a" * 64),))], [MODEL])


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
    assert rules.strip_invisible("") == rules.strip_invisible("\u200b") == ""


@pytest.mark.parametrize(
    "text",
    [
        "می\u200cخواهم",
        "क्\u200dष",
        "👩\u200d👩\u200d👧\u200d👦",
        "👩🏽\u200d🚀",
        "🏳\ufe0f\u200d🌈",
        "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
    ],
    ids=["Persian", "Hindi", "family", "astronaut", "rainbow flag", "Scotland"],
)
def test_joiners_that_change_the_text_are_kept(text: str) -> None:
    """Without them words are misspelt and an emoji falls apart."""
    assert rules.strip_invisible(f" {text} ") == text


@pytest.mark.parametrize(
    "text",
    [
        "ca\u200dt",
        "c\u200cat",
        "\u200dcat",
        "cat\u200d",
        "ca\U000e0067t",
        "cat\U000e007f",
        "c\u200d\u200dat",
    ],
)
def test_other_joiners_are_removed(text: str) -> None:
    """They only hide what is written."""
    assert rules.strip_invisible(text) == "cat"
