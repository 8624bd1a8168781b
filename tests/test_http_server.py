"""What machines see of a bot: /metrics and /healthz, on a whole bot on the local Discord."""

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
from bot.monitoring.http_server import CONNECTIONS
from bot.playground import Fault, Playground
from tests.fake_engine import FakeEngine
from tests.house import House, eventually, settings_for
from tests.test_metrics import parsed


def free_port() -> int:
    """One that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@pytest.fixture
async def watched(discord: Playground, engine: FakeEngine, tmp_path: Path) -> AsyncIterator[House]:
    """A bot that shows how it is doing."""
    house = House(discord, engine, tmp_path)
    house.metrics_port = free_port()
    async with house:
        yield house


async def get(house: House, path: str) -> tuple[int, bytes]:
    """Status and body."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{house.metrics_port}{path}") as answer,
    ):
        return answer.status, await answer.read()


async def figures(house: House) -> dict[str, float]:
    """What Prometheus would read now."""
    status, page = await get(house, "/metrics")
    assert status == 200
    return parsed(page)


async def health(house: House) -> tuple[int, dict[str, Any]]:
    """Status and words."""
    status, body = await get(house, "/healthz")
    return status, msgspec.json.decode(body)


async def becomes(house: House, status: int) -> dict[str, Any]:
    """Wait until the bot is as healthy as that."""
    async with asyncio.timeout(30):
        while True:
            with suppress(aiohttp.ClientConnectorError):  # it does not listen yet
                found = await health(house)
                if found[0] == status:
                    return found[1]
            await asyncio.sleep(0.02)


async def test_stories_are_counted(watched: House, engine: FakeEngine) -> None:
    """One is painted, one fails, one is cancelled; Discord says once that it is too much."""
    watched.discord.faults.next("PATCH", "/webhooks/", Fault(status=429, retry_after=0.05))
    await watched.imagine(count=2)
    engine.failure = "Out of memory."
    await watched.imagine()
    engine.failure = None
    engine.gate.clear()
    asked = await watched.ada.slash("imagine", prompt="a house", count=1)
    await asked.acknowledged()
    await eventually(lambda: len(engine.paints) == 3)
    seen = await figures(watched)
    assert (seen["imagine_jobs state=running"], seen["imagine_jobs state=waiting"]) == (1, 0)
    assert asked.response is not None
    await watched.ada.click(asked.response, "✖ Cancel")
    await watched.result(asked)
    await eventually(lambda: not watched.record("SELECT 1 FROM jobs WHERE delivered_at IS NULL"))

    seen = await figures(watched)
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
    assert expected.items() <= seen.items()


async def test_every_request_to_discord_is_counted(watched: House) -> None:
    """As many as Discord has seen, by address and answer, and no name in any label."""
    watched.discord.faults.next("PATCH", "/webhooks/", Fault(status=502))
    watched.discord.faults.next("PATCH", "/webhooks/", Fault(drop=True))
    message = await watched.imagine()
    seen = await figures(watched)
    prefix = "imagine_discord_requests_total "
    counted = {name.removeprefix(prefix): n for name, n in seen.items() if name.startswith(prefix)}
    asked = [one for one in watched.discord.requests if one.path != "/gateway"]
    assert sum(counted.values()) == len(asked)
    edits = "method=PATCH route=/webhooks/{id}/{token}/messages/@original status="
    assert counted[f"{edits}502"] == counted[f"{edits}error"] == 1
    assert counted[f"{edits}200"] >= 1
    callback = "method=POST route=/interactions/{id}/{token}/callback status=200"
    assert counted[callback] == 1
    text = " ".join(seen)
    tokens = [each["token"] for event in watched.events if (each := event.data).get("token")]
    assert tokens
    for name in (*tokens, str(message.id), str(watched.discord.channel.id), "red house"):
        assert name not in text


async def test_those_who_wait_are_seen(watched: House, engine: FakeEngine) -> None:
    """How many, and since when."""
    engine.gate.clear()
    people = [watched.discord.person(name) for name in ("Ben", "Cy", "Dee")]
    for nth in range(12):
        asked = await people[nth % 3].slash("imagine", prompt="a house", count=1)
        await asked.acknowledged()
    await eventually(lambda: len(engine.paints) == 8)
    await asyncio.sleep(0.3)
    seen = await figures(watched)
    assert (seen["imagine_jobs state=running"], seen["imagine_jobs state=waiting"]) == (8, 4)
    assert 0.3 <= seen["imagine_oldest_waiting_seconds"] < 30
    assert (await health(watched))[1] == {"ok": True, "down": [], "queue": 4}
    engine.gate.set()
    await eventually(lambda: not watched.record("SELECT 1 FROM jobs WHERE delivered_at IS NULL"))
    assert (await figures(watched))["imagine_oldest_waiting_seconds"] == 0


async def test_the_engine_tells_its_figures(watched: House, engine: FakeEngine) -> None:
    """The newest that it sent; what is counted never falls, also when a new engine begins at 0."""
    engine.pulse = msgspec.structs.replace(engine.pulse, ticks=9, rows_total=20, rows_used=15)
    await engine.beat()
    async with asyncio.timeout(10):
        while (seen := await figures(watched))["imagine_engine_ticks_total"] != 9:  # noqa: ASYNC110 # it is asked
            await asyncio.sleep(0.02)
    assert seen["imagine_engine_rows_total use=padding"] == 5
    assert seen["imagine_engine_padding_ratio"] == 0.25
    assert seen["imagine_engine_restarts_total"] == 0
    engine.pulse = msgspec.structs.replace(engine.pulse, ticks=1, rows_total=4, rows_used=3)
    engine.die()
    await becomes(watched, 503)
    await becomes(watched, 200)
    async with asyncio.timeout(10):
        while "imagine_engine_ticks_total" not in (seen := await figures(watched)):  # noqa: ASYNC110 # it is asked
            await asyncio.sleep(0.02)
    assert seen["imagine_engine_ticks_total"] == 10
    assert seen["imagine_engine_rows_total use=picture"] == 18
    assert seen["imagine_engine_rows_total use=padding"] == 6
    assert seen["imagine_engine_restarts_total"] == 1


async def test_without_an_engine_the_bot_is_not_well(watched: House, engine: FakeEngine) -> None:
    """Until there is one again."""
    assert await health(watched) == (200, {"ok": True, "down": [], "queue": 0})
    engine.stillborn = "No memory."
    engine.die()
    assert (await becomes(watched, 503))["down"] == ["engine"]
    assert (await figures(watched))["imagine_engine_up"] == 0
    engine.stillborn = None
    await becomes(watched, 200)


@pytest.mark.parametrize("resumable", [True, False])
async def test_without_discord_the_bot_is_not_well(watched: House, resumable: bool) -> None:
    """Until the gateway lets it in again, with the same session or with a new one."""
    sockets = watched.discord.sockets
    sockets.unavailable = True
    sockets.drop()
    assert (await becomes(watched, 503))["down"] == ["gateway"]
    assert (await figures(watched))["imagine_gateway_up"] == 0
    if not resumable:
        watched.discord.gateway.invalidate(resumable=False)
    sockets.unavailable = False
    await becomes(watched, 200)


async def test_before_it_is_ready_the_bot_is_not_well(
    discord: Playground, engine: FakeEngine, tmp_path: Path
) -> None:
    """It says so while the model is being loaded."""
    loaded = asyncio.Event()

    @asynccontextmanager
    async def slow() -> AsyncIterator[Endpoint]:
        await loaded.wait()
        async with engine.launch() as endpoint:
            yield endpoint

    house = House(discord, engine, tmp_path, launch=slow)
    house.metrics_port = free_port()
    starting = asyncio.create_task(house.start())
    assert (await becomes(house, 503))["down"] == ["gateway", "engine"]
    assert (await figures(house))["imagine_engine_up"] == 0
    loaded.set()
    await starting
    await becomes(house, 200)
    await house.stop()


async def test_who_holds_connections_open_takes_them_from_nobody(watched: House) -> None:
    """The oldest go, so that files are left for pictures, and a place for who asks something."""
    port = watched.metrics_port
    held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3 * CONNECTIONS)]
    assert await held[0][0].read() == b""
    await eventually(lambda: sum(not reader.at_eof() for reader, _ in held) <= CONNECTIONS)
    assert (await health(watched))[0] == 200
    assert not held[-1][0].at_eof()
    for _, writer in held:
        writer.close()


async def test_by_default_nobody_is_told(house: House) -> None:
    """Only the local Discord and the engine listen, which live in this process here."""
    ours = psutil.Process().net_connections("tcp")
    assert len([one for one in ours if one.status == psutil.CONN_LISTEN]) == 2


async def test_a_taken_port_is_one_sentence(
    discord: Playground, engine: FakeEngine, tmp_path: Path
) -> None:
    """It names the settings."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        settings = settings_for(discord, tmp_path)
        settings.imagine_metrics_port = taken.getsockname()[1]
        with pytest.raises(FatalError, match="IMAGINE_METRICS_PORT") as caught:
            await run(settings, asyncio.Event(), launch=engine.launch)
    assert caught.value.exit is ExitCode.PORT_TAKEN
