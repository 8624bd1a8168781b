"""The log of both processes on standard error: line format, job context and redaction."""

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

from engine.log.logfmt import Fields, Value, parse, to_json, to_logfmt
from engine.log.redaction import redact

OWN_LOGGERS: Final = ("bot", "engine")
LEVELS: Final = ("debug", "info", "warning", "error")
HTTP_CLIENTS: Final = ("httpx", "httpx2")
"""Loggers of libraries that log each HTTP request at info: their lines are written at debug."""
PROMPT_FIELDS: Final = ("prompt", "negative")
"""Fields that hold texts of users; written only with `prompts=True`."""
_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_KEY: Final = re.compile(r"[a-z][a-z_]*")
_SAFE_TEXT: Final = re.compile(r"[\w.:@%+-]{1,60}|(?=.*/)[\w.:/@?=&%+-]{1,300}")
"""A word or a URL."""
_context: ContextVar[Mapping[str, Value]] = ContextVar("log_context", default=MappingProxyType({}))


class ForwardedLine(str):
    """A line that another process has already formatted with this module."""


@contextmanager
def log_context(**fields: Value) -> Iterator[None]:
    """Add fields to all records logged in this context, such as `log_context(job="5f0c")`."""
    token = _context.set({**_context.get(), **fields})
    try:
        yield
    finally:
        _context.reset(token)


def configure(
    process: str, *, in_json: bool = False, level: str = "info", prompts: bool = False
) -> None:
    """Log to standard error as `process`; replaces the settings of an earlier call.

    With `prompts`, the log includes prompts, and the arguments of libraries' debug records, which
    may quote prompts.
    """
    if isinstance(sys.stderr, io.TextIOWrapper):
        sys.stderr.reconfigure(encoding="utf-8", errors="backslashreplace")
    handler = _StandardError()
    handler.setFormatter(LineFormatter(process, in_json=in_json, prompts=prompts))
    root = logging.getLogger()
    for old in list(root.handlers):
        if isinstance(old.formatter, LineFormatter):
            root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper() if level in LEVELS else logging.INFO)
    for name in HTTP_CLIENTS:
        is_debug = root.level <= logging.DEBUG
        logging.getLogger(name).setLevel(logging.NOTSET if is_debug else logging.WARNING)
    logging.captureWarnings(True)


def forward(line: str) -> None:
    """Log a line that the engine process wrote to standard error.

    A log line is written unchanged; any other text becomes the event of a new record.
    """
    fields = parse(line)
    is_log_line = fields is not None and fields["process"] == "engine"
    record = logging.makeLogRecord(
        {
            "name": "engine.stderr",
            "levelno": logging.INFO,
            "levelname": "INFO",
            "msg": ForwardedLine(line) if is_log_line else line,
        }
    )
    logging.getLogger("engine.stderr").handle(record)


class _StandardError(logging.StreamHandler[TextIO]):
    """Looks up sys.stderr for each record, because tests replace it."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        return sys.stderr


class LineFormatter(logging.Formatter):
    """Formats a record as one line, with its traceback, without secrets."""

    def __init__(self, process: str, *, in_json: bool = False, prompts: bool = False) -> None:
        super().__init__()
        self._process = process
        self._encode = to_json if in_json else to_logfmt
        self._prompts = prompts

    def format(self, record: logging.LogRecord) -> str:
        """The line, without a newline."""
        if isinstance(record.msg, ForwardedLine):
            return str(record.msg)
        return self._encode({key: _clean(value) for key, value in self._fields(record).items()})

    def _fields(self, record: logging.LogRecord) -> Fields:
        fields: dict[str, Value] = {
            "at": _time(record.created),
            "level": record.levelname.lower(),
            "process": "engine" if record.name.startswith("engine") else self._process,
            "logger": record.name,
            "event": self._event(record),
        }
        extra = {key: value for key, value in vars(record).items() if key not in _STANDARD}
        for key, value in {**_context.get(), **extra}.items():
            if self._is_written(key, value):
                fields.setdefault(key, value)
        if record.exc_info:
            fields["trace"] = self.formatException(record.exc_info)
        return fields

    def _is_written(self, key: str, value: object) -> bool:
        if value is None or not _KEY.fullmatch(key):
            return False
        return self._prompts or key not in PROMPT_FIELDS

    def _event(self, record: logging.LogRecord) -> str:
        """The message of a record. In debug records of libraries, which may quote prompts, only
        numbers, words and URLs are kept of the arguments."""
        is_library = record.name.split(".")[0] not in OWN_LOGGERS
        if is_library and record.levelno < logging.INFO and not self._prompts:
            record = logging.makeLogRecord(
                {"msg": record.msg, "args": _summarise_args(record.args)}
            )
        try:
            return record.getMessage()
        except Exception:  # noqa: BLE001 # the arguments do not fit the message, or their __str__ fails
            return str(record.msg)


def _summarise_args(args: object) -> object:
    if isinstance(args, Mapping):
        return {key: f"<{type(value).__name__}>" for key, value in args.items()}
    return tuple(_summarise(value) for value in args) if isinstance(args, tuple) else None


def _summarise(value: object) -> object:
    if value is None or isinstance(value, int | float):
        return value
    if isinstance(value, str) and _SAFE_TEXT.fullmatch(value):
        return value
    return f"<{type(value).__name__}>"


def _clean(value: object) -> Value:
    if isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return redact(str(value))


def _time(seconds: float) -> str:
    return (
        datetime.fromtimestamp(seconds, UTC)
        .isoformat(timespec="milliseconds")
        .replace("+00:00", "Z")
    )
