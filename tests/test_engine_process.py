"""The engine as a child process of the bot."""

import asyncio
import os
import sys
from pathlib import Path

import psutil
import pytest

from bot.engine_client.process import MAX_LINE_BYTES, EngineStartFailed, LogForwarder, spawn_engine
from engine.log.logfmt import parse
from tests import tiny_model


def environment(model: Path) -> dict[str, str]:
    """The environment of the tests, with this model."""
    return {**os.environ, "IMAGINE_MODEL": str(model)}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model, stored as a diffusers folder."""
    return tiny_model.save(tmp_path_factory.mktemp("tiny") / "model")


def children() -> list[psutil.Process]:
    """The running child processes."""
    return [
        child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE
    ]


async def test_an_engine_runs_inside_the_context_only(
    model: Path, configured_log: pytest.CaptureFixture[str]
) -> None:
    """It listens on the loopback interface, and does not print its token.

    Each line of its log is written once and unchanged.
    """
    async with spawn_engine(environment(model)) as endpoint:
        assert endpoint.token not in repr(endpoint)
        (child,) = children()
        assert child.cmdline()[:4] == [sys.executable, "-m", "engine", "serve"]
        (listening,) = [
            connection
            for connection in child.net_connections("inet")
            if connection.status == "LISTEN"
        ]
        assert (listening.laddr.ip, listening.laddr.port) == (endpoint.host, endpoint.port)
    assert children() == []
    lines = [parse(line) for line in configured_log.readouterr().err.splitlines()]
    assert None not in lines
    events_logged = [
        str(line["event"])
        for line in lines
        if line and line["logger"] == "engine.server.socket_server"
    ]
    assert [event.split(":")[0] for event in events_logged] == ["ready"]


async def test_the_last_line_of_the_log_is_the_reason_for_a_failed_start(tmp_path: Path) -> None:
    """After the failure no process is left."""
    with pytest.raises(EngineStartFailed, match="nothing here"):
        async with spawn_engine(environment(tmp_path / "nothing here")):
            pass
    assert children() == []


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
async def test_the_log_says_what_killed_the_engine(
    model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """An operator sees that the system may be out of memory."""
    async with spawn_engine(environment(model)):
        (child,) = children()
        child.kill()
    messages = [r.getMessage() for r in caplog.records if r.name == "bot.engine_client.process"]
    assert messages == ["The engine was ended by signal 9; the system may be out of memory."]
    assert children() == []


async def forward(*chunks: bytes) -> list[str]:
    """Forward output in these chunks; returns the last line."""
    stream = asyncio.StreamReader()
    forwarder = LogForwarder()
    task = asyncio.create_task(forwarder.copy(stream))
    for chunk in chunks:
        stream.feed_data(chunk)
        await asyncio.sleep(0)
    stream.feed_eof()
    await task
    return [forwarder.last_line()]


@pytest.mark.parametrize(
    ("chunks", "events"),
    [
        ((b"one\ntw", b"o\n", b"three"), ["one", "two", "three"]),
        (("für".encode()[:2], "für".encode()[2:] + b"\n"), ["für"]),
        ((b"\n\n  \n", b"\xff\n"), ["\ufffd"]),
        ((b"10%\r20%\n",), ["10%\r20%"]),
        ((b"x" * (MAX_LINE_BYTES + 10), b"y\n"), ["x" * (MAX_LINE_BYTES + 10), "y"]),
        ((), []),
    ],
)
async def test_lines_are_forwarded_whole(
    configured_log: pytest.CaptureFixture[str], chunks: tuple[bytes, ...], events: list[str]
) -> None:
    """Chunk boundaries do not matter, and an endless line does not fill memory."""
    last = await forward(*chunks)
    lines = [parse(line) for line in configured_log.readouterr().err.splitlines()]
    assert [line and line["event"] for line in lines] == events
    assert last == (events or [""])[-1:]


async def test_the_last_line_is_returned_without_its_fields() -> None:
    """The sentence for users is the event, without log fields."""
    line = b'at=1 level=critical process=engine logger=x event="No such model."\n'
    assert await forward(line) == ["No such model."]
