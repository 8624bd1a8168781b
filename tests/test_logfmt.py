"""The grammar of the log."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.log.logfmt import Value, as_json, as_text, read

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


def test_a_line_is_read_by_people() -> None:
    """Plain words stand as they are, others in quotes."""
    line = as_text({**HEAD, "job": "5f0c", "seconds": 4.2, "said": "für dich"})
    assert line == (
        "at=2026-11-21T11:49:02.123Z level=info process=bot logger=bot.db.jobs "
        'event="job ended" job=5f0c seconds=4.2 said="für dich"'
    )


@given(fields=st.dictionaries(keys, values, max_size=5))
def test_whatever_is_said_is_one_line_and_is_read_again(fields: dict[str, Value]) -> None:
    """No value can end its line, begin a field, or reach the terminal unseen."""
    said = HEAD | {key: value for key, value in fields.items() if key not in HEAD}
    line = as_text(said)
    assert line.isprintable() and line.splitlines() == [line]
    assert read(line) == {key: str(value) for key, value in said.items()}
    line = as_json(said)
    assert line.isascii() and line.isprintable()
    assert read(line) == said == json.loads(line)


@pytest.mark.parametrize("hostile", HOSTILE)
def test_the_known_tricks_fail(hostile: str) -> None:
    """One field more, and no line more."""
    for write in (as_text, as_json):
        found = read(write(HEAD | {"prompt": hostile}))
        assert found == HEAD | {"prompt": hostile}


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
def test_what_is_no_line_of_the_log_is_told(line: str) -> None:
    """Libraries write to standard error too."""
    assert read(line) is None
