"""Check the tokenizer_config.json of a tokenizer."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

TOKENIZER_CONFIG: Final = "tokenizer_config.json"
_SPECIAL_TOKENS: Final = tuple(
    f"{name}_token" for name in ("bos", "eos", "unk", "sep", "pad", "cls", "mask")
)


def tokenizer_fault(path: Path) -> str | None:
    """What is wrong with this file, as a predicate; None if nothing is known. Raises OSError."""
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        return "is not JSON: download it again"
    if not isinstance(config, dict):
        return "is not a JSON object"
    for key in _SPECIAL_TOKENS:
        if not _is_token(config.get(key)):
            return (
                f"has no text as its {key}; it must be a text, an object with its content, or null"
            )
    return None


def _is_token(value: object) -> bool:
    if isinstance(value, Mapping):
        return isinstance(value.get("content"), str)
    return value is None or isinstance(value, str)
