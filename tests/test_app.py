"""The composition root: what keeps the bot from starting, and what ends it."""

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
from tests.fake_engine import FakeEngine
from tests.house import House, settings_for


async def cannot_start(settings: Settings, engine: FakeEngine) -> FatalError:
    """Why a bot with these settings does not start."""
    with pytest.raises(FatalError) as caught:
        async with asyncio.timeout(30):
            await run(settings, asyncio.Event(), launch=engine.launch)
    return caught.value


async def test_a_taken_port_is_one_sentence(tmp_path: Path, engine: FakeEngine) -> None:
    """It names the port and the setting."""
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
        error = await cannot_start(settings, engine)
    assert error.exit is ExitCode.PORT_TAKEN
    assert str(port) in str(error) and "IMAGINE_PLAYGROUND_PORT" in str(error)


async def test_a_wrong_token_is_one_sentence(
    discord: Playground, tmp_path: Path, engine: FakeEngine
) -> None:
    """And says where the right one is."""
    settings = settings_for(discord, tmp_path)
    settings.discord_token = SecretStr("MTEw.x.y")
    error = await cannot_start(settings, engine)
    assert error.exit is ExitCode.TOKEN_REFUSED
    assert "DISCORD_TOKEN" in str(error) and "MTEw.x.y" not in str(error)


async def test_an_absent_discord_is_one_sentence(
    discord: Playground, tmp_path: Path, engine: FakeEngine
) -> None:
    """The engine is not even started for it."""
    settings = settings_for(discord, tmp_path)
    settings.discord_api = "http://127.0.0.1:9/api/v10"
    error = await cannot_start(settings, engine)
    assert error.exit is ExitCode.DISCORD_UNREACHABLE
    assert engine.starts == 0


async def test_what_is_no_discord_is_one_sentence(
    discord: Playground, tmp_path: Path, engine: FakeEngine
) -> None:
    """A web server of another kind."""
    settings = settings_for(discord, tmp_path)
    settings.discord_api = f"{discord.url}/nothing/here"
    assert (await cannot_start(settings, engine)).exit is ExitCode.DISCORD_UNREACHABLE


async def test_the_first_request_says_that_a_bot_asks(tmp_path: Path, engine: FakeEngine) -> None:
    """Discord lets nobody in who does not."""
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
    assert (await cannot_start(settings, engine)).exit is ExitCode.DISCORD_UNREACHABLE
    await runner.cleanup()
    assert len(agents) == 1 and agents[0].startswith("DiscordBot (https://")


async def test_an_engine_that_does_not_start_is_one_sentence(
    discord: Playground, tmp_path: Path, engine: FakeEngine
) -> None:
    """The engine's own."""
    engine.start_error = "There is no model called moon."
    error = await cannot_start(settings_for(discord, tmp_path), engine)
    assert error.exit is ExitCode.ENGINE_FAILED
    assert "There is no model called moon." in str(error)


async def test_a_bot_can_be_stopped_while_its_engine_starts(
    discord: Playground, tmp_path: Path
) -> None:
    """It does not wait for a model that takes its time, and leaves nothing behind."""
    asked, gone, stop = asyncio.Event(), asyncio.Event(), asyncio.Event()

    @asynccontextmanager
    async def slow() -> AsyncIterator[Endpoint]:
        try:
            asked.set()
            await asyncio.sleep(60)
            yield Endpoint("127.0.0.1", 9, "never")
        finally:
            gone.set()

    bot = asyncio.create_task(run(settings_for(discord, tmp_path), stop, launch=slow))
    async with asyncio.timeout(10):
        await asked.wait()
        stop.set()
        await bot
    assert gone.is_set()


async def test_a_second_bot_on_the_same_folder_is_refused(house: House) -> None:
    """The first goes on."""
    error = await cannot_start(settings_for(house.discord, house.data), house.engine)
    assert error.exit is ExitCode.DATA_IN_USE
    assert (await house.imagine()).attachments


async def test_without_a_token_there_is_a_playground(
    tmp_path: Path, engine: FakeEngine, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its address is printed, and how to get a token."""
    settings = Settings(
        _env_file=None,  # type: ignore[call-arg]
        discord_token=None,
        imagine_data=tmp_path,
        imagine_playground_port=0,
    )
    stop = asyncio.Event()
    bot = asyncio.create_task(run(settings, stop, launch=engine.launch))
    said = ""
    async with asyncio.timeout(20):
        while "DISCORD_TOKEN" not in said and not bot.done():
            await asyncio.sleep(0.05)
            said += capsys.readouterr().out
    await asyncio.sleep(0.5)
    stop.set()
    await bot
    assert "http://127.0.0.1:" in said
    assert "discord.com/developers/applications" in said


async def test_a_stopped_bot_leaves_the_folder_to_the_next(house: House) -> None:
    """Nothing is held."""
    await house.stop()
    with migrations.data_folder_lock(house.data):
        pass
    await house.start()
