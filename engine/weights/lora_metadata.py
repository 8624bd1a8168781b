"""What the metadata of a LoRA says about its use.

The keys are those of the model specification
(https://github.com/Stability-AI/ModelSpec), of kohya's sd-scripts (`ss_…`), and of other trainers.
"""

import re
from collections import Counter
from collections.abc import Mapping
from typing import Final

import msgspec

MAX_TRIGGERS: Final = 5
MAX_TRIGGER_CHARS: Final = 60
_PHRASES: Final = (
    "modelspec.trigger_phrase",
    "trigger_phrase",
    "trigger_words",
    "trigger_word",
    "trained_words",
    "trainedWords",
    "activation text",
    "instance_prompt",
)
"""Each has words with commas between them, or a list of words as JSON."""
_TAGS: Final = "ss_tag_frequency"
_SHARE: Final = 0.8
"""A tag is a trigger if it has so large a share of the count of the most frequent one."""
_BASES: Final = ("modelspec.architecture", "ss_base_model_version", "ss_sd_model_name")
_NOT_SAID: Final = frozenset({"", "none", "null"})


def triggers(metadata: Mapping[str, str]) -> tuple[str, ...]:
    """Words that its author says to use in the prompt, else the most frequent tags of the training
    images; at most MAX_TRIGGERS."""
    words = next(filter(None, (_words(metadata.get(key, "")) for key in _PHRASES)), None)
    words = _frequent_tags(metadata.get(_TAGS, "")) if words is None else words
    texts = (" ".join(word.split())[:MAX_TRIGGER_CHARS].strip() for word in words)
    printable = (text for text in texts if text and text.isprintable())
    return tuple(dict.fromkeys(printable))[:MAX_TRIGGERS]


def base_model(metadata: Mapping[str, str]) -> str:
    """The model that it is for, in the words of its author; empty if that is not said."""
    for key in _BASES:
        text = " ".join(metadata.get(key, "").split())[:MAX_TRIGGER_CHARS]
        if text.lower() not in _NOT_SAID and text.isprintable():
            return text.removesuffix("/lora")
    return ""


def _words(text: str) -> list[str]:
    if text.strip().lower() in _NOT_SAID:
        return []
    try:
        return msgspec.json.decode(text, type=list[str])
    except (msgspec.DecodeError, RecursionError):
        return [word for word in re.split(r"[,;\n]", text) if word.strip()]


def _frequent_tags(text: str) -> list[str]:
    """`text` has the counts of the tags of each folder of training images, as JSON."""
    try:
        folders = msgspec.json.decode(text or "{}", type=dict[str, dict[str, int]])
    except (msgspec.DecodeError, RecursionError):
        return []
    counts: Counter[str] = Counter()
    for tags in folders.values():
        counts.update(tags)
    common = counts.most_common(MAX_TRIGGERS)
    return [tag for tag, count in common if count >= _SHARE * common[0][1]]
