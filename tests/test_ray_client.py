"""The choice of an engine by IMAGINE_ENGINE, and clusters that run by themselves."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from bot.app import run, start_engine
from bot.db.database import FILENAME
from bot.engine_client import ray_client
from bot.errors import ExitCode, FatalError
from bot.playground import Playground
from bot.settings import Settings
from bot.startup.engine import choose
from engine.cluster import state
from tests import fake_server
from tests.bot_harness import ALL_BUTTONS, BotHarness, eventually, settings_for
from tests.fake_engine import FakeEngine
from tests.fake_server import TOKEN
from tests.test_http_server import free_port

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]


@pytest.fixture(autouse=True)
def no_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is neither a state file of a cluster nor a token in the environment."""
    monkeypatch.setenv("IMAGINE_CLUSTER_STATE", str(tmp_path / "state" / "cluster.json"))
    monkeypatch.delenv("IMAGINE_ENGINE_TOKEN", raising=False)


def cluster_settings(port: int, token: str | None = TOKEN) -> Settings:
    """The settings of a bot that uses the cluster at this port."""
    settings = Settings(_env_file=None)  # type: ignore[call-arg]
    settings.imagine_engine = f"ray://127.0.0.1:{port}"
    settings.imagine_engine_token = None if token is None else SecretStr(token)
    return settings


@asynccontextmanager
async def listening(handler: Handler, port: int = 0) -> AsyncIterator[int]:
    """A server whose port is returned."""
    server = await asyncio.start_server(handler, "127.0.0.1", port)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def refusal(settings: Settings) -> str:
    """Why the engine cannot be used, without what each reason has in common."""
    with pytest.raises(FatalError) as raised:
        async with start_engine(settings, {}):
            pass
    assert raised.value.exit is ExitCode.ENGINE_FAILED
    start = f"The cluster at {settings.imagine_engine} (IMAGINE_ENGINE) cannot be used: "
    message = str(raised.value)
    assert message.startswith(start)
    return message.removeprefix(start)


async def test_a_cluster_that_runs_by_itself_is_used(engine: FakeEngine) -> None:
    """It may have several replicas."""
    engine.replicas = 3
    async with (
        listening(engine.serve_connection) as port,
        start_engine(cluster_settings(port), {}) as client,
    ):
        assert (client.status.is_connected, client.status.replicas) == (True, 3)


async def test_the_token_of_a_cluster_of_this_machine_is_read(engine: FakeEngine) -> None:
    """`cluster up` has written it."""
    async with listening(engine.serve_connection) as port:
        state.write(state.ClusterState(token=TOKEN, gateway=f"127.0.0.1:{port}"))
        async with start_engine(cluster_settings(port, None), {}) as client:
            assert client.status.is_connected


async def test_an_address_where_nothing_listens_is_refused() -> None:
    """The sentence has the setting and the address."""
    assert await refusal(cluster_settings(free_port())) == "nothing listens there"


async def test_an_unknown_host_is_refused() -> None:
    """The name is reserved for this."""
    settings = cluster_settings(1)
    settings.imagine_engine = "ray://cluster.invalid:7870"
    assert await refusal(settings) == "there is no such host"


async def test_a_wrong_token_is_refused(engine: FakeEngine) -> None:
    """By the gateway, in its words."""
    async with listening(engine.serve_connection) as port:
        assert await refusal(cluster_settings(port, "wrong")) == "The token is wrong."


async def test_a_missing_token_is_refused_before_the_database_is_opened(
    discord: Playground, tmp_path: Path
) -> None:
    """There is no default for it."""
    settings = settings_for(discord, tmp_path)
    settings.imagine_engine = "ray://127.0.0.1:7870"
    with pytest.raises(FatalError, match=r"IMAGINE_ENGINE_TOKEN must be the token") as raised:
        await run(settings, asyncio.Event())
    assert raised.value.exit is ExitCode.SETTINGS
    assert not (tmp_path / FILENAME).exists()


async def test_another_version_is_refused(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cluster of another release."""
    monkeypatch.setattr(fake_server, "PROTOCOL_VERSION", 1)
    async with listening(engine.serve_connection) as port:
        reason = await refusal(cluster_settings(port))
    assert reason.endswith("this engine has 1.")


async def test_something_else_at_the_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A web server, or a server that says nothing."""

    async def web_server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
        writer.close()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with listening(web_server) as port:
        assert "closed the connection" in await refusal(cluster_settings(port))
    monkeypatch.setattr(ray_client, "_PATIENCE", 0.2)
    async with listening(silent) as port:
        assert await refusal(cluster_settings(port)) == "it does not answer"


async def test_a_cluster_of_this_machine_needs_ray(tmp_path: Path) -> None:
    """Its process says what to install. This one hides the package if it is installed."""
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['ray'] = None")
    settings = cluster_settings(1)
    settings.imagine_engine, settings.imagine_replicas = "ray", 2
    with pytest.raises(FatalError) as raised:
        async with start_engine(settings, {**os.environ, "PYTHONPATH": str(tmp_path)}):
            pass
    assert raised.value.exit is ExitCode.ENGINE_FAILED
    start = "The cluster did not start (IMAGINE_ENGINE=ray): A cluster needs the package ray[serve]"
    assert str(raised.value).startswith(start)


async def test_the_bot_does_not_load_ray() -> None:
    """Neither where it is installed nor for a cluster."""
    code = "import sys, bot.__main__; sys.exit('ray' in sys.modules)"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code)
    assert await process.wait() == 0


async def test_jobs_wait_while_the_cluster_is_away(
    discord: Playground, engine: FakeEngine, tmp_path: Path
) -> None:
    """The bot connects again; the job that was running is painted again, without a crash."""
    engine.replicas = 2
    engine.gate.clear()
    async with listening(engine.serve_connection) as port:
        launch = choose(cluster_settings(port), {}).launch
        harness = BotHarness(discord, engine, tmp_path, launch)
        await harness.start()
        running = await harness.ada.slash("imagine", prompt="a house")
        await eventually(lambda: len(engine.paints) == 1)
    try:
        engine.die()
        waiting = await harness.ada.slash("imagine", prompt="a house")
        await discord.until(
            lambda: waiting.response and "keeps its place" in waiting.response.content,
            why="the cluster is away",
        )
        engine.gate.set()
        async with listening(engine.serve_connection, port):
            for interaction in (running, waiting):
                assert (await harness.result(interaction)).buttons == ALL_BUTTONS
    finally:
        await harness.stop()
    rows = harness.query("SELECT attempt, crashes FROM jobs ORDER BY rowid")
    assert [tuple(row) for row in rows] == [(2, 0), (1, 0)]
