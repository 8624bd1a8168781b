"""Extra networks in the notation of AUTOMATIC1111's web UI, `<lora:detail:0.8>`.

None are offered here. A prompt of a request that names one is refused, and a picture of another
program is painted without them.
"""

import re
from typing import Final

_TAG: Final = re.compile(
    r"<(?:lora|lyco|hypernet):([^<>:]{1,200})(?::[^<>]{0,200})?>", re.IGNORECASE
)
_MAX_NAMES: Final = 8
_MAX_NAME_CHARS: Final = 40


def networks_in(text: str) -> tuple[str, ...]:
    """The names of the extra networks in a prompt, each once."""
    return tuple(dict.fromkeys(name.strip() for name in _TAG.findall(text)))


def without_networks(text: str) -> str:
    """The prompt without its extra networks."""
    return _TAG.sub("", text)


def check_no_networks(prompt: str) -> None:
    """Raise ValueError, with a sentence for the user, if a prompt names extra networks."""
    tags = [match[0][:_MAX_NAME_CHARS] for match in _TAG.finditer(prompt)][:_MAX_NAMES]
    if tags:
        raise ValueError(
            f"LoRAs and other extra networks are not offered here: take {', '.join(tags)} out of "
            "the prompt."
        )


def not_applied(names: tuple[str, ...]) -> str:
    """A sentence for the user about extra networks of another program's picture."""
    shown = [name[:_MAX_NAME_CHARS] for name in names[:_MAX_NAMES]]
    return (
        "LoRAs and other extra networks are not offered here, so these are not applied: "
        f"{', '.join([*shown, *(['…'] if len(names) > _MAX_NAMES else [])])}."
    )
