"""The log of both processes."""

import asyncio
import logging
import sys
from collections.abc import Mapping

import aiohttp
import pytest

from engine import log
from engine.log import Lines, about
from engine.log.logfmt import Value, read

WEBHOOK = "https://discord.com/api/v10/webhooks/12/aW50ZXI-_secret/messages/@original"
CALLBACK = "https://discord.com/api/v10/interactions/34/aW50ZXI-_secret/callback?with_response=1"


class Unspeakable:
    """What fails when it is to be said."""

    def __str__(self) -> str:
        raise AttributeError("half made")


def written(
    message: object,
    *args: object,
    name: str = "bot.x",
    level: int = logging.INFO,
    prompts: bool = False,
    in_json: bool = False,
    failure: bool = False,
    extra: Mapping[str, object] | None = None,
) -> dict[str, Value]:
    """What such a record is written as."""
    record = logging.LogRecord(
        name, level, __file__, 1, message, args, sys.exc_info() if failure else None
    )
    vars(record).update(extra or {})
    line = Lines("bot", in_json=in_json, prompts=prompts).format(record)
    assert line.splitlines() == [line]
    fields = read(line)
    assert fields is not None, line
    return fields


@pytest.mark.parametrize("in_json", [False, True])
def test_a_line_says_when_who_what_and_about_which_job(in_json: bool) -> None:
    """In either form."""
    extra = {"job": "5f0c", "attempt": 2, "created": 0.0}
    fields = written("took %d s", 3, extra=extra, in_json=in_json)
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
def test_an_interactions_token_is_not_written(address: str) -> None:
    """Neither in the words nor in the traceback, where aiohttp names the address."""
    try:
        raise aiohttp.ConnectionTimeoutError(f"Connection timeout to host {address}")
    except aiohttp.ClientError as error:
        fields = written("Lost: %r", error, failure=True)
    assert "secret" not in str(fields)
    place = address.split("/aW50")[0]
    assert place in str(fields["event"]) and place in str(fields["trace"])
    assert "Traceback" in str(fields["trace"])


def test_words_of_people_are_written_only_if_that_is_asked_for() -> None:
    """The fields are dropped, whoever fills them."""
    words: dict[str, object] = {"prompt": "a red house", "negative": "rain"}
    assert not words.keys() & written("job accepted", extra=words).keys()
    assert words.items() <= written("job accepted", prompts=True, extra=words).items()


def test_no_value_takes_the_place_of_what_every_line_has() -> None:
    """Whatever a library calls its fields."""
    fields = written("x", extra={"event": "forged", "level": "forged", "Odd": "1", "a b": "2"})
    assert (fields["event"], fields["level"]) == ("x", "info")
    assert len(fields) == 5


def test_numbers_stay_numbers_in_json() -> None:
    """But for those that JSON has not."""
    extra = {"a": 1, "b": 0.5, "c": True, "d": float("nan"), "e": None}
    fields = written("x", in_json=True, extra=extra)
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
def test_what_libraries_tell_their_debuggers_is_shortened(
    message: str, args: tuple[object, ...], event: str
) -> None:
    """Words of people are in it; whoever asks for them gets them, without tokens."""
    seen = written(message, *args, name="discord.http", level=logging.DEBUG)
    assert seen["event"] == event.replace("ADDRESS", WEBHOOK.replace("aW50ZXI-_secret", "…"))
    ours = written(message, *args, name="bot.x", level=logging.DEBUG)
    asked = written(message, *args, name="discord.http", level=logging.DEBUG, prompts=True)
    assert ours["event"] == asked["event"]
    assert "secret" not in str(asked)


def test_arguments_that_do_not_fit_are_no_second_error() -> None:
    """logging would write a trace of its own, with all arguments in it."""
    assert written("%d pictures", "many")["event"] == "%d pictures"
    assert written("%s pictures", Unspeakable())["event"] == "%s pictures"


async def test_what_is_logged_for_a_job_bears_its_id() -> None:
    """Also by libraries, and in tasks that begin there, and nowhere else."""

    async def elsewhere() -> dict[str, Value]:
        return written("x", name="discord.http")

    with about(job="5f0c"), about(attempt=2):
        task = asyncio.create_task(elsewhere())
    assert (await task)["job"] == "5f0c"
    assert "job" not in written("x")


def test_it_is_written_to_standard_error_once(begun: pytest.CaptureFixture[str]) -> None:
    """However often it begins; in UTF-8, whatever it is given."""
    log.begin("bot", in_json=True)
    logging.getLogger("bot.x").info("für %s", "\ud83d")
    (line,) = begun.readouterr().err.splitlines()
    fields = read(line)
    assert fields is not None and fields["event"] == "für \ud83d"


def test_warnings_of_python_are_lines_too(begun: pytest.CaptureFixture[str]) -> None:
    """They would be two lines of another kind."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(False)
        logging.captureWarnings(True)
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    (line,) = begun.readouterr().err.splitlines()
    fields = read(line)
    assert fields is not None and "DeprecationWarning: old" in str(fields["event"])


def test_lines_of_the_engine_pass_as_they_are(begun: pytest.CaptureFixture[str]) -> None:
    """Whatever level we write at; what is no line of its log becomes one."""
    line = "at=1 level=debug process=engine logger=engine.x event=y job=5f0c"
    forged = line.replace("process=engine", "process=bot")
    for said in (line, "Killed", forged):
        log.relay(said)
    first, second, third = begun.readouterr().err.splitlines()
    assert first == line
    fields = read(second)
    assert fields is not None
    assert (fields["process"], fields["event"]) == ("engine", "Killed")
    fields = read(third)
    assert fields is not None
    assert (fields["process"], fields["event"]) == ("engine", forged)
