"""The digests of a picture's files, as Civitai's extension of the web UI and savers for ComfyUI
write them: `Hashes: {"model": "6ce0161689", "lora:detail": "0123456789", "embed:bad": "…"}`."""

import re
from typing import Final

import msgspec

_HASHES: Final = re.compile(r'\bHashes:\s{0,8}(\{(?:"[^"]{0,200}"|[\s:,]){0,400}\})')
_EMPTY: Final = "Hashes: -"


def take_hashes(settings: str) -> tuple[str, dict[str, str]]:
    """A line of settings without the object, whose commas end no setting; and what it says, by
    `model`, `lora:NAME`, `embed:NAME` and the like."""
    match = _HASHES.search(settings)
    if match is None:
        return settings, {}
    try:
        hashes = msgspec.json.decode(match[1], type=dict[str, str])
    except msgspec.DecodeError:
        return settings, {}
    return settings[: match.start()] + _EMPTY + settings[match.end() :], hashes


def hash_label(name: str) -> str:
    """The name of an embedding or a LoRA beside its digest."""
    return re.sub("[:,]", "", name)


def named(hashes: dict[str, str], *kinds: str) -> dict[str, str]:
    """Those of files of these kinds, by their names."""
    parts = ((key.partition(":"), value) for key, value in hashes.items())
    return {name: value for (kind, _, name), value in parts if name and kind.lower() in kinds}
