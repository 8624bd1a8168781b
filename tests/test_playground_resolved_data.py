"""User, channel and role options, and command permissions."""

from collections.abc import AsyncIterator
from typing import Any, cast

import discord
import pytest
from discord import app_commands

from bot.playground import (
    InvalidOption,
    NotPermitted,
    Permission,
    Playground,
    UnknownCommand,
)
from bot.playground.client.options import Value
from tests.playground_bot import PlaygroundBot, channel_of, start_bot

Json = dict[str, Any]
set_up = app_commands.Group(
    name="admin",
    description="For those who manage",
    default_permissions=discord.Permissions(manage_guild=True),
    guild_only=True,
)


@set_up.command(name="pick", description="Pick")
async def pick(
    interaction: discord.Interaction[PlaygroundBot],
    who: discord.Member | None = None,
    channel: discord.TextChannel | None = None,
    role: discord.Role | None = None,
    either: discord.Member | discord.Role | None = None,
) -> None:
    """Respond with the type and id of each value."""
    values = [value for value in (who, channel, role, either) if value is not None]
    lines = [f"{type(value).__name__} {value.id}" for value in values]
    await interaction.response.send_message(", ".join(lines) or "nothing")


@app_commands.command(name="show", description="Show")
async def show(interaction: discord.Interaction[PlaygroundBot], who: discord.User) -> None:
    """Respond with the type and id of the user."""
    await interaction.response.send_message(f"{type(who).__name__} {who.id}")


@app_commands.command(name="adults", description="For adults", nsfw=True)
async def adults(interaction: discord.Interaction[PlaygroundBot]) -> None:
    """Respond."""
    await interaction.response.send_message("adults")


@app_commands.command(name="owners", description="For administrators")
@app_commands.default_permissions()
async def owners(interaction: discord.Interaction[PlaygroundBot]) -> None:
    """Respond."""
    await interaction.response.send_message("owners")


@app_commands.context_menu(name="Look into")
@app_commands.default_permissions(manage_messages=True)
async def look_into(
    interaction: discord.Interaction[PlaygroundBot], message: discord.Message
) -> None:
    """Respond."""
    await interaction.response.send_message(message.content)


@pytest.fixture
async def bot(playground: Playground) -> AsyncIterator[PlaygroundBot]:
    """A bot with commands that need permissions."""
    async with start_bot(playground, set_up, show, adults, owners, look_into) as online:
        yield online


async def invoke_pick(playground: Playground, **values: Value) -> str:
    """Invoke /admin pick as an admin, and return the response."""
    interaction = await playground.person("Admin", admin=True).invoke("admin pick", values)
    message = await interaction.finished()
    assert message is not None
    return message.content


async def test_users_channels_and_roles_are_resolved(
    playground: Playground, bot: PlaygroundBot
) -> None:
    """discord.py resolves a member, a text channel and a role."""
    ada, painters = playground.person("Ada"), playground.add_role("Painters")
    text = await invoke_pick(playground, who=ada, channel=playground.restricted, role=painters)
    assert text == f"Member {ada.id}, TextChannel {playground.restricted.id}, Role {painters.id}"
    resolved = cast("Json", bot.interactions[-1].data)["resolved"]
    assert set(resolved) == {"users", "members", "channels", "roles"}
    assert resolved["channels"][str(playground.restricted.id)]["nsfw"] is True
    assert resolved["members"][str(ada.id)].keys().isdisjoint({"deaf", "mute"})
    assert await invoke_pick(playground, either=ada) == f"Member {ada.id}"
    assert await invoke_pick(playground, either=painters) == f"Role {painters.id}"


async def test_names_ids_and_mentions_are_resolved(
    playground: Playground, bot: PlaygroundBot
) -> None:
    """A user may type any of them instead of choosing from the list."""
    ada, painters = playground.person("Ada"), playground.add_role("Painters")
    for who in (ada.id, str(ada.id), "Ada", "@ada", f"<@{ada.id}>"):
        assert await invoke_pick(playground, who=who) == f"Member {ada.id}"
    for channel in ("after-dark", "#after-dark", f"<#{playground.restricted.id}>"):
        assert (
            await invoke_pick(playground, channel=channel)
            == f"TextChannel {playground.restricted.id}"
        )
    assert await invoke_pick(playground, role="@painters") == f"Role {painters.id}"


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"who": "Nobody"}, "who takes a user, not “Nobody”"),
        ({"channel": "nowhere"}, "channel takes a channel of this server"),
        ({"who": True}, "who takes a user, not “True”"),
        ({"role": "Ada"}, "role takes a role of this server"),
    ],
)
async def test_unknown_values_are_refused(
    playground: Playground, bot: PlaygroundBot, values: dict[str, Value], sentence: str
) -> None:
    """Each raises InvalidOption, and nothing is sent."""
    playground.person("Ada")
    with pytest.raises(InvalidOption, match=sentence):
        await playground.person("Admin", admin=True).invoke("admin pick", values)
    with pytest.raises(InvalidOption, match="prompt takes no user, channel or role"):
        await playground.person("Admin").slash("imagine", prompt=playground.channel)
    assert bot.interactions == []


async def test_a_thread_is_no_text_channel(playground: Playground, bot: PlaygroundBot) -> None:
    """An option with channel_types rejects other channels."""
    thread = playground.add_thread(playground.channel, "sketches")
    admin = playground.person("Admin", admin=True)
    with pytest.raises(InvalidOption, match="channel takes no channel like #sketches"):
        await admin.slash("admin pick", channel=thread)
    with pytest.raises(InvalidOption, match="a channel of this server"):
        await admin.slash("admin pick", channel=admin.dm)


async def test_a_person_who_is_no_member_is_a_user(
    playground: Playground, bot: PlaygroundBot
) -> None:
    """In DMs a user option resolves to a user."""
    ada = playground.person("Ada")
    interaction = await ada.slash("show", where=ada.dm, who=ada)
    message = await interaction.finished()
    assert message is not None
    assert message.content == f"User {ada.id}"


async def test_commands_need_permissions(playground: Playground, bot: PlaygroundBot) -> None:
    """Commands are hidden from users without `default_member_permissions`."""
    ada, mod = playground.person("Ada"), playground.person("Mod", moderator=True)
    for person in (ada, mod):
        with pytest.raises(UnknownCommand, match="no command called /admin pick here"):
            await person.slash("admin pick")
    message = await ada.say("x")
    with pytest.raises(UnknownCommand, match="no message command called Look into"):
        await ada.use("Look into", message)
    await (await mod.use("Look into", message)).acknowledged()
    with pytest.raises(UnknownCommand):
        await playground.person("Admin", admin=True).slash("owners")
    owner = playground.person("Owner")
    owner.give(playground.add_role("Owners", Permission.ADMINISTRATOR))
    for command in ("owners", "admin pick"):
        await (await owner.slash(command)).acknowledged()
    with pytest.raises(UnknownCommand, match="/admin pick here"):
        await owner.slash("admin pick", where=owner.dm)


async def test_nsfw_commands_need_an_age_restricted_channel(
    playground: Playground, bot: PlaygroundBot
) -> None:
    """An nsfw command is available only in age-restricted channels."""
    ada = playground.person("Ada")
    with pytest.raises(UnknownCommand):
        await ada.slash("adults")
    await (await ada.slash("adults", where=playground.restricted)).acknowledged()


async def test_roles_come_with_their_permissions(
    playground: Playground, bot: PlaygroundBot
) -> None:
    """An interaction has the member's roles and permissions, and those of the bot."""
    ada = playground.person("Ada")
    role = playground.add_role("Helpers", Permission.MANAGE_MESSAGES)
    ada.give(role)
    playground.channel.bot_permissions &= ~Permission.ATTACH_FILES
    await (await ada.slash("show", who=ada)).acknowledged()
    interaction = bot.interactions[-1]
    assert isinstance(interaction.user, discord.Member)
    assert [role.name for role in interaction.user.roles] == ["@everyone", "Helpers"]
    assert interaction.permissions.manage_messages
    assert not interaction.permissions.manage_guild
    assert not interaction.app_permissions.attach_files
    ada.take(role)
    await (await ada.slash("show", who=ada)).acknowledged()
    assert not bot.interactions[-1].permissions.manage_messages
    assert bot.guilds[0].get_role(role.id) is not None


async def test_guilds_are_separate(playground: Playground, bot: PlaygroundBot) -> None:
    """Guilds have separate channels, members and roles; users must join."""
    other_guild = playground.add_guild("Other")
    garden = playground.add_channel("garden", other_guild)
    ada = playground.person("Ada")
    await playground.until(lambda: bot.get_channel(garden.id), why="the bot knows the channel")
    assert {guild.name for guild in bot.guilds} == {"Playground", "Other"}
    with pytest.raises(NotPermitted, match="cannot enter #garden"):
        await ada.slash("show", where=garden, who=ada)
    with pytest.raises(NotPermitted, match="cannot enter #garden"):
        await ada.say("hello", where=garden)
    ada.join(other_guild, other_guild.admins)
    await (await ada.slash("admin pick", where=garden, who=ada)).acknowledged()
    assert bot.interactions[-1].guild_id == other_guild.id
    assert bot.interactions[-1].permissions.manage_guild
    with pytest.raises(InvalidOption, match="channel of this server"):
        await ada.slash("admin pick", where=garden, channel=playground.channel)
    with pytest.raises(UnknownCommand):
        await ada.slash("admin pick")
    bot_message = await bot.interactions[-1].original_response()
    assert bot_message.guild is not None
    assert bot_message.guild.name == "Other"


async def test_a_late_bot_receives_every_guild(playground: Playground) -> None:
    """A bot that connects later receives all guilds with roles and channels."""
    other_guild = playground.add_guild("Other")
    role = playground.add_role("Painters", Permission.MANAGE_MESSAGES, other_guild)
    async with start_bot(playground) as bot:
        guild = bot.get_guild(other_guild.id)
        assert guild is not None
        cached_role = guild.get_role(role.id)
        assert cached_role is not None
        assert cached_role.permissions.manage_messages
        assert [channel.name for channel in guild.text_channels] == ["general"]
        await channel_of(bot, playground).send("still at home")
        own_member = await guild.fetch_member(bot.application_id or 0)
        assert own_member.guild is guild
        with pytest.raises(discord.NotFound):
            await guild.fetch_member(playground.person("Ada").id)
