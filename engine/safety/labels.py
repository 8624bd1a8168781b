"""Which of a classifier's labels count as unsafe; pure."""

from collections.abc import Sequence
from typing import Final

import msgspec

from engine.errors import NoSafetyChecker


class Rule(msgspec.Struct, frozen=True):
    """A picture is flagged if the shares of the unsafe labels come to the threshold together."""

    unsafe: frozenset[str]
    """In small letters."""
    safe: frozenset[str]
    threshold: float = 0.5


KNOWN: Final = {
    # `low` is mildly suggestive, `medium` suggestive or borderline, `high` explicit:
    # https://docs.prodia.com/guides/classifying-images/
    "Freepik/nsfw_image_detector": Rule(
        frozenset({"medium", "high"}), frozenset({"neutral", "low"})
    ),
    "Falconsai/nsfw_image_detection": Rule(frozenset({"nsfw"}), frozenset({"normal"})),
    "Marqo/nsfw-image-detection-384": Rule(frozenset({"nsfw"}), frozenset({"sfw"})),
}
"""By hub id; a classifier with exactly the labels of one of these has its rule."""
_UNSAFE: Final = frozenset(
    {"nsfw", "unsafe", "porn", "hentai", "sexy", "sexual", "explicit", "nude", "nudity"}
)
_SAFE: Final = frozenset({"sfw", "safe", "normal", "neutral", "drawing", "drawings", "clean"})


def rule(name: str, labels: Sequence[str]) -> Rule:
    """The rule for this classifier. Raises NoSafetyChecker if its labels are not understood.

    Of an unknown classifier, at least one label must be known as unsafe and one as safe; what is
    known as neither counts as unsafe.
    """
    found = frozenset(label.casefold() for label in labels)
    known = KNOWN.get(name)
    if known is None:
        alike = (each for each in KNOWN.values() if each.unsafe | each.safe == found)
        known = next(alike, None)
    if known is None and found & _UNSAFE and found & _SAFE:
        known = Rule(found - _SAFE, found & _SAFE)
    if known is None or known.unsafe | known.safe != found or len(found) != len(labels):
        raise NoSafetyChecker(
            f"The checker {name} has the labels {', '.join(labels) or '(none)'}, which are not "
            "understood, so it would pass or block pictures blindly: choose another one."
        )
    return known
