"""Who may use which command where, as the settings of a server decide."""

import discord
import pytest
from discord import app_commands

from bot.playground import (
    Channel,
    Guild,
    Permission,
    Person,
    Playground,
    PlaygroundError,
    Role,
    UnknownCommand,
)
from tests.playground_bot import PlaygroundBot, start_bot
from tests.playground_http import Http


@app_commands.command(name="tidy", description="Tidy up")
@app_commands.default_permissions(manage_messages=True)
async def tidy(interaction: discord.Interaction) -> None:
    """Never called."""


def can_use(person: Person, channel: Channel, command: str = "imagine") -> bool:
    """Whether the client shows a command."""
    return command in {item["name"] for item in person.available_commands(channel)}


async def test_people_who_may_not_use_a_command(playground: Playground, bot: PlaygroundBot) -> None:
    """They cannot send an interaction; the most specific setting decides."""
    ada, zoe, channel = playground.person("Ada"), playground.person("Zoe"), playground.channel
    everyone = playground.world.default_guild.everyone
    painters = playground.add_role("Painters")
    ada.give(painters)
    playground.set_command_permissions("imagine", {everyone: False})
    assert not can_use(ada, channel)
    with pytest.raises(UnknownCommand):
        await ada.slash("imagine", prompt="x")
    playground.set_command_permissions("imagine", {everyone: False, painters: True})
    assert can_use(ada, channel) and not can_use(zoe, channel)
    playground.set_command_permissions("imagine", {everyone: True, painters: True, ada: False})
    assert can_use(zoe, channel) and not can_use(ada, channel)
    assert can_use(ada, ada.dm) and bot.interactions == []


async def test_one_allowing_role_is_enough(playground: Playground, bot: PlaygroundBot) -> None:
    """Another role of the member that is denied the command does not count."""
    ada, channel = playground.person("Ada"), playground.channel
    painters, others = playground.add_role("Painters"), playground.add_role("Others")
    ada.give(others)
    playground.set_command_permissions("imagine", {painters: True, others: False})
    assert not can_use(ada, channel)
    ada.give(painters)
    assert can_use(ada, channel)


async def test_channels_and_the_whole_application(
    playground: Playground, bot: PlaygroundBot
) -> None:
    """Settings of a command precede those of the application; threads have those of the parent."""
    ada, channel, other = playground.person("Ada"), playground.channel, playground.restricted
    guild = playground.world.default_guild
    playground.set_command_permissions(None, {guild: False, other: True})
    assert not can_use(ada, channel) and can_use(ada, other)
    assert can_use(ada, playground.add_thread(other, "sketches"))
    playground.set_command_permissions("imagine", {channel: True})
    assert can_use(ada, channel) and not can_use(ada, channel, "form")
    playground.set_command_permissions(None, {ada: False})
    assert not can_use(ada, channel) and can_use(playground.person("Zoe"), channel)
    ada.give(playground.add_role("Bosses", Permission.ADMINISTRATOR))
    assert can_use(ada, channel)


async def test_default_permissions(playground: Playground) -> None:
    """They count in the channel, and until the command has settings of its own."""
    async with start_bot(playground, tidy):
        ada, channel = playground.person("Ada"), playground.channel
        mod = playground.person("Mod", moderator=True)
        assert can_use(mod, channel, "tidy") and not can_use(ada, channel, "tidy")
        playground.set_overwrite(channel, ada, allow=Permission.MANAGE_MESSAGES)
        assert can_use(ada, channel, "tidy") and not can_use(ada, playground.restricted, "tidy")
        playground.set_command_permissions("tidy", {playground.person("Zoe"): True})
        assert can_use(playground.person("Zoe"), channel, "tidy")
        playground.set_overwrite(channel, mod, deny=Permission.USE_APPLICATION_COMMANDS)
        assert not can_use(mod, channel, "tidy")


async def test_a_bot_reads_the_settings(playground: Playground, bot: PlaygroundBot) -> None:
    """It gets an event of each change, and fetches them; unset ones are refused with 10066."""
    guild, zoe = bot.guilds[0], playground.person("Zoe")
    command = next(c for c in await bot.tree.fetch_commands() if c.name == "imagine")
    with pytest.raises(discord.NotFound) as error:
        await command.fetch_permissions(guild)
    assert error.value.code == 10066
    event = bot.loop.create_task(bot.wait_for("raw_app_command_permissions_update", timeout=20))
    await playground.until(lambda: "raw_app_command_permissions_update" in bot._listeners)
    playground.set_command_permissions("imagine", {zoe: False, playground.channel: True})
    assert (await event).target_id == command.id
    settings = await command.fetch_permissions(guild)
    expected = [(zoe.id, False), (playground.channel.id, True)]
    assert [(item.id, item.permission) for item in settings.permissions] == expected


async def test_a_bot_cannot_change_the_settings(playground: Playground, http: Http) -> None:
    """That takes the access token of a member: 20001. A command has at most 100 settings."""
    base = f"/applications/{playground.world.bot.id}/guilds/{playground.guild_id}/commands"
    assert await http.call("GET", f"{base}/permissions") == (200, [])
    playground.set_command_permissions(None, {playground.channel: True})
    status, [settings] = await http.call("GET", f"{base}/permissions")
    assert (status, settings["id"]) == (200, str(playground.world.bot.id))
    status, body = await http.call("PUT", f"{base}/1/permissions", json={"permissions": []})
    assert (status, body["code"]) == (403, 20001)
    roles: dict[Role | Person | Channel | Guild, bool] = {
        playground.add_role(f"role {n}"): True for n in range(101)
    }
    with pytest.raises(PlaygroundError):
        playground.set_command_permissions(None, roles)
