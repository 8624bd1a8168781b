"""Attachments from Discord's CDN, and from nowhere else."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from bot.downloads import Downloads, Unavailable, trusted
from bot.errors import Refused
from bot.uploads import BYTES_LIMIT


@pytest.mark.parametrize(
    "url",
    [
        "https://cdn.discordapp.com/attachments/1/2/a.png?ex=1&is=2&hm=3",
        "https://media.discordapp.net/attachments/1/2/a.png",
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
        "https://[",
        "",
    ],
)
def test_nothing_else_is_trusted(url: str) -> None:
    """No other host, scheme or port, however similar."""
    assert not trusted(url)


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
        for _ in range(BYTES_LIMIT // 65536 + 2):
            await answer.write(bytes(65536))
        return answer

    async def cut(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Length": "100"})
        await answer.prepare(request)
        await answer.write(b"half")
        if request.transport is not None:
            request.transport.close()
        return answer

    app = web.Application()
    for handler in (file, elsewhere, endless, cut):
        app.router.add_get(f"/{handler.__name__}", handler)
    app.router.add_get("/named/{name}", file)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def test_a_file_is_fetched_wholly(cdn: str) -> None:
    """As it is."""
    async with Downloads(local_hosts={"127.0.0.1"}) as downloads:
        assert await downloads.fetch(f"{cdn}/file") == b"a picture"


async def test_a_redirect_is_not_followed(cdn: str) -> None:
    """It could lead anywhere."""
    async with Downloads(local_hosts={"127.0.0.1"}) as downloads:
        with pytest.raises(Unavailable, match="did not hand out"):
            await downloads.fetch(f"{cdn}/elsewhere")


async def test_an_endless_file_is_cut_off(cdn: str) -> None:
    """At the limit, whatever length was announced."""
    async with Downloads(local_hosts={"127.0.0.1"}) as downloads:
        with pytest.raises(Refused, match="10 MiB are allowed"):
            await downloads.fetch(f"{cdn}/endless")


async def test_half_a_file_is_no_file(cdn: str) -> None:
    """A connection that breaks is said to have broken."""
    async with Downloads(local_hosts={"127.0.0.1"}) as downloads:
        with pytest.raises(Unavailable, match="could not be fetched"):
            await downloads.fetch(f"{cdn}/cut")


async def test_another_host_is_not_even_asked(cdn: str) -> None:
    """Without a local host, this one is as foreign as any."""
    async with Downloads() as downloads:
        with pytest.raises(Refused, match="must be attached"):
            await downloads.fetch(f"{cdn}/file")


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
    async with Downloads(local_hosts={"127.0.0.1"}) as downloads:
        assert await downloads.fetch(f"{cdn}/named/{name}") == b"a picture"
