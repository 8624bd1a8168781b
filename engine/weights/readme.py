"""What the front matter of a model's README.md says: its licence, tags and base models
(https://huggingface.co/docs/hub/model-cards)."""

import re
from pathlib import Path
from typing import Any, Final, NamedTuple

README: Final = "README.md"
_MAX_CHARS: Final = 100_000
"""Front matter that is longer is not read."""
_MAX_TEXTS: Final = 100
_MAX_TEXT: Final = 100
_FRONT_MATTER: Final = re.compile(r"\A\s*---[ \t]*\n(.*?)\n---[ \t]*(\n|\Z)", re.DOTALL)


class Readme(NamedTuple):
    """The part of a README.md that is used here."""

    licence: str | None = None
    labels: tuple[str, ...] = ()
    """Tags, and names of the base models."""


def read_readme(folder: Path) -> Readme:
    """The front matter of the README.md in a folder; empty if there is none, or it is damaged."""
    data = _front_matter(folder / README)
    licences = _texts(data.get("license"))
    if licences == ["other"]:
        licences = _texts(data.get("license_name")) or licences
    labels = [*_texts(data.get("tags")), *_texts(data.get("base_model"))]
    return Readme(", ".join(licences) or None, tuple(labels))


def _front_matter(path: Path) -> dict[str, Any]:
    import yaml

    try:
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            text = file.read(_MAX_CHARS)
    except OSError:
        return {}
    match = _FRONT_MATTER.match(text)
    try:
        # Only texts, lists and mappings: the merge keys of `safe_load` may double with each line.
        data = yaml.load(match[1], yaml.BaseLoader) if match else None  # noqa: S506 - no objects
    except (yaml.YAMLError, RecursionError, ValueError, OverflowError):
        return {}  # the last two are of escapes for characters that do not exist
    return data if isinstance(data, dict) else {}


def _texts(value: object) -> list[str]:
    """The texts in a value, which is one or a list; each in one line of printable characters."""
    values = value if isinstance(value, list) else [value]
    texts = (one_line(text) for text in values if isinstance(text, str))
    return [text for text in texts if text][:_MAX_TEXTS]


def one_line(text: str) -> str:
    """The beginning of a text, in one line of printable characters."""
    printable = "".join(char if char.isprintable() else " " for char in text[:_MAX_TEXT])
    return " ".join(printable.split())
