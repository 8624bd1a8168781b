"""Starting and stopping the whole bot: errors that prevent a start, and a clean shutdown."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from pydantic import SecretStr

from bot.app import run
from bot.db import migrations
from bot.engine_client.socket_client import Endpoint
from bot.errors import ExitCode, FatalError
from bot.playground import Playground
from bot.settings import Settings
from tests.bot_harness import BotHarness, connected_event, settings_for
from tests.fake_engine import FakeEngine


async def start_error(settings: Settings, engine: FakeEngine) -> FatalError:
    """The error of a bot that does not start with these settings."""
    with pytest.raises(FatalError) as exc_info:
        async with asyncio.timeout(30):
            await run(settings, asyncio.Event(), launch=engine.launch)
    return exc_info.value


async def test_a_used_playground_port_is_an_error(tmp_path: Path, engine: FakeEngine) -> None:
    """The error names the port and the setting."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        settings = Settings(
            _env_file=None,  # type: ignore[call-arg]
            discord_token=None,
            imagine_data=tmp_path,
            imagine_playground_port=port,
        )
        error = await start_error(settings, engine)
    assert error.exit is ExitCode.PORT_TAKEN
    assert str(port) in str(error) and "IMAGINE_PLAYGROUND_PORT" in str(error)


async def test_a_rejected_token_is_an_error(
    discord: Playground, tmp_path: Path, engine: FakeEngine
) -> None:
    """The error says where to get a token, and does not contain the rejected one."""
    settings = settings_for(discord, tmp_path)
    settings.discord_token = SecretStr("MTEw.x.y")
    error = await start_error(settings, engine)
    assert error.exit is ExitCode.TOKEN_REFUSED
    assert "DISCORD_TOKEN" in str(error) and "MTEw.x.y" not in str(error)


async def test_an_unreachable_discord_is_an_error(
    discord: Playground, tmp_path: Path, engine: FakeEngine
) -> None:
    """The engine is not started."""
    settings = settings_for(discord, tmp_path)
    settings.discord_api = "http://127.0.0.1:9/api/v10"
    error = await start_error(settings, engine)
    assert error.exit is ExitCode.DISCORD_UNREACHABLE
    assert engine.starts == 0


async def test_a_server_that_is_not_discord_is_an_error(
    discord: Playground, tmp_path: Path, engine: FakeEngine
) -> None:
    """An example is a web server that does not know the path."""
    settings = settings_for(discord, tmp_path)
    settings.discord_api = f"{discord.url}/nothing/here"
    assert (await start_error(settings, engine)).exit is ExitCode.DISCORD_UNREACHABLE


async def test_the_first_request_has_a_bots_user_agent(tmp_path: Path, engine: FakeEngine) -> None:
    """Discord blocks requests with any other user agent."""
    agents: list[str] = []

    async def gateway(request: web.Request) -> web.Response:
        agents.append(request.headers["User-Agent"])
        return web.json_response({})

    app = web.Application()
    app.router.add_get("/gateway", gateway)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    settings = Settings(
        _env_file=None,  # type: ignore[call-arg]
        discord_token=SecretStr("MTEw.x.y"),
        discord_api=f"http://127.0.0.1:{runner.addresses[0][1]}",
        imagine_data=tmp_path,
    )
    assert (await start_error(settings, engine)).exit is ExitCode.DISCORD_UNREACHABLE
    await runner.cleanup()
    assert len(agents) == 1 and agents[0].startswith("DiscordBot (https://")


async def test_a_failed_engine_start_is_an_error(
    discord: Playground, tmp_path: Path, engine: FakeEngine
) -> None:
    """The error has the engine's reason."""
    engine.start_error = "There is no model called moon."
    error = await start_error(settings_for(discord, tmp_path), engine)
    assert error.exit is ExitCode.ENGINE_FAILED
    assert "There is no model called moon." in str(error)


async def test_a_bot_can_be_stopped_while_its_engine_starts(
    discord: Playground, tmp_path: Path
) -> None:
    """The bot does not wait for a slow model, and leaves no process behind."""
    starting, stopped, stop = asyncio.Event(), asyncio.Event(), asyncio.Event()

    @asynccontextmanager
    async def slow() -> AsyncIterator[Endpoint]:
        try:
            starting.set()
            await asyncio.sleep(60)
            yield Endpoint("127.0.0.1", 9, "never")
        finally:
            stopped.set()

    bot = asyncio.create_task(run(settings_for(discord, tmp_path), stop, launch=slow))
    async with asyncio.timeout(10):
        await starting.wait()
        stop.set()
        await bot
    assert stopped.is_set()


async def test_a_second_bot_on_the_same_folder_is_refused(harness: BotHarness) -> None:
    """The first bot keeps running."""
    error = await start_error(settings_for(harness.discord, harness.data), harness.engine)
    assert error.exit is ExitCode.DATA_IN_USE
    assert (await harness.imagine()).attachments


async def test_without_a_token_there_is_a_playground(
    tmp_path: Path, engine: FakeEngine, capsys: pytest.CaptureFixture[str]
) -> None:
    """The bot prints its URL and how to get a token."""
    settings = Settings(
        _env_file=None,  # type: ignore[call-arg]
        discord_token=None,
        imagine_data=tmp_path,
        imagine_playground_port=0,
    )
    stop = asyncio.Event()
    with connected_event() as is_connected:
        bot = asyncio.create_task(run(settings, stop, launch=engine.launch))
        async with asyncio.timeout(60):
            await is_connected.wait()
    stop.set()
    await bot
    output = capsys.readouterr().out
    assert "http://127.0.0.1:" in output
    assert "discord.com/developers/applications" in output
    assert "DISCORD_TOKEN" in output


async def test_a_stopped_bot_releases_the_data_folder(harness: BotHarness) -> None:
    """The lock is free."""
    await harness.stop()
    with migrations.data_folder_lock(harness.data):
        pass
    await harness.start()
