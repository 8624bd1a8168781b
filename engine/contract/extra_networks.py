"""Extra networks in the notation of AUTOMATIC1111's web UI, `<lora:detail:0.8>`.

Its rules hold (modules/extra_networks.py, extensions-builtin/Lora/extra_networks_lora.py): a tag
stands anywhere in a prompt, is no part of the text, and has the weight 1 if it names none. Of the
networks only LoRAs are offered here; `<lyco:…>` is another name for `<lora:…>`.
"""

import math
import re
from collections.abc import Iterator
from typing import Final, NamedTuple

_TAG: Final = re.compile(
    r"<(lora|lyco|hypernet):([^<>:]{1,200})((?::[^<>]{0,200})?)>", re.IGNORECASE
)
_OPEN: Final = re.compile(r"<(?:lora|lyco|hypernet):[^\s<>]{0,200}>?", re.IGNORECASE)
"""What a tag begins with, if it is no tag."""
_HYPERNET: Final = "hypernet"
_MAX_NAMES: Final = 8
_MAX_NAME_CHARS: Final = 40


class LoraTag(NamedTuple):
    """A LoRA that a prompt names."""

    name: str
    scale: float


def take_loras(prompt: str) -> tuple[str, tuple[LoraTag, ...]]:
    """The prompt without its tags, and the LoRAs that they name.

    Raises ValueError, with a sentence for the user, for a tag that cannot be followed.
    """
    tags = []
    for match in _TAG.finditer(prompt):
        shown = match[0][:_MAX_NAME_CHARS]
        if match[1].lower() == _HYPERNET:
            raise ValueError(f"Hypernetworks are not offered here: take {shown} out of the prompt.")
        weights = _weights(match[3])
        if weights is None:
            raise ValueError(
                f"The weight in {shown} is not valid: write <lora:NAME> or <lora:NAME:0.8>."
            )
        if len(set(weights)) > 1:
            raise ValueError(
                f"The tag {shown} has two weights, for the text and for the image; only one for "
                "both is offered here."
            )
        tags.append(LoraTag(match[2].strip(), weights[0]))
    text = without_networks(prompt)
    unfinished = _OPEN.search(text)
    if unfinished is not None:
        raise ValueError(
            f"The tag {unfinished[0][:_MAX_NAME_CHARS]} is not complete: write <lora:NAME> or "
            "<lora:NAME:0.8>."
        )
    return text.strip() if tags else prompt, tuple(tags)


def loras_in(text: str) -> tuple[LoraTag, ...]:
    """The LoRAs in a prompt of another program, each once; one with two weights has that of the
    image, and one without a valid weight has 1."""
    tags = (
        LoraTag(match[2].strip(), (_weights(match[3]) or (1.0,))[-1])
        for match in _TAG.finditer(text)
        if match[1].lower() != _HYPERNET
    )
    return tuple({tag.name: tag for tag in tags}.values())


def networks_in(text: str) -> tuple[str, ...]:
    """The names of the extra networks in a prompt, each once."""
    return tuple(dict.fromkeys(match[2].strip() for match in _TAG.finditer(text)))


def without_networks(text: str) -> str:
    """The prompt without its extra networks."""
    return _TAG.sub("", text)


def check_no_networks(prompt: str) -> None:
    """Raise ValueError, with a sentence for the user, if a prompt that begins at a later step names
    extra networks."""
    tags = [match[0][:_MAX_NAME_CHARS] for match in _TAG.finditer(prompt)][:_MAX_NAMES]
    if tags:
        raise ValueError(
            "LoRAs act from the first step on, so those of a picture stay as they are: take "
            f"{', '.join(tags)} out of the prompt."
        )


def not_applied(names: tuple[str, ...]) -> str:
    """A sentence for the user about extra networks of another program's picture."""
    shown = [name[:_MAX_NAME_CHARS] for name in names[:_MAX_NAMES]]
    return (
        "These LoRAs or other extra networks are not offered here, so they are not applied: "
        f"{', '.join([*shown, *(['…'] if len(names) > _MAX_NAMES else [])])}."
    )


def _weights(text: str) -> tuple[float, float] | None:
    """The weights for the text encoders and for the UNet, from `:0.8`, `:0.8:0.5`, `:te=1:unet=1`
    or nothing; None if they are not valid."""
    words = [word.strip() for word in text.split(":")[1:]]
    named = dict(_named(words))
    values = [_number(word) for word in words if "=" not in word]
    numbers = {name: _number(value) for name, value in named.items()}
    if (
        None in values
        or None in numbers.values()
        or len(values) > 2
        or named.keys() - {"te", "unet"}
    ):
        return None
    text_weight = numbers.get("te", values[0] if values else 1.0)
    default = values[1] if len(values) > 1 else text_weight
    unet_weight = numbers.get("unet", default)
    if text_weight is None or unet_weight is None:
        return None
    return text_weight, unet_weight


def _named(words: list[str]) -> Iterator[tuple[str, str]]:
    for word in words:
        name, equals, value = word.partition("=")
        if equals:
            yield name.strip().lower(), value


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
