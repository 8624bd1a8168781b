"""The limit of files by the boost tier of a guild, and in interactions."""

import discord
import pytest

from bot.playground import Playground
from tests.playground_bot import PlaygroundBot, channel_of, file

MIB = 1024 * 1024


@pytest.mark.parametrize(("tier", "limit"), [(0, 10), (1, 10), (2, 50), (3, 100)])
async def test_a_boosted_guild_takes_larger_files(
    playground: Playground, bot: PlaygroundBot, tier: int, limit: int
) -> None:
    """discord.py and the interaction know the same limit."""
    guild = bot.guilds[0]
    playground.boost(playground.world.default_guild, tier)
    await playground.until(lambda: guild.premium_tier == tier)
    await playground.person("Ada").slash("form")
    await playground.until(lambda: bot.interactions)
    assert bot.interactions[0].filesize_limit == guild.filesize_limit == limit * MIB


async def test_larger_files_are_refused(playground: Playground, bot: PlaygroundBot) -> None:
    """40005 for one byte more; other guilds and DM channels have the default limit."""
    world = playground.world
    world.file_limit = 1000
    playground.boost(world.default_guild, 2)
    await channel_of(bot, playground).send(file=file(data=bytes(26 * MIB)))
    other = bot.get_partial_messageable(playground.add_guild("Other").channel.id)
    direct = await bot.create_dm(discord.Object(playground.person("Ada").id))
    for channel in (other, direct):
        await channel.send(file=file(data=bytes(1000)))
        with pytest.raises(discord.HTTPException) as error:
            await channel.send(file=file(data=bytes(1001)))
        assert (error.value.status, error.value.code) == (413, 40005)


async def test_a_subscription_counts_in_responses(
    playground: Playground, bot: PlaygroundBot
) -> None:
    """The user's limit, not that of the channel, applies to the response."""
    playground.world.file_limit = 1000
    ada = playground.person("Ada")
    ada.user.file_limit = 2000
    await ada.slash("describe", model="starter")
    await playground.until(lambda: bot.interactions and playground.messages())
    interaction = bot.interactions[0]
    assert interaction.filesize_limit == 2000
    await interaction.edit_original_response(attachments=[file(data=bytes(2000))])
    with pytest.raises(discord.HTTPException) as error:
        await interaction.followup.send(file=file(data=bytes(2001)))
    assert error.value.code == 40005
    with pytest.raises(discord.HTTPException) as error:
        await channel_of(bot, playground).send(file=file(data=bytes(1001)))
    assert error.value.code == 40005
