"""Connecting to Discord: refusals at the start, close codes of the gateway, proxies."""

import asyncio
import errno
import logging
from pathlib import Path
from typing import Any

import pytest
import yarl
from pydantic import SecretStr

from bot.app import run
from bot.errors import ExitCode, FatalError
from bot.playground import Fault, Playground
from bot.settings import Settings
from bot.startup.discord_connection import login
from tests.bot_harness import BotHarness, eventually, settings_for
from tests.fake_engine import FakeEngine
from tests.http_proxy import HOST, http_proxy


async def end_of(settings: Settings, engine: FakeEngine) -> FatalError:
    """The error that ends the bot."""
    with pytest.raises(FatalError) as exc_info:
        async with asyncio.timeout(30):
            await run(settings, asyncio.Event(), launch=engine.launch)
    return exc_info.value


@pytest.mark.parametrize("token", ["MTEw.x\n.y", "MTEw.x.y z", "MTEw.x.\u0443", "\x7f"])
async def test_a_malformed_token_is_refused(
    discord: Playground, tmp_path: Path, engine: FakeEngine, token: str
) -> None:
    """It cannot be sent in a header; the error does not contain it."""
    settings = settings_for(discord, tmp_path)
    settings.discord_token = SecretStr(token)
    error = await end_of(settings, engine)
    assert error.exit is ExitCode.TOKEN_REFUSED
    assert "line break, a space or another character" in str(error) and token not in str(error)


class UnreadableCertificates:
    """A client that cannot read a file which the connection needs."""

    async def login(self, token: str) -> None:
        """Raise the error of such a file."""
        raise PermissionError(errno.EACCES, "Permission denied", "/etc/ssl/cert.pem")


async def test_an_unreadable_file_is_not_taken_for_the_network() -> None:
    """The error has the reason of the system and the path."""
    client: Any = UnreadableCertificates()
    with pytest.raises(FatalError, match=r"Permission denied: '/etc/ssl/cert\.pem'"):
        await login(client, "a token")


@pytest.mark.parametrize("path", ["/gateway", "/users/@me"])
@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=429, via=False, retry_after=0.2),
        Fault(status=429, retry_after=0.2),
        Fault(status=502),
        Fault(status=503),
    ],
    ids=["Cloudflare", "rate limit", "502", "503"],
)
async def test_a_refusal_at_the_start_is_waited_out(
    harness: BotHarness, caplog: pytest.LogCaptureFixture, path: str, fault: Fault
) -> None:
    """The log has the time of the next attempt."""
    await harness.stop()
    caplog.set_level(logging.WARNING)
    harness.discord.faults.next("GET", path, fault)
    await harness.start()
    assert (await harness.imagine()).attachments
    [message] = [
        record.getMessage()
        for record in caplog.records
        if record.name == "bot.startup.discord_connection"
    ]
    assert message.startswith(f"Discord answers {fault.status} ") and "waiting until" in message


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/oauth2/applications/@me"), ("PUT", "/commands")],
    ids=["login", "commands"],
)
@pytest.mark.parametrize(
    "fault",
    [Fault(status=429, via=False, retry_after=0.2), Fault(status=503, html=True)],
    ids=["Cloudflare", "503"],
)
async def test_a_refusal_of_the_login_is_waited_out(
    harness: BotHarness, caplog: pytest.LogCaptureFixture, method: str, path: str, fault: Fault
) -> None:
    """A supervisor that started the bot again at once would prolong a ban."""
    await harness.stop()
    caplog.set_level(logging.WARNING)
    harness.discord.faults.next(method, path, fault)
    await harness.start()
    assert (await harness.imagine()).attachments
    assert f"Discord answers {fault.status} " in caplog.text
    assert "Unclosed" not in caplog.text


async def test_a_gateway_that_is_down_at_the_start_is_waited_for(
    harness: BotHarness, caplog: pytest.LogCaptureFixture
) -> None:
    """The REST API may work without it."""
    await harness.stop()
    caplog.set_level(logging.WARNING)
    harness.discord.sockets.unavailable = True
    start = asyncio.create_task(harness.start())
    await eventually(lambda: "waiting until" in caplog.text)
    harness.discord.sockets.unavailable = False
    await start
    assert (await harness.imagine()).attachments
    assert "503" in caplog.text


async def test_a_gateway_that_stays_down_at_the_start_is_an_error(
    discord: Playground, tmp_path: Path, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exit code tells a supervisor to start the bot later."""
    monkeypatch.setattr("bot.startup.discord_connection._RETRY_SECONDS", (0.1, 0.1))
    discord.sockets.unavailable = True
    error = await end_of(settings_for(discord, tmp_path), engine)
    assert error.exit is ExitCode.DISCORD_UNREACHABLE
    assert "/gateway" in str(error) and "503" in str(error)


async def test_the_wait_at_the_start_can_be_stopped(
    discord: Playground, tmp_path: Path, engine: FakeEngine
) -> None:
    """Cloudflare may ask for a wait of an hour."""
    discord.faults.next("GET", "/gateway", Fault(status=429, via=False, retry_after=3600))
    stop = asyncio.Event()
    bot = asyncio.create_task(run(settings_for(discord, tmp_path), stop, launch=engine.launch))
    await discord.until(lambda: discord.requests, why="the first request")
    stop.set()
    async with asyncio.timeout(10):
        await bot
    assert engine.starts == 0


async def test_a_blocked_address_is_an_error(
    discord: Playground, tmp_path: Path, engine: FakeEngine
) -> None:
    """The bot does not wait for the end of the block."""
    discord.faults.next("GET", "/gateway", Fault(status=403))
    error = await end_of(settings_for(discord, tmp_path), engine)
    assert error.exit is ExitCode.DISCORD_UNREACHABLE
    assert "Cloudflare blocks this machine's address" in str(error)


@pytest.mark.parametrize(
    ("code", "exit", "sentence"),
    [
        (4004, ExitCode.TOKEN_REFUSED, "it was reset"),
        (4010, ExitCode.GATEWAY_REFUSED, "shard"),
        (4011, ExitCode.GATEWAY_REFUSED, "too many servers"),
        (4012, ExitCode.GATEWAY_REFUSED, "Update discord.py"),
        (4013, ExitCode.GATEWAY_REFUSED, "intents"),
        (4014, ExitCode.GATEWAY_REFUSED, "privileged intent"),
    ],
)
async def test_a_final_close_code_has_a_sentence(
    discord: Playground,
    tmp_path: Path,
    engine: FakeEngine,
    code: int,
    exit: ExitCode,
    sentence: str,
) -> None:
    """It has an exit code for the supervisor of the process too."""
    ending = asyncio.create_task(end_of(settings_for(discord, tmp_path), engine))
    await discord.ready()
    discord.sockets.close(code)
    error = await ending
    assert error.exit is exit
    assert sentence in str(error)


async def test_a_final_close_code_before_the_greeting_has_its_sentence(
    discord: Playground, tmp_path: Path, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Discord refuses an old version of the gateway at once."""
    monkeypatch.setattr("discord.http.INTERNAL_API_VERSION", 5)
    error = await end_of(settings_for(discord, tmp_path), engine)
    assert error.exit is ExitCode.GATEWAY_REFUSED
    assert "Update discord.py" in str(error)


@pytest.mark.parametrize("code", [1000, 4000, 4007, 4009])
async def test_other_close_codes_reconnect(harness: BotHarness, code: int) -> None:
    """The bot continues after them."""
    harness.discord.sockets.close(code)
    await harness.discord.until(lambda: not harness.discord.online, why="the disconnection")
    await harness.discord.ready()
    assert (await harness.imagine()).attachments


@pytest.mark.timeout(120)
async def test_a_sick_host_of_sessions_is_left(harness: BotHarness) -> None:
    """The bot starts a new session if the host for resuming does not respond."""
    harness.discord.sockets.resume_unavailable = True
    harness.discord.sockets.reconnect()
    await harness.discord.until(lambda: not harness.discord.online, why="the disconnection")
    await harness.discord.ready(timeout=90)
    assert (await harness.imagine()).attachments


async def test_connections_use_the_proxy(tmp_path: Path, engine: FakeEngine) -> None:
    """These are REST and gateway; the host has no address on this machine."""
    async with Playground(port=0) as discord:
        url = yarl.URL(discord.url)
        async with http_proxy(url.port or 0) as proxy:
            settings = settings_for(discord, tmp_path)
            settings.discord_api = str(yarl.URL(discord.api).with_host(HOST))
            settings.https_proxy = proxy.url
            stop = asyncio.Event()
            bot = asyncio.create_task(run(settings, stop, launch=engine.launch))
            await discord.ready()
            interaction = await discord.person("Ada").slash("imagine", prompt="a house")
            await discord.until(
                lambda: interaction.response and interaction.response.attachments, why="a grid"
            )
            stop.set()
            await bot
            assert any(f"GET http://{HOST}" in request for request in proxy.requests)
            assert any("/gateway?" in request for request in proxy.requests)


@pytest.mark.parametrize(
    ("url", "no_proxy", "is_used"),
    [
        ("https://discord.com/api/v10", "", True),
        ("https://discord.com/api/v10", "example.com", True),
        ("https://discord.com/api/v10", "example.com, discord.com", False),
        ("https://discord.com/api/v10", "*", False),
        ("http://127.0.0.1:8765/api/v10", "", False),
        ("http://localhost:8765/api/v10", "", False),
    ],
)
def test_no_proxy_lists_hosts_without_proxy(url: str, no_proxy: str, is_used: bool) -> None:
    """The loopback interface never needs a proxy."""
    settings = Settings(
        _env_file=None,  # type: ignore[call-arg]
        https_proxy="http://proxy:3128",
        no_proxy=no_proxy,
    )
    assert settings.proxy_for(url) == ("http://proxy:3128" if is_used else None)


def test_a_socks_proxy_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """aiohttp would ignore it silently."""
    monkeypatch.setenv("HTTPS_PROXY", "socks5://proxy:1080")
    with pytest.raises(ValueError, match="https_proxy"):
        Settings(_env_file=None)  # type: ignore[call-arg]


async def test_the_bot_works_after_minutes_without_a_connection(harness: BotHarness) -> None:
    """Its session has ended, and a new one begins."""
    harness.discord.sockets.drop()
    await harness.discord.until(lambda: not harness.discord.online, why="the connection is cut")
    harness.discord.clock.advance(10 * 60)
    await harness.discord.until(lambda: harness.discord.online, why="the bot is back")
    harness.clock_offset = 10 * 60
    await harness.imagine()
