"""The session start limit of the local Discord."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from bot.playground import Playground
from bot.playground.model.session_starts import DAY, IDENTIFY_SECONDS
from tests.playground_gateway import GatewayClient, Json
from tests.playground_http import Http


@pytest.fixture(autouse=True)
def limited(playground: Playground) -> None:
    """As at Discord; other tests turn the limit off, because they start several bots at once."""
    playground.session_starts.interval = IDENTIFY_SECONDS


@asynccontextmanager
async def connect(playground: Playground) -> AsyncIterator[GatewayClient]:
    """A connection that has received HELLO."""
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{playground.url}/gateway?v=10") as socket,
    ):
        client = GatewayClient(socket)
        await client.receive()
        yield client


def identify(playground: Playground, shard: int = 0, count: int = 4) -> Json:
    """The data of an IDENTIFY."""
    return {
        "token": playground.token,
        "intents": 0,
        "properties": {},
        "shard": [shard, count],
    }


async def outcome(playground: Playground, shard: int) -> str:
    """What is answered to the IDENTIFY of a shard: the event or the opcode."""
    async with connect(playground) as client:
        await client.send(2, identify(playground, shard))
        frame = await client.receive()
        return str(frame.get("t") or {"op": frame["op"], "d": frame["d"]})


async def limits(http: Http) -> Json:
    """The session start limit object."""
    _, body = await http.call("GET", "/gateway/bot")
    result: Json = body["session_start_limit"]
    return result


async def test_a_session_that_starts_too_soon_is_invalid(playground: Playground) -> None:
    """Its connection stays, and the bot has to identify again later."""
    refused = "{'op': 9, 'd': False}"
    assert await outcome(playground, 0) == "READY"
    assert await outcome(playground, 1) == refused
    assert playground.violations == ["GATEWAY opcode 2: shard 1 was too soon"]
    playground.clock.advance(IDENTIFY_SECONDS)
    assert await outcome(playground, 1) == "READY"
    assert playground.session_starts.too_soon == 1


async def test_buckets_are_independent(playground: Playground) -> None:
    """A shard is in the bucket of its id modulo max_concurrency."""
    playground.session_starts.max_concurrency = 2
    assert [await outcome(playground, shard) for shard in (0, 1)] == ["READY", "READY"]
    assert "9" in await outcome(playground, 2)


async def test_the_sessions_of_a_day_are_counted(playground: Playground, http: Http) -> None:
    """All are allowed again a day after the first one."""
    assert await limits(http) == {
        "total": 1_000,
        "remaining": 1_000,
        "reset_after": 0,
        "max_concurrency": 1,
    }
    await outcome(playground, 0)
    after = await limits(http)
    assert after["remaining"] == 999
    assert 0 < after["reset_after"] <= 1000 * DAY
    playground.clock.advance(DAY)
    assert (await limits(http))["remaining"] == 1_000


async def test_one_session_too_many_resets_the_token(playground: Playground, http: Http) -> None:
    """All sessions end, and the REST API refuses the token too."""
    playground.session_starts.total = 1
    async with connect(playground) as first, connect(playground) as second:
        await first.send(2, identify(playground))
        assert (await first.receive())["t"] == "READY"
        await second.send(2, identify(playground))
        assert await second.close_code() == 4004
        assert await first.close_code() == 4004
    assert (await http.call("GET", "/users/@me"))[0] == 401
    assert playground.violations == ["GATEWAY opcode 2: no session was left, the token is reset"]


async def test_one_shard_is_recommended_without_guilds(playground: Playground, http: Http) -> None:
    """And as many as a test sets."""
    playground.remove_bot(playground.world.default_guild)
    assert (await http.call("GET", "/gateway/bot"))[1]["shards"] == 1
    playground.session_starts.recommended_shards = 16
    assert (await http.call("GET", "/gateway/bot"))[1]["shards"] == 16
