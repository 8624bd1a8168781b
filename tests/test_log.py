"""The log of both processes: fields, redaction and forwarding."""

import asyncio
import logging
import sys
from collections.abc import Mapping

import aiohttp
import pytest

from engine import log
from engine.log import LineFormatter, log_context
from engine.log.logfmt import Value, parse

WEBHOOK = "https://discord.com/api/v10/webhooks/12/aW50ZXI-_secret/messages/@original"
CALLBACK = "https://discord.com/api/v10/interactions/34/aW50ZXI-_secret/callback?with_response=1"


class BrokenStr:
    """An object whose __str__ fails."""

    def __str__(self) -> str:
        raise AttributeError("no such attribute")


def line_fields(
    message: object,
    *args: object,
    name: str = "bot.x",
    level: int = logging.INFO,
    prompts: bool = False,
    in_json: bool = False,
    failure: bool = False,
    extra: Mapping[str, object] | None = None,
) -> dict[str, Value]:
    """The fields of the line that a record with these values becomes."""
    record = logging.LogRecord(
        name, level, __file__, 1, message, args, sys.exc_info() if failure else None
    )
    vars(record).update(extra or {})
    line = LineFormatter("bot", in_json=in_json, prompts=prompts).format(record)
    assert line.splitlines() == [line]
    fields = parse(line)
    assert fields is not None, line
    return fields


@pytest.mark.parametrize("in_json", [False, True])
def test_a_line_has_the_standard_fields_and_the_context(in_json: bool) -> None:
    """This holds for logfmt and for JSON."""
    extra = {"job": "5f0c", "attempt": 2, "created": 0.0}
    fields = line_fields("took %d s", 3, extra=extra, in_json=in_json)
    assert {key: str(value) for key, value in fields.items()} == {
        "at": "1970-01-01T00:00:00.000Z",
        "level": "info",
        "process": "bot",
        "logger": "bot.x",
        "event": "took 3 s",
        "job": "5f0c",
        "attempt": "2",
    }


@pytest.mark.parametrize("address", [WEBHOOK, CALLBACK])
def test_an_interaction_token_is_redacted(address: str) -> None:
    """The event, and the traceback in which aiohttp quotes the URL, do not contain it."""
    try:
        raise aiohttp.ConnectionTimeoutError(f"Connection timeout to host {address}")
    except aiohttp.ClientError as error:
        fields = line_fields("Lost: %r", error, failure=True)
    assert "secret" not in str(fields)
    prefix = address.split("/aW50")[0]
    assert prefix in str(fields["event"]) and prefix in str(fields["trace"])
    assert "Traceback" in str(fields["trace"])


def test_prompts_are_written_only_with_the_option() -> None:
    """Without it, the fields of every logger are dropped."""
    prompts: dict[str, object] = {"prompt": "a red house", "negative": "rain"}
    assert not prompts.keys() & line_fields("job accepted", extra=prompts).keys()
    assert prompts.items() <= line_fields("job accepted", prompts=True, extra=prompts).items()


def test_extra_fields_never_replace_the_standard_fields() -> None:
    """Keys with capital letters or spaces are dropped."""
    fields = line_fields("x", extra={"event": "forged", "level": "forged", "Odd": "1", "a b": "2"})
    assert (fields["event"], fields["level"]) == ("x", "info")
    assert len(fields) == 5


def test_numbers_stay_numbers_in_json() -> None:
    """NaN, which JSON lacks, is written as a string, and a field that is None is dropped."""
    extra = {"a": 1, "b": 0.5, "c": True, "d": float("nan"), "e": None}
    fields = line_fields("x", in_json=True, extra=extra)
    assert [fields.get(key) for key in "abcde"] == [1, 0.5, True, "nan", None]


@pytest.mark.parametrize(
    ("message", "args", "event"),
    [
        (
            "%s %s with %s",
            ("PATCH", WEBHOOK, '{"content":"a red house"}'),
            "PATCH ADDRESS with <str>",
        ),
        ("%d: %s", (1, {"token": "x", "value": "a red house"}), "1: <dict>"),
        ("%d of %.1f", (3, 0.5), "3 of 0.5"),
        ("%d bytes", ("a red house",), "%d bytes"),
        ("%(a)s", ({"a": "a red house"},), "<str>"),
    ],
)
def test_debug_records_of_libraries_are_summarised(
    message: str, args: tuple[object, ...], event: str
) -> None:
    """They may quote prompts. With the option they are complete, except for tokens."""
    summarised = line_fields(message, *args, name="discord.http", level=logging.DEBUG)
    assert summarised["event"] == event.replace("ADDRESS", WEBHOOK.replace("aW50ZXI-_secret", "…"))
    own = line_fields(message, *args, name="bot.x", level=logging.DEBUG)
    complete = line_fields(message, *args, name="discord.http", level=logging.DEBUG, prompts=True)
    assert own["event"] == complete["event"]
    assert "secret" not in str(complete)


def test_a_record_with_bad_arguments_is_written_as_its_message() -> None:
    """logging alone would print a traceback with all arguments."""
    assert line_fields("%d pictures", "many")["event"] == "%d pictures"
    assert line_fields("%s pictures", BrokenStr())["event"] == "%s pictures"


async def test_the_context_adds_its_fields() -> None:
    """Records of libraries and of tasks that are created in the context have the fields too;
    records outside it do not."""

    async def log_in_task() -> dict[str, Value]:
        return line_fields("x", name="discord.http")

    with log_context(job="5f0c"), log_context(attempt=2):
        task = asyncio.create_task(log_in_task())
    assert (await task)["job"] == "5f0c"
    assert "job" not in line_fields("x")


def test_a_record_is_written_once(configured_log: pytest.CaptureFixture[str]) -> None:
    """Calling `configure` again does not duplicate it. Lone surrogates are written in UTF-8 too."""
    log.configure("bot", in_json=True)
    logging.getLogger("bot.x").info("für %s", "\ud83d")
    (line,) = configured_log.readouterr().err.splitlines()
    fields = parse(line)
    assert fields is not None and fields["event"] == "für \ud83d"


@pytest.mark.parametrize(("level", "lines"), [("info", 0), ("debug", 1)])
def test_requests_of_the_http_client_are_logged_at_debug(
    configured_log: pytest.CaptureFixture[str], level: str, lines: int
) -> None:
    """The libraries log them at info."""
    log.configure("engine", level=level)
    logging.getLogger("httpx2").info("HTTP Request: GET https://huggingface.co")
    assert len(configured_log.readouterr().err.splitlines()) == lines


def test_python_warnings_are_log_lines(configured_log: pytest.CaptureFixture[str]) -> None:
    """Python alone would print two lines in another format."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(False)
        logging.captureWarnings(True)
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    (line,) = configured_log.readouterr().err.splitlines()
    fields = parse(line)
    assert fields is not None and "DeprecationWarning: old" in str(fields["event"])


def test_log_lines_of_the_engine_are_forwarded_unchanged(
    configured_log: pytest.CaptureFixture[str],
) -> None:
    """This holds for any level; other output and lines of other processes become the event of a new
    line."""
    line = "at=1 level=debug process=engine logger=engine.x event=y job=5f0c"
    forged = line.replace("process=engine", "process=bot")
    for output in (line, "Killed", forged):
        log.forward(output)
    first, second, third = configured_log.readouterr().err.splitlines()
    assert first == line
    fields = parse(second)
    assert fields is not None
    assert (fields["process"], fields["event"]) == ("engine", "Killed")
    fields = parse(third)
    assert fields is not None
    assert (fields["process"], fields["event"]) == ("engine", forged)
