"""A client of another library on the local Discord: discord_js/client.mjs uses discord.js."""

import asyncio
import os
import shutil
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.playground import Message, Playground, Upload
from tests.openapi import OpenApi

FOLDER = Path(__file__).parent / "discord_js"
IS_INSTALLED = shutil.which("node") is not None and (FOLDER / "node_modules").is_dir()
pytestmark = pytest.mark.skipif(
    not IS_INSTALLED and "CI" not in os.environ,
    reason="needs Node.js, and `npm install` in tests/discord_js",
)


@pytest.fixture
async def client(playground: Playground, openapi: OpenApi | None) -> AsyncIterator[Playground]:
    """The local Discord with a connected discord.js client, whose requests are all valid."""
    assert IS_INSTALLED, "Node.js or discord.js is missing."
    api = playground.api.removesuffix("/v10")
    process = await asyncio.create_subprocess_exec(
        *("node", "client.mjs", api, playground.token), cwd=FOLDER, stdout=PIPE
    )
    assert process.stdout is not None
    async with asyncio.timeout(60):
        assert await process.stdout.readline() == b"ready\n"
    yield playground
    process.terminate()
    await process.wait()
    assert playground.violations == []
    if openapi is not None:  # discord.js sends this field when it edits, too
        openapi.problems[:] = [p for p in openapi.problems if "enforce_nonce" not in p]


async def draw(discord: Playground) -> Message:
    """The result of the command /draw."""
    ada = discord.person("Ada")
    interaction = await ada.slash("draw", prompt="a house", sketch=Upload("sketch.txt", b"x"))
    await discord.until(
        lambda: interaction.response and interaction.response.buttons, why="the buttons"
    )
    assert interaction.response is not None
    return interaction.response


async def test_a_command_is_answered_with_an_embed_and_a_file(client: Playground) -> None:
    """discord.js defers, uploads a file and edits the response."""
    message = await draw(client)
    assert message.content == "from sketch.txt"
    assert message.embeds[0]["title"] == "a house"
    assert [attachment.filename for attachment in message.attachments] == ["picture.txt"]
    assert message.buttons == ["Again", "Edit"]


async def test_select_menus_are_answered(client: Playground) -> None:
    """discord.js finds the chosen users in the resolved data of the interaction."""
    message, ada = await draw(client), client.person("Ada")
    await (await ada.choose(message, "style", "ink")).acknowledged()
    await client.until(lambda: message.content == "in ink", why="the edit")
    chosen = await ada.choose(message, "who", client.person("Eve"))
    await client.until(lambda: chosen.ephemerals, why="the ephemeral response")
    assert chosen.ephemerals[0].content == "chose eve"


async def test_a_modal_is_submitted(client: Playground) -> None:
    """discord.js reads the value of the text input."""
    message, ada = await draw(client), client.person("Ada")
    opened = await ada.click(message, "Edit")
    await opened.acknowledged()
    submitted = await ada.submit(opened, {"prompt": "a boat"})
    await client.until(lambda: submitted.response, why="the response")
    assert submitted.response is not None
    assert submitted.response.content == "edited to a boat"


async def test_a_deferred_update_is_followed_up(client: Playground) -> None:
    """discord.js sends an ephemeral followup, and edits the message in its channel."""
    message = await draw(client)
    click = await client.person("Ada").click(message, "Again")
    await client.until(lambda: click.ephemerals, why="the followup")
    await client.until(lambda: message.content == "once more", why="the edit")
