"""The bot's pictures fit into the upload limit of the interaction, or of the channel."""

from pathlib import Path

import discord
import pytest
from PIL import Image

from bot.domain.job import ResponseTarget
from bot.messages.upload_limits import BYTES_LIMIT, REQUEST_LIMIT, UploadLimits
from bot.playground import Message, Playground
from engine.contract import Recipe
from tests import fake_engine
from tests.bot_harness import BotHarness
from tests.playground_bot import PlaygroundBot
from tests.test_reactions import reply_to

LIMIT = 20_000  # more than one noisy picture, and less than a lossless grid of four


def noise(recipe: Recipe) -> bytes:
    """The PNG of a picture that compresses poorly."""
    return fake_engine.png(Image.effect_noise((recipe.width, recipe.height), 90).convert("RGB"))


@pytest.fixture(autouse=True)
def _noisy_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fake_engine, "flat", noise)


def files(message: Message) -> list[str]:
    """The file extensions of a message."""
    return [Path(attachment.filename).suffix for attachment in message.attachments]


async def test_a_grid_fits_a_lower_limit(harness: BotHarness) -> None:
    """Discord says the limit in the interaction; it holds for replies to reactions as well."""
    harness.discord.world.file_limit = LIMIT
    grid = await harness.imagine()
    assert files(grid) == [".webp"]
    assert len(grid.attachments[0].data) <= LIMIT
    assert grid.content.endswith("a PNG would exceed the 19.5 KiB of a file here.")
    single = await harness.result(await harness.ada.click(grid, "U1"))
    assert files(single) == [".png"]
    await harness.ada.react(single, "🔁")
    assert files(await reply_to(harness, single)) == [".webp"]


async def test_a_grid_uses_the_limit_of_the_user(harness: BotHarness) -> None:
    """A user with a subscription gets the lossless picture."""
    harness.discord.world.file_limit = LIMIT
    harness.ada.user.file_limit = 10 * LIMIT
    assert files(await harness.imagine()) == [".png"]
    assert files(await harness.imagine(harness.discord.person("Ben"))) == [".webp"]


async def test_a_grid_is_a_jpeg_if_no_lossless_file_fits(harness: BotHarness) -> None:
    """The message says that it has lost something, and its size if it is smaller."""
    harness.discord.world.file_limit = 12_000
    grid = await harness.imagine()
    assert files(grid) == [".jpg"]
    assert "Sent as JPEG of 102x102: " in grid.content
    assert grid.attachments[0].description == "4 pictures of: a red house"
    single = await harness.result(await harness.ada.click(grid, "U1"))
    assert files(single) == [".png"] and "Sent as" not in single.content


async def test_nothing_fits(harness: BotHarness) -> None:
    """A sentence says why there is no file; the buttons and the pictures stay."""
    harness.discord.world.file_limit = 500
    grid = await harness.imagine()
    assert files(grid) == [] and "U1" in grid.buttons
    assert grid.content.endswith("at most 0.488 KiB are allowed.")
    click = await harness.ada.click(grid, "U1")
    await harness.discord.until(
        lambda: any("0.488 KiB" in message.content for message in click.ephemerals), why="why"
    )
    harness.discord.world.file_limit = LIMIT
    assert files(await harness.result(await harness.ada.click(grid, "U2"))) == [".png"]


async def test_direct_messages_fit_too(harness: BotHarness) -> None:
    """Their limit is the lowest that Discord has announced as the default."""
    harness.discord.world.file_limit = 5000  # less than a PNG of one picture
    single = await harness.result(await harness.ada.click(await harness.imagine(), "U1"))
    assert files(single) == [".webp"]
    await harness.ada.react(single, "✉️")
    await harness.discord.until(lambda: harness.discord.dms(harness.ada), why="a direct message")
    (direct,) = harness.discord.dms(harness.ada)
    assert files(direct) == [".webp"] and "Sent as lossless WebP" in direct.content
    assert direct.attachments[0].description == "a red house"


async def test_the_limit_of_a_channel(playground: Playground, bot: PlaygroundBot) -> None:
    """It grows with the boosts of the server, up to what a request may contain."""
    limits = UploadLimits(bot)
    target = ResponseTarget(channel_id=playground.channel.id)
    direct = await bot.create_dm(discord.Object(playground.person("Ada").id))
    assert limits.limit(target) == BYTES_LIMIT
    playground.boost(playground.world.default_guild, 2)
    await playground.until(lambda: bot.guilds[0].premium_tier == 2)
    assert limits.limit(target) == REQUEST_LIMIT
    assert limits.limit(ResponseTarget(channel_id=direct.id)) == BYTES_LIMIT
