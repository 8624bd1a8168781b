"""Attachments are downloaded from Discord's CDN, and from no other host."""

import asyncio
import gzip
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from bot.attachments.downloader import CDN_HOSTS, AttachmentDownloader, DownloadFailed
from bot.errors import Refused
from engine.contract.images.refusals import MAX_FILE_BYTES


def is_allowed(url: str, *local_hosts: str) -> bool:
    """Whether a downloader with these local hosts accepts the URL."""
    return AttachmentDownloader(local_hosts=local_hosts).is_allowed(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://cdn.discordapp.com/attachments/1/2/a.png?ex=1&is=2&hm=3",
        "https://media.discordapp.net/attachments/1/2/a.png",
        "HTTPS://CDN.DiscordApp.com/attachments/1/2/a.png",
    ],
)
def test_the_cdn_is_allowed(url: str) -> None:
    """The scheme must be https, and the port its default."""
    assert is_allowed(url)


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
def test_other_urls_are_not_allowed(url: str) -> None:
    """Other hosts, however similar, other schemes and other ports are refused."""
    assert not is_allowed(url)


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "10.0.0.1"])
def test_other_spellings_of_loopback_are_not_allowed(host: str) -> None:
    """Hosts of the local network are not allowed either, even for a local Discord."""
    assert not is_allowed(f"http://{host}/a.png", "127.0.0.1")


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
def test_no_ambiguous_url_is_allowed(url: str) -> None:
    """If a URL is allowed, urllib also finds a CDN host in it."""
    if is_allowed(url):
        host = urlsplit(url).hostname or ""
        assert host.encode("idna").decode().lower() in CDN_HOSTS


def test_local_hosts_are_allowed_by_name() -> None:
    """No other host is allowed, even if the local Discord runs on this machine."""
    assert is_allowed("http://discord.example:9/a.png", "discord.example")
    assert not is_allowed("http://other.example:9/a.png", "discord.example")
    assert not is_allowed("http://other.example:9/a.png", "127.0.0.1")


@pytest.fixture
async def cdn() -> AsyncIterator[str]:
    """A server with a path for each kind of misbehaviour."""

    async def file(_: web.Request) -> web.Response:
        return web.Response(body=b"a picture")

    async def elsewhere(_: web.Request) -> web.Response:
        raise web.HTTPFound("/file")

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        with suppress(OSError):
            while True:
                await response.write(bytes(65536))
        return response

    async def dripping(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        with suppress(OSError):
            while True:
                await response.write(b"d")
                await asyncio.sleep(0.05)
        return response

    async def silent(_: web.Request) -> web.Response:
        await asyncio.Event().wait()
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
async def raw_server(*parts: bytes) -> AsyncIterator[str]:
    """A server that sends these bytes for each request, and repeats the last part for ever."""

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            await reader.readuntil(b"\r\n\r\n")
            for part in parts[:-1]:
                writer.write(part)
                await writer.drain()
            while parts[-1]:
                writer.write(parts[-1])
                await writer.drain()
        writer.close()

    async with await asyncio.start_server(respond, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/a.png"


async def fetch(url: str, seconds: float = 5.0) -> bytes:
    """Download a file from a local Discord."""
    async with AttachmentDownloader(local_hosts={"127.0.0.1"}, seconds=seconds) as downloader:
        return await downloader.fetch(url)


def response_head(*lines: str) -> bytes:
    """The head of a 200 response."""
    return "\r\n".join(["HTTP/1.1 200 OK", *lines, "", ""]).encode()


async def test_a_file_is_downloaded(cdn: str) -> None:
    """Its bytes are returned unchanged."""
    assert await fetch(f"{cdn}/file") == b"a picture"


async def test_a_redirect_is_not_followed(cdn: str) -> None:
    """A redirect could lead to another host."""
    with pytest.raises(DownloadFailed, match="did not serve"):
        await fetch(f"{cdn}/elsewhere")


@pytest.mark.parametrize("status", [300, 301, 303, 307, 308, 206, 404, 500])
async def test_only_status_200_is_a_success(status: int) -> None:
    """The body of any other response is ignored."""
    response = f"HTTP/1.1 {status} X\r\nLocation: http://127.0.0.1/\r\nContent-Length: 2\r\n\r\nno"
    async with raw_server(response.encode(), b"") as url:
        with pytest.raises(DownloadFailed, match="did not serve"):
            await fetch(url)


async def test_an_endless_file_is_cut_off(cdn: str) -> None:
    """The download stops at the size limit, and memory grows by no more than that."""
    tracemalloc.start()
    with pytest.raises(Refused, match="10 MiB are allowed"):
        await fetch(f"{cdn}/endless")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 * MAX_FILE_BYTES


@pytest.mark.parametrize("path", ["dripping", "silent"])
async def test_a_slow_file_is_cut_off(cdn: str, path: str) -> None:
    """The download stops at the time limit, even if data keep arriving."""
    with pytest.raises(DownloadFailed, match="could not be downloaded"):
        await fetch(f"{cdn}/{path}", seconds=0.5)


@pytest.mark.parametrize(
    "parts",
    [
        [response_head("Content-Length: 100"), b"half", b""],
        [response_head("Content-Length: -1"), b"half", b""],
        [response_head("Content-Length: many"), b"half", b""],
        [response_head("Content-Length: 4", "Content-Length: 5"), b"half", b""],
        [response_head("Transfer-Encoding: chunked"), b"ffffffffffffffffff\r\n", b""],
        [response_head("Transfer-Encoding: chunked"), b"-4\r\nhalf\r\n0\r\n\r\n", b""],
        [response_head("Transfer-Encoding: chunked"), b"4\r\nhalf\r\n", b""],
        [b"HTTP/1.1 200 OK\r\n", b"X-More: and more\r\n"],
        [b"HTTP/1.1 200 OK\r\nX-More: ", b"and more"],
        [b"HTTP/1.1 100 Continue\r\n\r\n"],
        [b"SSH-2.0-OpenSSH_9.9\r\n", b""],
        [b""],
    ],
)
async def test_a_malformed_response_is_an_error(parts: list[bytes]) -> None:
    """A wrong length, a response without an end and another protocol are errors."""
    async with raw_server(*parts) as url:
        with pytest.raises(DownloadFailed, match="could not be downloaded"):
            await fetch(url, seconds=1.0)


async def test_a_content_length_above_the_limit_is_refused() -> None:
    """The body is not read."""
    async with raw_server(response_head("Content-Length: 99999999999"), b"") as url:
        with pytest.raises(Refused, match="10 MiB are allowed"):
            await fetch(url)


async def test_no_more_than_content_length_is_read() -> None:
    """Data behind the body are ignored."""
    async with raw_server(response_head("Content-Length: 4"), b"half and more", b"") as url:
        with suppress(DownloadFailed):
            assert await fetch(url) == b"half"


@pytest.mark.parametrize(
    ("encoding", "compress"),
    [("gzip", gzip.compress), ("deflate", zlib.compress), ("br", bytes), ("zstd", bytes)],
)
async def test_compressed_responses_are_refused(
    encoding: str, compress: Callable[[bytes], bytes]
) -> None:
    """A few kilobytes could expand to a gigabyte; Discord's CDN never compresses attachments."""
    body = compress(bytes(20 << 20))[:100_000]
    lines = f"Content-Encoding: {encoding}", f"Content-Length: {len(body)}"
    tracemalloc.start()
    async with raw_server(response_head(*lines), body, b"") as url:
        with pytest.raises(DownloadFailed, match="compressed"):
            await fetch(url)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < MAX_FILE_BYTES


async def test_other_hosts_get_no_request(cdn: str) -> None:
    """The refusal names the host, if the URL has one."""
    async with AttachmentDownloader() as downloader:
        with pytest.raises(Refused, match=r"not on Discord's .* on 127\.0\.0\.1\)"):
            await downloader.fetch(f"{cdn}/file")
        with pytest.raises(Refused, match="not on Discord's file servers, so"):
            await downloader.fetch("https://[")


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "127.0.0.7", "[::1]", "localhost:9", "[::1]:9"]
)
def test_a_local_discord_may_use_all_loopback_names(host: str) -> None:
    """Its CDN may have another port or another name of the loopback interface."""
    assert is_allowed(f"http://{host}/a.png", "127.0.0.1")
    assert not is_allowed(f"http://{host}/a.png", "discord.example")


@pytest.mark.parametrize("name", ["a b.png", "größe.png", "a%20b.png?ex=1&is=2&hm=3&"])
async def test_file_names_may_need_encoding(cdn: str, name: str) -> None:
    """Discord's URLs are encoded already; those of a local Discord may not be."""
    assert await fetch(f"{cdn}/named/{name}") == b"a picture"
