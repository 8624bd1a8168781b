"""The format of log lines."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.log.logfmt import Value, parse, to_json, to_logfmt

HEAD: dict[str, Value] = {
    "at": "2026-11-21T11:49:02.123Z",
    "level": "info",
    "process": "bot",
    "logger": "bot.db.jobs",
    "event": "job ended",
}
HOSTILE = [
    "a house\nat=2026-11-21T00:00:00.000Z level=info process=bot logger=bot event=forged",
    'a" job=other x="',
    "a\r\x1b[2Jb\x00\x7f",
    "\u2028\u2029\u0085\u202e",
    "\ud83d",
    "😀 für",
    "\\",
    '\\"',
    "",
    " ",
    "=",
]
values = st.one_of(st.text(), st.sampled_from(HOSTILE), st.integers(), st.booleans())
keys = st.from_regex(r"[a-z][a-z_]{0,10}", fullmatch=True)


def test_a_value_is_quoted_only_if_it_must_be() -> None:
    """A plain word has no quotation marks."""
    line = to_logfmt({**HEAD, "job": "5f0c", "seconds": 4.2, "text": "für dich"})
    assert line == (
        "at=2026-11-21T11:49:02.123Z level=info process=bot logger=bot.db.jobs "
        'event="job ended" job=5f0c seconds=4.2 text="für dich"'
    )


@given(fields=st.dictionaries(keys, values, max_size=5))
def test_any_fields_are_one_line_and_survive_a_round_trip(fields: dict[str, Value]) -> None:
    """No value can end its line, start a field or control a terminal."""
    line_fields = HEAD | {key: value for key, value in fields.items() if key not in HEAD}
    line = to_logfmt(line_fields)
    assert line.isprintable() and line.splitlines() == [line]
    assert parse(line) == {key: str(value) for key, value in line_fields.items()}
    line = to_json(line_fields)
    assert line.isascii() and line.isprintable()
    assert parse(line) == line_fields == json.loads(line)


@pytest.mark.parametrize("hostile", HOSTILE)
def test_log_injection_fails(hostile: str) -> None:
    """The hostile text stays the value of one field."""
    for encode in (to_logfmt, to_json):
        fields = parse(encode(HEAD | {"prompt": hostile}))
        assert fields == HEAD | {"prompt": hostile}


@pytest.mark.parametrize(
    "line",
    [
        "",
        "Killed",
        "{",
        "{}",
        "[1]",
        '"at"',
        '{"at":' + "[" * 100_000,
        "at=1",
        "at=1 level=info process=bot logger=x",
        "level=info at=1 process=bot logger=x event=y",
        'at=1 level=info process=bot logger=x event="y',
        'at=1 level=info process=bot logger=x event="\\x"',
        "at=1 level=info process=bot logger=x event=y z",
        "Traceback (most recent call last):",
    ],
)
def test_other_lines_are_not_parsed(line: str) -> None:
    """One example is the output of libraries on standard error."""
    assert parse(line) is None
