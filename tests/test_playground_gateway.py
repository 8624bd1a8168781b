"""The gateway of the local Discord: identify, zlib-stream, heartbeats, resume, close codes."""

import json
import zlib
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import discord
import pytest

from bot.playground import Playground
from tests.playground_bot import INTENTS, Easel, easel, point_at

Json = dict[str, Any]
REACTIONS = 1 << 10


class Wire:
    """A bare gateway client."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, *, packed: bool = False) -> None:
        self.socket = socket
        self._inflate = zlib.decompressobj() if packed else None

    async def hear(self) -> Json:
        """The next frame, which must be text, or the next piece of one zlib stream."""
        if self._inflate is None:
            frame: Json = json.loads(await self.socket.receive_str(timeout=5))
            return frame
        data = await self.socket.receive_bytes(timeout=5)
        assert data.endswith(b"\x00\x00\xff\xff")
        unpacked: Json = json.loads(self._inflate.decompress(data))
        return unpacked

    async def say(self, op: int, data: object) -> None:
        """Send a frame."""
        await self.socket.send_json({"op": op, "d": data})

    async def identify(self, token: str, intents: int = 1) -> Json:
        """Begin a session; answer READY."""
        await self.say(2, {"token": token, "intents": intents, "properties": {}})
        return await self.hear()

    async def closed(self) -> int | None:
        """The code that the server closes with."""
        while not self.socket.closed:
            await self.socket.receive(timeout=5)
        return self.socket.close_code


@pytest.fixture
async def wire(here: Playground) -> AsyncIterator[Wire]:
    """A bare connection, past its HELLO."""
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{here.url}/gateway?v=10&encoding=json") as socket,
    ):
        made = Wire(socket)
        assert (await made.hear())["op"] == 10
        yield made


async def test_frames_come_as_one_zlib_stream(here: Playground) -> None:
    """All frames share one zlib context, each flushed on its own."""
    address = f"{here.url}/gateway?v=10&encoding=json&compress=zlib-stream"
    async with aiohttp.ClientSession() as session, session.ws_connect(address) as socket:
        wire = Wire(socket, packed=True)
        assert (await wire.hear())["d"]["heartbeat_interval"] == 41250
        ready = await wire.identify(here.token)
        assert (await wire.hear())["t"] == "GUILD_CREATE"
        assert ready["d"]["resume_gateway_url"] == here.url.replace("http", "ws") + "/gateway"


async def test_heartbeats_are_acknowledged(wire: Wire) -> None:
    """Opcode 1 is answered by 11, also before IDENTIFY."""
    await wire.say(1, None)
    assert await wire.hear() == {"op": 11}


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
    here: Playground, wire: Wire, op: int, data: object, code: int
) -> None:
    """Each mistake has Discord's own close code."""
    if isinstance(data, dict) and data.get("token") == "TOKEN":
        data["token"] = here.token
    await wire.say(op, data)
    assert await wire.closed() == code


async def test_what_is_no_json_or_too_long_is_closed(here: Playground, wire: Wire) -> None:
    """Frames are JSON of at most 4096 bytes (4002)."""
    await wire.socket.send_str("{nonsense")
    assert await wire.closed() == 4002
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{here.url}/gateway?v=10") as socket,
    ):
        await socket.send_json({"op": 1, "d": "x" * 5000})
        assert await Wire(socket).closed() == 4002


async def test_a_second_identify_is_closed(here: Playground, wire: Wire) -> None:
    """One session for each connection (4005)."""
    await wire.identify(here.token)
    await wire.say(2, {"token": here.token, "intents": 1})
    assert await wire.closed() == 4005


async def test_an_unknown_session_is_invalid(here: Playground, wire: Wire) -> None:
    """Resuming what is gone is answered by opcode 9, not resumable."""
    await wire.say(6, {"token": here.token, "session_id": "gone", "seq": 3})
    assert await wire.hear() == {"op": 9, "d": False}


async def test_events_follow_the_intents(here: Playground, wire: Wire) -> None:
    """Without an intent its events stay away; commands arrive always."""
    await wire.identify(here.token, intents=REACTIONS)
    ada = here.person("Ada")
    message = await ada.say("words")
    await ada.react(message, "🔁")
    frame = await wire.hear()
    assert frame["t"] == "MESSAGE_REACTION_ADD"
    assert frame["d"]["message_author_id"] == str(ada.id)


async def test_other_peoples_words_are_blank(here: Playground, wire: Wire) -> None:
    """Without MESSAGE_CONTENT the text is empty in the guild, but there in direct messages."""
    await wire.identify(here.token, intents=1 << 9 | 1 << 12)
    ada = here.person("Ada")
    await ada.say("secret")
    await ada.say("for you", where=ada.dm)
    assert (await wire.hear())["d"]["content"] == ""
    assert (await wire.hear())["d"]["content"] == "for you"


async def test_a_dropped_bot_resumes_and_misses_nothing(here: Playground, bot: Easel) -> None:
    """What happened while the connection was cut is replayed after a Resume."""
    message = await here.person("Ada").say("look")
    here.sockets.drop()
    await here.until(lambda: not here.online, why="the connection is cut")
    await here.person("Ada").react(message, "🔁")
    await here.until(lambda: bot.resumed.is_set() and bot.reactions, why="the bot resumed")
    assert [str(event.emoji) for event in bot.reactions] == ["🔁"]


@pytest.mark.parametrize("code", [1000, 4000])
async def test_a_closed_bot_comes_back(here: Playground, bot: Easel, code: int) -> None:
    """After any close that allows it, discord.py is online again."""
    here.sockets.close(code)
    await here.until(lambda: not here.online)
    await here.until(lambda: here.online, why="the bot is back")


async def test_opcode_7_makes_the_bot_resume(here: Playground, bot: Easel) -> None:
    """A request to reconnect ends in a Resume of the same session."""
    here.sockets.reconnect()
    await here.until(bot.resumed.is_set, why="the bot resumed")


async def test_an_invalid_session_makes_the_bot_identify(here: Playground, bot: Easel) -> None:
    """After opcode 9 (not resumable) the bot begins a new session."""
    here.sockets.invalidate(resumable=False)
    await here.until(lambda: not here.online)
    await here.until(lambda: here.online, why="the bot identified again")
    assert not bot.resumed.is_set()


async def test_a_silent_bot_is_closed() -> None:
    """Without heartbeats the connection ends (4009) and the session waits for a Resume."""
    async with Playground(port=0) as here:
        here.sockets.heartbeat = 0.05
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(f"{here.url}/gateway?v=10") as socket,
        ):
            assert await Wire(socket).closed() == 4009


async def test_unheard_heartbeats_make_the_bot_reconnect() -> None:
    """Heartbeats that nobody acknowledges end in a new connection and a Resume."""
    async with Playground(port=0) as here:
        here.sockets.heartbeat = 0.2
        async with easel(here, heartbeat_timeout=0.5) as bot:
            here.sockets.deaf()
            await here.until(bot.resumed.is_set, timeout=20, why="the bot resumed")


async def test_intents_that_are_not_granted_end_the_bot(here: Playground) -> None:
    """Privileged intents are refused, and discord.py says so."""
    point_at(here)
    bot = Easel(discord.Intents(INTENTS.value | 1 << 15))
    with pytest.raises(discord.PrivilegedIntentsRequired):
        async with bot:
            await bot.start(here.token)


async def test_a_website_may_not_listen(here: Playground) -> None:
    """A browser says on whose behalf it connects; a bot is no browser."""
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await session.ws_connect(f"{here.url}/gateway", origin="https://evil.example")
    assert caught.value.status == 403
