"""The rules for unsafe labels of classifiers."""

import pytest

from engine.errors import NoSafetyChecker
from engine.safety.labels import RULES, rule_for

FREEPIK = "Freepik/nsfw_image_detector"


@pytest.mark.parametrize(
    ("name", "labels", "unsafe"),
    [
        ("Falconsai/nsfw_image_detection", ["normal", "nsfw"], {"nsfw"}),
        (FREEPIK, ["neutral", "low", "medium", "high"], {"medium", "high"}),
        ("Marqo/nsfw-image-detection-384", ["NSFW", "SFW"], {"nsfw"}),
        ("somewhere/on/disk", ["neutral", "low", "medium", "high"], {"medium", "high"}),
        ("who/knows", ["SFW", "NSFW"], {"nsfw"}),
        (
            "five/classes",
            ["drawings", "hentai", "neutral", "porn", "sexy"],
            {"hentai", "porn", "sexy"},
        ),
        ("with/gore", ["safe", "nsfw", "gore"], {"nsfw", "gore"}),
    ],
)
def test_labels_are_classified(name: str, labels: list[str], unsafe: set[str]) -> None:
    """A rule is found by hub id, equal labels or common words; all other labels are unsafe."""
    rule = rule_for(name, labels)
    assert rule.unsafe == unsafe
    assert rule.safe == {label.casefold() for label in labels} - unsafe


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("who/knows", ["cat", "dog"]),
        ("who/knows", ["LABEL_0", "LABEL_1"]),
        ("who/knows", ["low", "medium", "high"]),
        ("who/knows", ["nsfw"]),
        ("who/knows", ["nsfw", "LABEL_1"]),
        ("who/knows", ["safe", "LABEL_1"]),
        ("who/knows", ["safe", "nsfw", "NSFW"]),
        ("who/knows", []),
        (FREEPIK, ["normal", "nsfw"]),
        (FREEPIK, ["neutral", "low", "medium"]),
    ],
)
def test_labels_that_are_not_understood_are_refused(name: str, labels: list[str]) -> None:
    """This includes a classifier whose labels no longer match its rule."""
    with pytest.raises(NoSafetyChecker, match="which of them are unsafe is not known"):
        rule_for(name, labels)


def test_every_rule_has_safe_and_unsafe_labels() -> None:
    """No label of a rule is both."""
    for rule in RULES.values():
        assert rule.safe and rule.unsafe and not rule.safe & rule.unsafe
