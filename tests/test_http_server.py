"""/metrics and /healthz of a bot on the local Discord."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import psutil
import pytest

from bot.app import run
from bot.engine_client.socket_client import Endpoint
from bot.errors import ExitCode, FatalError
from bot.monitoring.http_server import MAX_CONNECTIONS
from bot.playground import Fault, Playground
from tests.bot_harness import BotHarness, eventually, settings_for
from tests.fake_engine import FakeEngine
from tests.metrics_samples import parse_metrics


def free_port() -> int:
    """A TCP port that is not in use."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
async def monitored(
    discord: Playground, engine: FakeEngine, tmp_path: Path
) -> AsyncIterator[BotHarness]:
    """A bot with a metrics server."""
    harness = BotHarness(discord, engine, tmp_path)
    harness.metrics_port = free_port()
    async with harness:
        yield harness


async def get(harness: BotHarness, path: str) -> tuple[int, bytes]:
    """The status and the body of a response."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{harness.metrics_port}{path}") as response,
    ):
        return response.status, await response.read()


async def metrics(harness: BotHarness) -> dict[str, float]:
    """The current samples."""
    status, body = await get(harness, "/metrics")
    assert status == 200
    return parse_metrics(body)


async def health(harness: BotHarness) -> tuple[int, dict[str, Any]]:
    """Status and JSON body of /healthz."""
    status, body = await get(harness, "/healthz")
    return status, msgspec.json.decode(body)


async def until_health(harness: BotHarness, status: int) -> dict[str, Any]:
    """Wait until /healthz has this status; return its body."""
    async with asyncio.timeout(60):
        while True:
            with suppress(aiohttp.ClientConnectorError):  # the server has not started
                current, body = await health(harness)
                if current == status:
                    return body
            await asyncio.sleep(0.02)


async def test_jobs_are_counted(monitored: BotHarness, engine: FakeEngine) -> None:
    """One job is done, one fails, one is cancelled; one request is rate limited."""
    monitored.discord.faults.next("PATCH", "/webhooks/", Fault(status=429, retry_after=0.05))
    await monitored.imagine(count=2)
    engine.failure = "Out of memory."
    await monitored.imagine()
    engine.failure = None
    engine.gate.clear()
    interaction = await monitored.ada.slash("imagine", prompt="a house", count=1)
    await interaction.acknowledged()
    await eventually(lambda: len(engine.paints) == 3)
    samples = await metrics(monitored)
    assert (samples["imagine_jobs state=running"], samples["imagine_jobs state=waiting"]) == (1, 0)
    await monitored.discord.until(
        lambda: interaction.response and interaction.response.buttons, why="it can be cancelled"
    )
    assert interaction.response is not None
    await monitored.ada.click(interaction.response, "✖ Cancel")
    await monitored.result(interaction)
    await eventually(lambda: not monitored.query("SELECT 1 FROM jobs WHERE delivered_at IS NULL"))

    samples = await metrics(monitored)
    expected = {
        "imagine_jobs_ended_total ending=done": 1,
        "imagine_jobs_ended_total ending=failed": 1,
        "imagine_jobs_ended_total ending=cancelled": 1,
        "imagine_jobs_ended_total ending=refused": 0,
        "imagine_picture_seconds_count phase=waiting": 7,
        "imagine_picture_seconds_count phase=painting": 7,
        "imagine_picture_seconds_count phase=delivering": 7,
        "imagine_discord_rate_limited_total scope=shared": 1,
        "imagine_jobs state=running": 0,
        "imagine_jobs state=undelivered": 0,
        "imagine_engine_up": 1,
        "imagine_gateway_up": 1,
    }
    assert expected.items() <= samples.items()


async def test_a_cluster_without_replicas_is_down(
    monitored: BotHarness, engine: FakeEngine
) -> None:
    """It is up again with the first replica."""
    await engine.change_replicas([True])
    body = await until_health(monitored, 503)
    assert body["down"] == ["engine"]
    samples = await metrics(monitored)
    assert (samples["imagine_engine_up"], samples["imagine_engine_replicas"]) == (0, 0)
    await engine.change_replicas([True, False])
    assert (await until_health(monitored, 200))["down"] == []
    samples = await metrics(monitored)
    assert (samples["imagine_engine_up"], samples["imagine_engine_replicas"]) == (1, 1)


async def test_every_request_to_discord_is_counted(monitored: BotHarness) -> None:
    """They are counted by route and status; no label has an id, a token or a prompt."""
    monitored.discord.faults.next("PATCH", "/webhooks/", Fault(status=502))
    monitored.discord.faults.next("PATCH", "/webhooks/", Fault(drop=True))
    message = await monitored.imagine()
    samples = await metrics(monitored)
    prefix = "imagine_discord_requests_total "
    counted = {
        name.removeprefix(prefix): n for name, n in samples.items() if name.startswith(prefix)
    }
    # The first two requests check the API and the token before discord.py is used.
    first, second, *requests = monitored.discord.requests
    assert (first.path, second.path) == ("/gateway", "/users/@me")
    assert sum(counted.values()) == len(requests)
    edits = "method=PATCH route=/webhooks/{id}/{token}/messages/@original status="
    assert counted[f"{edits}502"] == counted[f"{edits}error"] == 1
    assert counted[f"{edits}200"] >= 1
    callback = "method=POST route=/interactions/{id}/{token}/callback status=200"
    assert counted[callback] == 1
    text = " ".join(samples)
    tokens = [event.data["token"] for event in monitored.events if event.data.get("token")]
    assert tokens
    for name in (*tokens, str(message.id), str(monitored.discord.channel.id), "red house"):
        assert name not in text


async def test_waiting_jobs_are_counted(monitored: BotHarness, engine: FakeEngine) -> None:
    """The age of the oldest is reported too."""
    engine.gate.clear()
    people = [monitored.discord.person(name) for name in ("Ben", "Cy", "Dee")]
    for index in range(12):
        interaction = await people[index % 3].slash("imagine", prompt="a house", count=1)
        await interaction.acknowledged()
    await eventually(lambda: len(engine.paints) == 8)
    monitored.clock_offset = 30.0
    samples = await metrics(monitored)
    assert (samples["imagine_jobs state=running"], samples["imagine_jobs state=waiting"]) == (8, 4)
    assert 30 <= samples["imagine_oldest_waiting_seconds"] < 150
    assert (await health(monitored))[1] == {"ok": True, "down": [], "queue": 4}
    engine.gate.set()
    await eventually(lambda: not monitored.query("SELECT 1 FROM jobs WHERE delivered_at IS NULL"))
    assert (await metrics(monitored))["imagine_oldest_waiting_seconds"] == 0


async def test_counters_of_the_engine_are_rendered(
    monitored: BotHarness, engine: FakeEngine
) -> None:
    """They come from the latest heartbeat, and do not fall when a new engine starts at 0."""
    engine.heartbeat = msgspec.structs.replace(
        engine.heartbeat, ticks=9, rows_total=20, rows_used=15
    )
    await engine.send_heartbeat()
    async with asyncio.timeout(60):
        while (samples := await metrics(monitored))["imagine_engine_ticks_total"] != 9:  # noqa: ASYNC110 # polls over HTTP
            await asyncio.sleep(0.02)
    assert samples["imagine_engine_rows_total use=padding"] == 5
    assert samples["imagine_engine_padding_ratio"] == 0.25
    assert samples["imagine_engine_restarts_total"] == 0
    engine.heartbeat = msgspec.structs.replace(engine.heartbeat, ticks=1, rows_total=4, rows_used=3)
    engine.die()
    await until_health(monitored, 503)
    await until_health(monitored, 200)
    async with asyncio.timeout(60):
        while "imagine_engine_ticks_total" not in (samples := await metrics(monitored)):  # noqa: ASYNC110 # polls over HTTP
            await asyncio.sleep(0.02)
    assert samples["imagine_engine_ticks_total"] == 10
    assert samples["imagine_engine_rows_total use=picture"] == 18
    assert samples["imagine_engine_rows_total use=padding"] == 6
    assert samples["imagine_engine_restarts_total"] == 1


async def test_without_an_engine_the_bot_is_unhealthy(
    monitored: BotHarness, engine: FakeEngine
) -> None:
    """It is healthy again once a new engine is ready."""
    assert await health(monitored) == (200, {"ok": True, "down": [], "queue": 0})
    engine.start_error = "No memory."
    engine.die()
    assert (await until_health(monitored, 503))["down"] == ["engine"]
    assert (await metrics(monitored))["imagine_engine_up"] == 0
    engine.start_error = None
    await until_health(monitored, 200)


@pytest.mark.parametrize("resumable", [True, False])
async def test_without_discord_the_bot_is_unhealthy(monitored: BotHarness, resumable: bool) -> None:
    """It is healthy again once the gateway accepts it, with the same session or a new one."""
    sockets = monitored.discord.sockets
    sockets.unavailable = True
    sockets.drop()
    assert (await until_health(monitored, 503))["down"] == ["gateway"]
    assert (await metrics(monitored))["imagine_gateway_up"] == 0
    if not resumable:
        monitored.discord.gateway.invalidate(resumable=False)
    sockets.unavailable = False
    await until_health(monitored, 200)


async def test_before_it_is_ready_the_bot_is_unhealthy(
    discord: Playground, engine: FakeEngine, tmp_path: Path
) -> None:
    """The HTTP server responds while the model loads."""
    loaded = asyncio.Event()

    @asynccontextmanager
    async def slow() -> AsyncIterator[Endpoint]:
        await loaded.wait()
        async with engine.launch() as endpoint:
            yield endpoint

    harness = BotHarness(discord, engine, tmp_path, launch=slow)
    harness.metrics_port = free_port()
    starting = asyncio.create_task(harness.start())
    assert (await until_health(harness, 503))["down"] == ["gateway", "engine"]
    assert (await metrics(harness))["imagine_engine_up"] == 0
    loaded.set()
    await starting
    await until_health(harness, 200)
    await harness.stop()


async def test_idle_connections_block_nobody(monitored: BotHarness) -> None:
    """The oldest are closed, so that file descriptors are left for new clients and for the bot."""
    port = monitored.metrics_port
    connections = [
        await asyncio.open_connection("127.0.0.1", port) for _ in range(3 * MAX_CONNECTIONS)
    ]
    assert await connections[0][0].read() == b""
    await eventually(
        lambda: sum(not reader.at_eof() for reader, _ in connections) <= MAX_CONNECTIONS
    )
    assert (await health(monitored))[0] == 200
    assert not connections[-1][0].at_eof()
    for _, writer in connections:
        writer.close()


async def test_by_default_there_is_no_server(harness: BotHarness) -> None:
    """Only the local Discord and the engine listen; both run in the test's process."""
    sockets = psutil.Process().net_connections("tcp")
    assert len([socket for socket in sockets if socket.status == psutil.CONN_LISTEN]) == 2


async def test_a_port_in_use_is_a_fatal_error(
    discord: Playground, engine: FakeEngine, tmp_path: Path
) -> None:
    """The message names the setting of the port."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        settings = settings_for(discord, tmp_path)
        settings.imagine_metrics_port = listener.getsockname()[1]
        with pytest.raises(FatalError, match="IMAGINE_METRICS_PORT") as error:
            await run(settings, asyncio.Event(), launch=engine.launch)
    assert error.value.exit is ExitCode.PORT_TAKEN
