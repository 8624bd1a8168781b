"""The engine as a child process."""

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
    """Ours, with a model."""
    return {**os.environ, "IMAGINE_MODEL": str(model)}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny real model."""
    return tiny_model.save(tmp_path_factory.mktemp("tiny") / "model")


def children() -> list[psutil.Process]:
    """The engines that we have started."""
    return [
        child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE
    ]


async def test_an_engine_lives_as_long_as_it_is_wanted(model: Path) -> None:
    """It listens here only, tells nobody its secret, and is gone afterwards."""
    async with spawn_engine(environment(model)) as endpoint:
        assert endpoint.token not in repr(endpoint)
        (child,) = children()
        assert child.cmdline()[:4] == [sys.executable, "-m", "engine", "serve"]
        (listening,) = [one for one in child.net_connections("inet") if one.status == "LISTEN"]
        assert (listening.laddr.ip, listening.laddr.port) == (endpoint.host, endpoint.port)
    assert children() == []


async def test_an_engine_that_ends_says_why(tmp_path: Path) -> None:
    """Its last line is the reason."""
    with pytest.raises(EngineStartFailed, match="nothing here"):
        async with spawn_engine(environment(tmp_path / "nothing here")):
            pass
    assert children() == []


async def test_the_engines_log_is_part_of_ours(
    model: Path, configured_log: pytest.CaptureFixture[str]
) -> None:
    """Each line of it, once, as it was."""
    async with spawn_engine(environment(model)):
        pass
    lines = [parse(line) for line in configured_log.readouterr().err.splitlines()]
    assert None not in lines
    said = [
        str(line["event"])
        for line in lines
        if line and line["logger"] == "engine.server.socket_server"
    ]
    assert [event.split(":")[0] for event in said] == ["ready"]


async def relayed(*chunks: bytes) -> list[str]:
    """What comes out of what comes in by pieces, and the last words of it."""
    stream = asyncio.StreamReader()
    relay = LogForwarder()
    copying = asyncio.create_task(relay.copy(stream))
    for chunk in chunks:
        stream.feed_data(chunk)
        await asyncio.sleep(0)
    stream.feed_eof()
    await copying
    return [relay.last_line()]


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
async def test_lines_come_out_whole(
    configured_log: pytest.CaptureFixture[str], chunks: tuple[bytes, ...], events: list[str]
) -> None:
    """However the pipe cuts them; one without end does not fill the memory."""
    last = await relayed(*chunks)
    lines = [parse(line) for line in configured_log.readouterr().err.splitlines()]
    assert [line and line["event"] for line in lines] == events
    assert last == (events or [""])[-1:]


async def test_the_last_words_are_those_of_the_last_line() -> None:
    """Not its time and place."""
    line = b'at=1 level=critical process=engine logger=x event="No such model."\n'
    assert await relayed(line) == ["No such model."]
