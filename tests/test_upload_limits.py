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
    assert files(grid) == [".jpg"]
    assert len(grid.attachments[0].data) <= LIMIT
    single = await harness.result(await harness.ada.click(grid, "U1"))
    assert files(single) == [".png"]
    await harness.ada.react(single, "🔁")
    assert files(await reply_to(harness, single)) == [".jpg"]


async def test_a_grid_uses_the_limit_of_the_user(harness: BotHarness) -> None:
    """A user with a subscription gets the lossless picture."""
    harness.discord.world.file_limit = LIMIT
    harness.ada.user.file_limit = 10 * LIMIT
    assert files(await harness.imagine()) == [".png"]
    assert files(await harness.imagine(harness.discord.person("Ben"))) == [".jpg"]


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
