"""The format of the log: one event a line, as logfmt (key=value) or as JSON. Pure.

    at=2026-11-21T11:49:02.123Z level=info process=bot logger=bot.db.jobs event="job ended" job=5f0c

A value is quoted as a JSON string unless it is a plain word; unprintable characters are escaped. So
no value contains a line break or a terminal's escape sequence.
"""

import json
import re
from collections.abc import Mapping
from typing import Final

Value = str | int | float
Fields = Mapping[str, Value]
_PLAIN: Final = re.compile(r"[!#-<>-\[\]-~]+")
"""Printable ASCII without quotes, `=` and backslash."""
_PAIR: Final = re.compile(r'([a-z][a-z_]*)=([!#-<>-\[\]-~]+|"(?:[^"\\]|\\.)*")(?: |$)')
_REQUIRED: Final = ("at", "level", "process", "logger", "event")
"""The first keys of each line, in this order."""


def to_logfmt(fields: Fields) -> str:
    """The fields as key=value, without a newline; keys are lower-case letters and `_`."""
    return " ".join(f"{key}={_quote(value)}" for key, value in fields.items())


def to_json(fields: Fields) -> str:
    """The fields as one JSON object, without a newline."""
    return json.dumps(dict(fields)).replace("\x7f", "\\u007f")


def parse(line: str) -> dict[str, Value] | None:
    """The fields of a line in either format; None if it is not a line of this log."""
    fields = _from_json(line) if line.startswith("{") else _from_logfmt(line)
    if fields is None or tuple(fields)[: len(_REQUIRED)] != _REQUIRED:
        return None
    return fields


def _quote(value: Value) -> str:
    text = str(value)
    if _PLAIN.fullmatch(text):
        return text
    quoted = json.dumps(text, ensure_ascii=False)
    return "".join(c if c.isprintable() else _escape(c) for c in quoted)


def _escape(character: str) -> str:
    return "\\u007f" if character == "\x7f" else json.dumps(character)[1:-1]


def _from_json(line: str) -> dict[str, Value] | None:
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return fields if isinstance(fields, dict) else None


def _from_logfmt(line: str) -> dict[str, Value] | None:
    fields: dict[str, Value] = {}
    position = 0
    while position < len(line):
        pair = _PAIR.match(line, position)
        if pair is None:
            return None
        key, value = pair.groups()
        try:
            fields[key] = json.loads(value) if value.startswith('"') else value
        except ValueError:
            return None
        position = pair.end()
    return fields
