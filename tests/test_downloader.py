"""Attachments from Discord's CDN, and from nowhere else."""

import asyncio
import gzip
import time
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from bot.attachments.downloader import CDN_HOSTS, Downloads, Unavailable, trusted
from bot.attachments.sanitize import BYTES_LIMIT
from bot.errors import Refused


@pytest.mark.parametrize(
    "url",
    [
        "https://cdn.discordapp.com/attachments/1/2/a.png?ex=1&is=2&hm=3",
        "https://media.discordapp.net/attachments/1/2/a.png",
        "HTTPS://CDN.DiscordApp.com/attachments/1/2/a.png",
    ],
)
def test_the_cdn_is_trusted(url: str) -> None:
    """Over https, on its own port."""
    assert trusted(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://cdn.discordapp.com/a.png",
        "https://cdn.discordapp.com:8443/a.png",
        "https://me@cdn.discordapp.com/a.png",
        "https://cdn.discordapp.com.evil.org/a.png",
        "https://evil.org/cdn.discordapp.com/a.png",
        "http://127.0.0.1/a.png",
        "http://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
        "not an address",
        "https://cdn.discordapp.com./a.png",
        "https://cdn.discordapp.com:443/a.png",
        "https://cdn.discordapp.com:99999/a.png",
        "https://:@cdn.discordapp.com/a.png",
        "https://cdn.discordapp.com:443@evil.org/a.png",
        "https://cdn.discordapp.com@evil.org/a.png",
        "https://cdn.discordapp.com\\@evil.org/a.png",
        "https://evil.org\\@cdn.discordapp.com/a.png",
        "https://evil.org#@cdn.discordapp.com/a.png",
        "https://evil.org?@cdn.discordapp.com/a.png",
        "https://cdn.discordapp.com%2eevil.org/a.png",
        "https://cdn.discordapp.com%00.evil.org/a.png",
        "https://cdn.discordapp.com\t.evil.org/a.png",
        "https://cdn.discordapp.com\r\nHost: evil.org/a.png",
        "https://\u0441dn.discordapp.com/a.png",
        "https://xn--dn-nmc.discordapp.com/a.png",
        "https://[cdn.discordapp.com]/a.png",
        "https:///cdn.discordapp.com/a.png",
        "https:cdn.discordapp.com/a.png",
        "//cdn.discordapp.com/a.png",
        "ftp://cdn.discordapp.com/a.png",
        "http://2130706433/a.png",
        "http://0x7f000001/a.png",
        "http://0177.0.0.1/a.png",
        "http://127.1/a.png",
        "http://localhost/a.png",
        "http://0.0.0.0/a.png",
        "http://[::1]/a.png",
        "http://[::ffff:127.0.0.1]/a.png",
        "http://[fe80::1%25eth0]/a.png",
        "https://[",
        "",
    ],
)
def test_nothing_else_is_trusted(url: str) -> None:
    """No other host, scheme or port, however similar."""
    assert not trusted(url)


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "10.0.0.1"])
def test_a_local_discord_is_not_found_by_riddles(host: str) -> None:
    """Nor is any other machine near it."""
    assert not trusted(f"http://{host}/a.png", {"127.0.0.1"})


PARTS = [
    "https://",
    "cdn.discordapp.com",
    "evil.org",
    "@",
    ":",
    "/",
    "\\",
    "#",
    "?",
    "%",
    ".",
    "[",
    "]",
]


@given(st.lists(st.sampled_from(PARTS) | st.text(max_size=2), max_size=9).map("".join))
def test_no_riddle_is_trusted(url: str) -> None:
    """What is trusted is on the CDN in the eyes of another reader as well."""
    if trusted(url):
        host = urlsplit(url).hostname or ""
        assert host.encode("idna").decode().lower() in CDN_HOSTS


def test_a_local_discord_has_its_own_host() -> None:
    """Only that host, and only when it is named."""
    assert trusted("http://discord.example:9/a.png", {"discord.example"})
    assert not trusted("http://other.example:9/a.png", {"discord.example"})
    assert not trusted("http://other.example:9/a.png", {"127.0.0.1"})


@pytest.fixture
async def cdn() -> AsyncIterator[str]:
    """A server that misbehaves on request."""

    async def file(_: web.Request) -> web.Response:
        return web.Response(body=b"a picture")

    async def elsewhere(_: web.Request) -> web.Response:
        raise web.HTTPFound("/file")

    async def endless(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        with suppress(OSError):
            while True:
                await answer.write(bytes(65536))
        return answer

    async def dripping(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        with suppress(OSError):
            while True:
                await answer.write(b"d")
                await asyncio.sleep(0.05)
        return answer

    async def silent(_: web.Request) -> web.Response:
        await asyncio.sleep(10)
        return web.Response()

    app = web.Application()
    for handler in (file, elsewhere, endless, dripping, silent):
        app.router.add_get(f"/{handler.__name__}", handler)
    app.router.add_get("/named/{name}", file)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@asynccontextmanager
async def saying(*answer: bytes) -> AsyncIterator[str]:
    """A server that says this, whatever it is asked, the last part again and again."""

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            await reader.readuntil(b"\r\n\r\n")
            for part in answer[:-1]:
                writer.write(part)
                await writer.drain()
            while answer[-1]:
                writer.write(answer[-1])
                await writer.drain()
        writer.close()

    async with await asyncio.start_server(say, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/a.png"


async def fetched(url: str, seconds: float = 5.0) -> bytes:
    """The file, from a local Discord."""
    async with Downloads(local_hosts={"127.0.0.1"}, seconds=seconds) as downloads:
        return await downloads.fetch(url)


def headed(*lines: str) -> bytes:
    """The beginning of an answer."""
    return "\r\n".join(["HTTP/1.1 200 OK", *lines, "", ""]).encode()


async def test_a_file_is_fetched_wholly(cdn: str) -> None:
    """As it is."""
    assert await fetched(f"{cdn}/file") == b"a picture"


async def test_a_redirect_is_not_followed(cdn: str) -> None:
    """It could lead anywhere."""
    with pytest.raises(Unavailable, match="did not hand out"):
        await fetched(f"{cdn}/elsewhere")


@pytest.mark.parametrize("status", [300, 301, 303, 307, 308, 206, 404, 500])
async def test_only_a_plain_yes_is_one(status: int) -> None:
    """Whatever comes with another answer."""
    told = f"HTTP/1.1 {status} X\r\nLocation: http://127.0.0.1/\r\nContent-Length: 2\r\n\r\nno"
    async with saying(told.encode(), b"") as url:
        with pytest.raises(Unavailable, match="did not hand out"):
            await fetched(url)


async def test_an_endless_file_is_cut_off(cdn: str) -> None:
    """At the limit; its memory is that of the limit."""
    tracemalloc.start()
    with pytest.raises(Refused, match="10 MiB are allowed"):
        await fetched(f"{cdn}/endless")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 * BYTES_LIMIT


@pytest.mark.parametrize("how", ["dripping", "silent"])
async def test_a_slow_file_is_cut_off(cdn: str, how: str) -> None:
    """Though there is always a little more of it."""
    since = time.monotonic()
    with pytest.raises(Unavailable, match="could not be fetched"):
        await fetched(f"{cdn}/{how}", seconds=0.5)
    assert time.monotonic() - since < 3


@pytest.mark.parametrize(
    "answer",
    [
        [headed("Content-Length: 100"), b"half", b""],
        [headed("Content-Length: -1"), b"half", b""],
        [headed("Content-Length: many"), b"half", b""],
        [headed("Content-Length: 4", "Content-Length: 5"), b"half", b""],
        [headed("Transfer-Encoding: chunked"), b"ffffffffffffffffff\r\n", b""],
        [headed("Transfer-Encoding: chunked"), b"-4\r\nhalf\r\n0\r\n\r\n", b""],
        [headed("Transfer-Encoding: chunked"), b"4\r\nhalf\r\n", b""],
        [b"HTTP/1.1 200 OK\r\n", b"X-More: and more\r\n"],
        [b"HTTP/1.1 200 OK\r\nX-More: ", b"and more"],
        [b"HTTP/1.1 100 Continue\r\n\r\n"],
        [b"SSH-2.0-OpenSSH_9.9\r\n", b""],
        [b""],
    ],
)
async def test_what_is_no_whole_answer_is_no_file(answer: list[bytes]) -> None:
    """A length that lies, an end that never comes, another protocol: each ends in a sentence."""
    async with saying(*answer) as url:
        with pytest.raises(Unavailable, match="could not be fetched"):
            await fetched(url, seconds=1.0)


async def test_a_length_above_the_limit_is_believed() -> None:
    """Nothing more is read."""
    async with saying(headed("Content-Length: 99999999999"), b"") as url:
        with pytest.raises(Refused, match="10 MiB are allowed"):
            await fetched(url)


async def test_no_more_is_read_than_was_announced() -> None:
    """What follows is no part of the file."""
    async with saying(headed("Content-Length: 4"), b"half and more", b"") as url:
        with suppress(Unavailable):
            assert await fetched(url) == b"half"


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [("gzip", gzip.compress), ("deflate", zlib.compress), ("br", bytes), ("zstd", bytes)],
)
async def test_nothing_is_unpacked(encoding: str, pack: Callable[[bytes], bytes]) -> None:
    """A few kilobytes could be a gigabyte; Discord's CDN never packs a file."""
    body = pack(bytes(20 << 20))[:100_000]
    lines = f"Content-Encoding: {encoding}", f"Content-Length: {len(body)}"
    tracemalloc.start()
    async with saying(headed(*lines), body, b"") as url:
        with pytest.raises(Unavailable, match="do not unpack"):
            await fetched(url)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < BYTES_LIMIT


async def test_another_host_is_not_even_asked(cdn: str) -> None:
    """Without a local host, this one is as foreign as any; the sentence says where it is."""
    async with Downloads() as downloads:
        with pytest.raises(Refused, match=r"not lie where Discord .* at 127\.0\.0\.1\)"):
            await downloads.fetch(f"{cdn}/file")
        with pytest.raises(Refused, match="where Discord keeps its files, so"):
            await downloads.fetch("https://[")


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "127.0.0.7", "[::1]", "localhost:9", "[::1]:9"]
)
def test_a_local_discord_may_use_all_names_of_this_machine(host: str) -> None:
    """Its CDN may listen on another port, or be called by another name."""
    assert trusted(f"http://{host}/a.png", {"127.0.0.1"})
    assert not trusted(f"http://{host}/a.png", {"discord.example"})


@pytest.mark.parametrize("name", ["a b.png", "größe.png", "a%20b.png?ex=1&is=2&hm=3&"])
async def test_a_name_may_need_encoding(cdn: str, name: str) -> None:
    """Discord's own never do, others' may."""
    assert await fetched(f"{cdn}/named/{name}") == b"a picture"
