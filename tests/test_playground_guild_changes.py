"""Changed and lost guilds, channels and roles, as discord.py sees them."""

import discord
import pytest

from bot.playground import Permission, Playground, PlaygroundError
from bot.playground.model.permissions import EVERYONE
from tests.playground_bot import PlaygroundBot


async def test_a_guild_that_removes_the_bot_is_gone(
    playground: Playground, bot: PlaygroundBot
) -> None:
    """It is no longer in the cache, its channels cannot be used, and no events come from it."""
    ada = playground.person("Ada")
    guild = playground.world.default_guild
    message = await ada.say("x")
    interaction = await ada.slash("imagine", prompt="x")
    await playground.until(lambda: interaction.response and interaction.response.buttons)
    playground.remove_bot(guild)
    await playground.until(lambda: not bot.guilds, why="the bot has no guild")
    with pytest.raises(discord.Forbidden) as forbidden:
        await bot.fetch_channel(playground.channel.id)
    assert forbidden.value.code == 50001
    with pytest.raises(discord.NotFound) as not_found:
        await bot.fetch_guild(guild.id)
    assert not_found.value.code == 10004
    with pytest.raises(discord.NotFound) as not_found:
        await bot.interactions[0].edit_original_response(content="late")
    assert not_found.value.code == 10015
    await ada.react(message, "🔁")
    await ada.react(await ada.say("y", where=ada.dm), "✉️")
    await playground.until(lambda: bot.reactions, why="the reaction in a DM")
    assert [str(event.emoji) for event in bot.reactions] == ["✉️"]


async def test_an_unavailable_guild_returns(playground: Playground, bot: PlaygroundBot) -> None:
    """During an outage its events do not come; afterwards GUILD_CREATE has what changed."""
    guild = playground.world.default_guild
    playground.set_available(guild, available=False)
    await playground.until(lambda: bot.guilds[0].unavailable, why="the outage")
    thread = playground.add_thread(playground.channel, "sketches")
    ada = playground.person("Ada")
    message = await ada.say("x")
    await ada.react(message, "🔁")
    playground.set_available(guild, available=True)
    await playground.until(lambda: not bot.guilds[0].unavailable, why="the end of the outage")
    assert bot.get_channel(thread.id)
    await ada.react(message, "✉️")
    await playground.until(lambda: bot.reactions)
    assert [str(event.emoji) for event in bot.reactions] == ["✉️"]


async def test_a_session_may_begin_during_an_outage(
    playground: Playground, bot: PlaygroundBot
) -> None:
    """READY lists the guild as unavailable, and GUILD_CREATE comes at its end."""
    other = playground.add_guild("Other")
    playground.set_available(other, available=False)
    playground.sockets.invalidate(resumable=False)
    await playground.until(lambda: len(bot.guilds) == 2 and bot.guilds[1].unavailable)
    playground.set_available(other, available=True)
    await playground.until(lambda: not bot.guilds[1].unavailable)
    assert bot.get_channel(other.channel.id)


async def test_channels_and_threads_change(playground: Playground, bot: PlaygroundBot) -> None:
    """Name and age restriction are updated in the cache; what is deleted is gone from it."""
    thread = playground.add_thread(playground.channel, "sketches")
    playground.edit_channel(playground.channel, name="gallery", nsfw=True)
    playground.edit_channel(thread, name="drawings")
    await playground.until(lambda: "drawings" in str(bot.get_channel(thread.id)))
    channel = bot.get_channel(playground.channel.id)
    assert isinstance(channel, discord.TextChannel)
    assert (channel.name, channel.is_nsfw()) == ("gallery", True)
    playground.delete_channel(thread)
    await playground.until(lambda: not bot.get_channel(thread.id))
    playground.delete_channel(playground.channel)
    await playground.until(lambda: not bot.get_channel(channel.id))


async def test_roles_and_those_of_the_bot_change(
    playground: Playground, bot: PlaygroundBot
) -> None:
    """What the bot may do follows its roles."""
    role = playground.add_role("Painters", Permission.MANAGE_MESSAGES)
    playground.set_bot_roles(role)
    guild = bot.guilds[0]
    await playground.until(lambda: guild.me.guild_permissions.manage_messages)
    playground.edit_role(role, EVERYONE)
    await playground.until(lambda: not guild.me.guild_permissions.manage_messages)
    playground.person("Ada").give(role)
    playground.delete_role(role)
    await playground.until(lambda: guild.get_role(role.id) is None)
    assert [role.name for role in guild.me.roles] == ["@everyone", "Imagine"]
    assert playground.world.default_guild.roles_of(playground.person("Ada").user) == []


def test_what_cannot_be_changed() -> None:
    """Discord's clients do not offer it."""
    playground = Playground(port=0)
    thread = playground.add_thread(playground.channel, "sketches")
    with pytest.raises(PlaygroundError, match="age restriction"):
        playground.edit_channel(thread, nsfw=True)
    guild = playground.world.default_guild
    for role in (guild.everyone, guild.applications):
        with pytest.raises(PlaygroundError, match="cannot be deleted"):
            playground.delete_role(role)
