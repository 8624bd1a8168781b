"""The log of both processes on standard error: who writes, about which job, and what is hidden."""

import io
import logging
import math
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final, TextIO

from engine.log.logfmt import Fields, Value, as_json, as_text, read
from engine.log.redaction import discreet

OURS: Final = ("bot", "engine")
LEVELS: Final = ("debug", "info", "warning", "error")
WORDS: Final = ("prompt", "negative")
"""Fields that are written only if that is asked for."""
_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_KEY: Final = re.compile(r"[a-z][a-z_]*")
_HARMLESS: Final = re.compile(r"[\w.:@%+-]{1,60}|(?=.*/)[\w.:/@?=&%+-]{1,300}")
"""A word, or an address."""
_about: ContextVar[Mapping[str, Value]] = ContextVar("about", default=MappingProxyType({}))


class Relayed(str):
    """A line that another process wrote by this module."""


@contextmanager
def about(**fields: Value) -> Iterator[None]:
    """What is logged here, by anybody, is about this job, say: `about(job="5f0c")`."""
    token = _about.set({**_about.get(), **fields})
    try:
        yield
    finally:
        _about.reset(token)


def begin(
    process: str, *, in_json: bool = False, level: str = "info", prompts: bool = False
) -> None:
    """Write the log of this process to standard error; the last call counts.

    `prompts`: may the words of people be in it?
    """
    if isinstance(sys.stderr, io.TextIOWrapper):
        sys.stderr.reconfigure(encoding="utf-8", errors="backslashreplace")
    handler = _StandardError()
    handler.setFormatter(Lines(process, in_json=in_json, prompts=prompts))
    root = logging.getLogger()
    for old in [each for each in root.handlers if isinstance(each.formatter, Lines)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper() if level in LEVELS else logging.INFO)
    logging.captureWarnings(True)


def relay(line: str) -> None:
    """Write what the engine said: as it is if it is a line of its log, else as an event."""
    fields = read(line)
    ours = fields is not None and fields["process"] == "engine"
    said = logging.makeLogRecord(
        {
            "name": "engine.stderr",
            "levelno": logging.INFO,
            "levelname": "INFO",
            "msg": Relayed(line) if ours else line,
        }
    )
    logging.getLogger("engine.stderr").handle(said)


class _StandardError(logging.StreamHandler[TextIO]):
    """Whatever that is when a line is written; tests, for one, change it."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        return sys.stderr


class Lines(logging.Formatter):
    """One line for each record, with its traceback, without secrets."""

    def __init__(self, process: str, *, in_json: bool = False, prompts: bool = False) -> None:
        super().__init__()
        self._process = process
        self._written = as_json if in_json else as_text
        self._prompts = prompts

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        if isinstance(record.msg, Relayed):
            return str(record.msg)
        return self._written({key: _clean(value) for key, value in self._fields(record).items()})

    def _fields(self, record: logging.LogRecord) -> Fields:
        fields: dict[str, Value] = {
            "at": _time(record.created),
            "level": record.levelname.lower(),
            "process": "engine" if record.name.startswith("engine") else self._process,
            "logger": record.name,
            "event": self._event(record),
        }
        extra = {key: value for key, value in vars(record).items() if key not in _STANDARD}
        for key, value in {**_about.get(), **extra}.items():
            if self._wanted(key, value):
                fields.setdefault(key, value)
        if record.exc_info:
            fields["trace"] = self.formatException(record.exc_info)
        return fields

    def _wanted(self, key: str, value: object) -> bool:
        if value is None or not _KEY.fullmatch(key):
            return False
        return self._prompts or key not in WORDS

    def _event(self, record: logging.LogRecord) -> str:
        """Libraries tell their debuggers all that they get and send: words of people are in it."""
        foreign = record.name.split(".")[0] not in OURS
        if foreign and record.levelno < logging.INFO and not self._prompts:
            record = logging.makeLogRecord({"msg": record.msg, "args": _harmless(record.args)})
        try:
            return record.getMessage()
        except Exception:  # noqa: BLE001 # its arguments do not fit, or cannot be said
            return str(record.msg)


def _harmless(args: object) -> object:
    if isinstance(args, Mapping):
        return {key: f"<{type(value).__name__}>" for key, value in args.items()}
    return tuple(_kind(value) for value in args) if isinstance(args, tuple) else None


def _kind(value: object) -> object:
    if value is None or isinstance(value, int | float):
        return value
    if isinstance(value, str) and _HARMLESS.fullmatch(value):
        return value
    return f"<{type(value).__name__}>"


def _clean(value: object) -> Value:
    if isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return discreet(str(value))


def _time(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
