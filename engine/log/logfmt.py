"""The grammar of the log: one line an event, as key=value or as JSON; pure.

    at=2026-11-21T11:49:02.123Z level=info process=bot logger=bot.ledger event="job ended" job=5f0c

A value stands in quotes, as a JSON string, unless it is a plain word; what is not seen is escaped.
So no value can end its line or begin another, and none does anything to a terminal.
"""

import json
import re
from collections.abc import Mapping
from typing import Final

Value = str | int | float
Fields = Mapping[str, Value]
_PLAIN: Final = re.compile(r"[!#-<>-\[\]-~]+")
"""ASCII that is seen, but no quote, no `=` and no backslash."""
_PAIR: Final = re.compile(r'([a-z][a-z_]*)=([!#-<>-\[\]-~]+|"(?:[^"\\]|\\.)*")(?: |$)')
_FIRST: Final = ("at", "level", "process", "logger", "event")
"""What each line begins with."""


def as_text(fields: Fields) -> str:
    """The line of these fields, without its end; the keys are small letters and `_`."""
    return " ".join(f"{key}={_word(value)}" for key, value in fields.items())


def as_json(fields: Fields) -> str:
    """The same as one JSON object."""
    return json.dumps(dict(fields)).replace("\x7f", "\\u007f")


def read(line: str) -> dict[str, Value] | None:
    """The fields of a line of either kind; None if it is no line of a log like this."""
    fields = _from_json(line) if line.startswith("{") else _from_text(line)
    if fields is None or tuple(fields)[: len(_FIRST)] != _FIRST:
        return None
    return fields


def _word(value: Value) -> str:
    text = str(value)
    if _PLAIN.fullmatch(text):
        return text
    quoted = json.dumps(text, ensure_ascii=False)
    return "".join(c if c.isprintable() else _escaped(c) for c in quoted)


def _escaped(character: str) -> str:
    return "\\u007f" if character == "\x7f" else json.dumps(character)[1:-1]


def _from_json(line: str) -> dict[str, Value] | None:
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return fields if isinstance(fields, dict) else None


def _from_text(line: str) -> dict[str, Value] | None:
    fields: dict[str, Value] = {}
    place = 0
    while place < len(line):
        pair = _PAIR.match(line, place)
        if pair is None:
            return None
        key, word = pair.groups()
        try:
            fields[key] = json.loads(word) if word.startswith('"') else word
        except ValueError:
            return None
        place = pair.end()
    return fields
