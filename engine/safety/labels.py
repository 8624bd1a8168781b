"""The rules that say which labels of a classifier are unsafe. Pure."""

from collections.abc import Sequence
from typing import Final

import msgspec

from engine.errors import NoSafetyChecker


class LabelRule(msgspec.Struct, frozen=True):
    """An image is flagged if the probabilities of the unsafe labels sum up to the threshold.

    Labels are case-folded.
    """

    unsafe: frozenset[str]
    safe: frozenset[str]
    threshold: float = 0.5


RULES: Final = {
    # `low` is mildly suggestive, `medium` suggestive or borderline, `high` explicit:
    # https://docs.prodia.com/guides/classifying-images/
    "Freepik/nsfw_image_detector": LabelRule(
        frozenset({"medium", "high"}), frozenset({"neutral", "low"})
    ),
    "Falconsai/nsfw_image_detection": LabelRule(frozenset({"nsfw"}), frozenset({"normal"})),
    "Marqo/nsfw-image-detection-384": LabelRule(frozenset({"nsfw"}), frozenset({"sfw"})),
}
"""Rules by hub id; each also applies to other classifiers with exactly the same labels."""
_UNSAFE: Final = frozenset(
    {"nsfw", "unsafe", "porn", "hentai", "sexy", "sexual", "explicit", "nude", "nudity"}
)
_SAFE: Final = frozenset({"sfw", "safe", "normal", "neutral", "drawing", "drawings", "clean"})


def rule_for(name: str, labels: Sequence[str]) -> LabelRule:
    """The rule for a classifier with these labels.

    If RULES has none for the name or the labels, the labels in _SAFE are safe and all others
    unsafe. Raises NoSafetyChecker if then no label is in _SAFE or none in _UNSAFE, or if the rule's
    labels are not exactly these.
    """
    label_set = frozenset(label.casefold() for label in labels)
    rule = RULES.get(name)
    if rule is None:
        same_labels = (
            candidate
            for candidate in RULES.values()
            if candidate.unsafe | candidate.safe == label_set
        )
        rule = next(same_labels, None)
    if rule is None and label_set & _UNSAFE and label_set & _SAFE:
        rule = LabelRule(label_set - _SAFE, label_set & _SAFE)
    if rule is None or rule.unsafe | rule.safe != label_set or len(label_set) != len(labels):
        raise NoSafetyChecker(
            f"The checker {name} has the labels {', '.join(labels) or '(none)'}; which of them are "
            "unsafe is not known, so it cannot be used: choose another checker."
        )
    return rule
