"""The gateway: identify, compression, heartbeats, resume and close codes."""

import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import discord
import pytest

from bot.playground import Playground
from bot.playground.conditions.table import NO_HEARTBEAT_ACKS
from bot.playground.gateway.compression import ZstdStream
from tests.playground_bot import INTENTS, PlaygroundBot, start_bot, use_local_discord
from tests.playground_gateway import GatewayClient

Json = dict[str, Any]
REACTIONS = 1 << 10


@pytest.fixture
async def client(playground: Playground) -> AsyncIterator[GatewayClient]:
    """A connection that has received HELLO."""
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{playground.url}/gateway?v=10&encoding=json") as socket,
    ):
        client = GatewayClient(socket)
        assert (await client.receive())["op"] == 10
        yield client


def blocks(stream: bytes) -> bytes:
    """The contents of the raw blocks of a Zstandard frame that has not ended."""
    result = b""
    while stream:
        header = int.from_bytes(stream[:3], "little")
        is_last, block_type, size = header & 1, header >> 1 & 3, header >> 3
        assert (is_last, block_type) == (0, 0)
        result += stream[3 : 3 + size]
        stream = stream[3 + size :]
    return result


async def test_frames_come_as_one_zstd_stream(playground: Playground) -> None:
    """The first frame begins with the header of the stream: magic number and window."""
    address = f"{playground.url}/gateway?v=10&encoding=json&compress=zstd-stream"
    async with aiohttp.ClientSession() as session, session.ws_connect(address) as socket:
        hello = await socket.receive_bytes(timeout=5)
        assert hello[:6] == b"\x28\xb5\x2f\xfd\x00\x38"
        assert json.loads(blocks(hello[6:]))["op"] == 10
        await GatewayClient(socket).send(
            2, {"token": playground.token, "intents": 1, "properties": {}}
        )
        ready = await socket.receive_bytes(timeout=5)
        assert json.loads(blocks(ready))["t"] == "READY"


def test_long_frames_are_several_zstd_blocks() -> None:
    """A block has at most 128 KiB, whatever the frame has."""
    stream = ZstdStream()
    assert blocks(stream.pack("x")[6:]) == b"x"
    text = "é" * 150_000
    assert blocks(stream.pack(text)) == text.encode()


async def test_frames_come_as_one_zlib_stream(playground: Playground) -> None:
    """All frames share one zlib context, and each is flushed."""
    address = f"{playground.url}/gateway?v=10&encoding=json&compress=zlib-stream"
    async with aiohttp.ClientSession() as session, session.ws_connect(address) as socket:
        client = GatewayClient(socket, compressed=True)
        assert (await client.receive())["d"]["heartbeat_interval"] == 41250
        ready = await client.identify(playground.token)
        assert (await client.receive())["t"] == "GUILD_CREATE"
        assert ready["d"]["resume_gateway_url"] == (
            playground.url.replace("http", "ws") + "/gateway/resume"
        )


async def test_heartbeats_are_acknowledged(client: GatewayClient) -> None:
    """HEARTBEAT (1) is answered with HEARTBEAT_ACK (11), even before IDENTIFY."""
    await client.send(1, None)
    assert await client.receive() == {"op": 11}


@pytest.mark.parametrize(
    ("op", "data", "code"),
    [
        (2, {"token": "wrong", "intents": 1}, 4004),
        (2, {"token": "TOKEN", "intents": "many"}, 4013),
        (2, {"token": "TOKEN", "intents": 1 << 15}, 4014),
        (2, {"token": "TOKEN", "intents": 1, "shard": [1, 1]}, 4010),
        (2, "hello", 4002),
        (3, {}, 4003),
        (99, None, 4001),
        (6, {"token": "wrong", "session_id": "x", "seq": 0}, 4004),
    ],
)
async def test_a_wrong_frame_closes_with_its_code(
    playground: Playground, client: GatewayClient, op: int, data: object, code: int
) -> None:
    """An invalid frame closes the connection with Discord's code."""
    if isinstance(data, dict) and data.get("token") == "TOKEN":
        data["token"] = playground.token
    await client.send(op, data)
    assert await client.close_code() == code


async def test_malformed_frames_close_the_connection(
    playground: Playground, client: GatewayClient
) -> None:
    """A frame that is not JSON, or over 4096 bytes, closes the connection (4002)."""
    await client.socket.send_str("{nonsense")
    assert await client.close_code() == 4002
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{playground.url}/gateway?v=10") as socket,
    ):
        await socket.send_json({"op": 1, "d": "x" * 5000})
        assert await GatewayClient(socket).close_code() == 4002


async def test_frames_may_be_binary(playground: Playground, client: GatewayClient) -> None:
    """JSON in a binary frame is read like text; what is no JSON closes the connection (4002)."""
    identify = {"op": 2, "d": {"token": playground.token, "intents": 0, "properties": {}}}
    await client.socket.send_bytes(json.dumps(identify).encode())
    assert (await client.receive())["t"] == "READY"
    await client.socket.send_bytes(b"\xff\xfe\x00")
    assert await client.close_code() == 4002


async def test_a_second_identify_is_closed(playground: Playground, client: GatewayClient) -> None:
    """A connection can identify only once (4005)."""
    await client.identify(playground.token)
    await client.send(2, {"token": playground.token, "intents": 1})
    assert await client.close_code() == 4005


async def test_an_unknown_session_is_invalid(playground: Playground, client: GatewayClient) -> None:
    """Resuming an unknown session is answered with INVALID_SESSION (9), not resumable."""
    await client.send(6, {"token": playground.token, "session_id": "gone", "seq": 3})
    assert await client.receive() == {"op": 9, "d": False}


async def test_events_follow_the_intents(playground: Playground, client: GatewayClient) -> None:
    """Events without their intent are not sent."""
    await client.identify(playground.token, intents=REACTIONS)
    ada = playground.person("Ada")
    message = await ada.say("words")
    await ada.react(message, "🔁")
    frame = await client.receive()
    assert frame["t"] == "MESSAGE_REACTION_ADD"
    assert frame["d"]["message_author_id"] == str(ada.id)


async def test_content_needs_the_message_content_intent(
    playground: Playground, client: GatewayClient
) -> None:
    """Without MESSAGE_CONTENT the content is empty in guilds, but not in DMs."""
    await client.identify(playground.token, intents=1 << 9 | 1 << 12)
    ada = playground.person("Ada")
    await ada.say("secret")
    await ada.say("for you", where=ada.dm)
    assert (await client.receive())["d"]["content"] == ""
    assert (await client.receive())["d"]["content"] == "for you"


async def test_a_dropped_bot_resumes_and_receives_all_events(
    playground: Playground, bot: PlaygroundBot
) -> None:
    """Events during a disconnection are replayed after a Resume."""
    message = await playground.person("Ada").say("look")
    playground.sockets.drop()
    await playground.until(lambda: not playground.online, why="the connection is cut")
    await playground.person("Ada").react(message, "🔁")
    await playground.until(lambda: bot.resumed.is_set() and bot.reactions, why="the bot resumed")
    assert [str(event.emoji) for event in bot.reactions] == ["🔁"]


async def test_a_session_cannot_be_resumed_after_minutes(
    playground: Playground, bot: PlaygroundBot
) -> None:
    """RESUME is answered with INVALID_SESSION (9), and discord.py identifies."""
    playground.sockets.drop()
    await playground.until(lambda: not playground.online, why="the connection is cut")
    playground.clock.advance(5 * 60)
    await playground.until(lambda: playground.online, why="the bot identified again")
    assert not bot.resumed.is_set()


async def test_events_may_be_repeated_after_a_resume(
    playground: Playground, bot: PlaygroundBot
) -> None:
    """discord.py handles them again."""
    playground.gateway.repeated_events = 1
    ada = playground.person("Ada")
    await ada.react(await ada.say("look"), "🔁")
    await playground.until(lambda: bot.reactions)
    playground.sockets.drop()
    await playground.until(lambda: len(bot.reactions) == 2, why="the repetition")


@pytest.mark.parametrize("code", [1000, 4000])
async def test_a_bot_reconnects_after_a_close_code(
    playground: Playground, bot: PlaygroundBot, code: int
) -> None:
    """discord.py reconnects after these close codes."""
    playground.sockets.close(code)
    await playground.until(lambda: not playground.online)
    await playground.until(lambda: playground.online, why="the bot is connected again")


async def test_opcode_7_makes_the_bot_resume(playground: Playground, bot: PlaygroundBot) -> None:
    """RECONNECT (7) makes discord.py resume the session."""
    playground.sockets.reconnect()
    await playground.until(bot.resumed.is_set, why="the bot resumed")


async def test_an_invalid_session_makes_the_bot_identify(
    playground: Playground, bot: PlaygroundBot
) -> None:
    """After INVALID_SESSION (9, not resumable) discord.py starts a new session."""
    playground.sockets.invalidate(resumable=False)
    await playground.until(lambda: not playground.online)
    await playground.until(lambda: playground.online, why="the bot identified again")
    assert not bot.resumed.is_set()


async def test_a_silent_bot_is_closed() -> None:
    """Without heartbeats the connection is closed (4009)."""
    async with Playground(port=0) as playground:
        playground.sockets.heartbeat = 0.05
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(f"{playground.url}/gateway?v=10") as socket,
        ):
            assert await GatewayClient(socket).close_code() == 4009


async def test_unacknowledged_heartbeats_make_the_bot_reconnect() -> None:
    """discord.py reconnects and resumes if heartbeats are not acknowledged."""
    async with Playground(port=0) as playground:
        playground.sockets.heartbeat = 0.2
        async with start_bot(playground, heartbeat_timeout=0.5) as bot:
            playground.conditions.set(NO_HEARTBEAT_ACKS, on=True)
            await playground.until(lambda: not playground.online, why="the silent connection ends")
            playground.conditions.end_all()
            await playground.until(bot.resumed.is_set, timeout=20, why="the bot resumed")


async def test_intents_that_are_not_granted_end_the_bot(playground: Playground) -> None:
    """Privileged intents are refused, and discord.py raises."""
    use_local_discord(playground)
    bot = PlaygroundBot(discord.Intents(INTENTS.value | 1 << 15))
    with pytest.raises(discord.PrivilegedIntentsRequired):
        async with bot:
            await bot.start(playground.token)


async def test_browsers_are_refused(playground: Playground) -> None:
    """A connection with an Origin header is refused with a 403."""
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.WSServerHandshakeError) as error:
            await session.ws_connect(f"{playground.url}/gateway", origin="https://evil.example")
    assert error.value.status == 403
