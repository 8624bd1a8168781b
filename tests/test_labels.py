"""Which of a classifier's labels count as unsafe."""

import pytest

from engine.errors import NoSafetyChecker
from engine.safety.labels import KNOWN, rule

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
def test_unsafe_labels_are_known(name: str, labels: list[str], unsafe: set[str]) -> None:
    """By name, by the labels of one that is known, or by words; what nobody knows is unsafe."""
    found = rule(name, labels)
    assert found.unsafe == unsafe
    assert found.safe == {label.casefold() for label in labels} - unsafe


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
    """Also of a classifier that is known and has become another."""
    with pytest.raises(NoSafetyChecker, match="not understood"):
        rule(name, labels)


def test_every_known_classifier_has_both_kinds() -> None:
    """And no label that is of both."""
    for known in KNOWN.values():
        assert known.safe and known.unsafe and not known.safe & known.unsafe
