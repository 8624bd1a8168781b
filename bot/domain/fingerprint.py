"""What differs between two fingerprints of software and hardware; pure."""

from collections.abc import Sequence
from typing import Final

_UNKNOWN: Final = "unknown"
_MAX_CHARS: Final = 80
_MAX_CHANGES: Final = 6


def fingerprint_changes(then: str, now: str) -> list[str]:
    """A phrase for each part that differs, such as `torch 2.7.0 -> 2.8.0`; empty if none does."""
    old, new = _parts(then), _parts(now)
    gone = [part for part in old if part not in new]
    added = [part for part in new if part not in old]
    changes = []
    for part in gone:
        successor = next((new_part for new_part in added if _name(new_part) == _name(part)), None)
        if successor is None:
            continue
        added.remove(successor)
        changes.append(_phrase(part, successor))
    rest = [part for part in gone if not any(_name(part) == _name(new_part) for new_part in new)]
    if rest or added:
        changes.append(_phrase(", ".join(rest) or "nothing", ", ".join(added) or "nothing"))
    return changes[:_MAX_CHANGES]


def _parts(fingerprint: str) -> Sequence[str]:
    return [part for part in fingerprint.split(", ") if part] or [_UNKNOWN]


def _name(part: str) -> str:
    """The word before the version of a library."""
    return part.partition(" ")[0]


def _phrase(old: str, new: str) -> str:
    """A backtick of a device's name must not end the code."""
    return f"`{_short(old)}` -> `{_short(new)}`"


def _short(text: str) -> str:
    return text.replace("`", "'")[:_MAX_CHARS]
