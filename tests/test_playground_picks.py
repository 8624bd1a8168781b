"""Options that take people, channels and roles, and who may use which command."""

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
from tests.playground_bot import Easel, channel_of, easel

Json = dict[str, Any]
set_up = app_commands.Group(
    name="admin",
    description="For those who manage",
    default_permissions=discord.Permissions(manage_guild=True),
    guild_only=True,
)


@set_up.command(name="pick", description="Pick")
async def pick(
    interaction: discord.Interaction[Easel],
    who: discord.Member | None = None,
    channel: discord.TextChannel | None = None,
    role: discord.Role | None = None,
    either: discord.Member | discord.Role | None = None,
) -> None:
    """Say what was picked, and its type."""
    picked = [each for each in (who, channel, role, either) if each is not None]
    names = [f"{type(each).__name__} {each.id}" for each in picked]
    await interaction.response.send_message(", ".join(names) or "nothing")


@app_commands.command(name="show", description="Show")
async def show(interaction: discord.Interaction[Easel], who: discord.User) -> None:
    """Say who was picked."""
    await interaction.response.send_message(f"{type(who).__name__} {who.id}")


@app_commands.command(name="adults", description="For adults", nsfw=True)
async def adults(interaction: discord.Interaction[Easel]) -> None:
    """Say so."""
    await interaction.response.send_message("adults")


@app_commands.command(name="owners", description="For administrators")
@app_commands.default_permissions()
async def owners(interaction: discord.Interaction[Easel]) -> None:
    """Say so."""
    await interaction.response.send_message("owners")


@app_commands.context_menu(name="Look into")
@app_commands.default_permissions(manage_messages=True)
async def look_into(interaction: discord.Interaction[Easel], message: discord.Message) -> None:
    """Say so."""
    await interaction.response.send_message(message.content)


@pytest.fixture
async def bot(here: Playground) -> AsyncIterator[Easel]:
    """A bot with commands for some."""
    async with easel(here, set_up, show, adults, owners, look_into) as online:
        yield online


async def picked(here: Playground, **values: Value) -> str:
    """What the bot says that an admin picked."""
    asked = await here.person("Admin", admin=True).invoke("admin pick", values)
    message = await asked.finished()
    assert message is not None
    return message.content


async def test_picked_objects_arrive_as_what_they_are(here: Playground, bot: Easel) -> None:
    """discord.py makes a member, a text channel and a role of them."""
    ada, painters = here.person("Ada"), here.add_role("Painters")
    said = await picked(here, who=ada, channel=here.restricted, role=painters)
    assert said == f"Member {ada.id}, TextChannel {here.restricted.id}, Role {painters.id}"
    found = cast("Json", bot.asked[-1].data)["resolved"]
    assert set(found) == {"users", "members", "channels", "roles"}
    assert found["channels"][str(here.restricted.id)]["nsfw"] is True
    assert found["members"][str(ada.id)].keys().isdisjoint({"deaf", "mute"})
    assert await picked(here, either=ada) == f"Member {ada.id}"
    assert await picked(here, either=painters) == f"Role {painters.id}"


async def test_names_ids_and_mentions_pick_too(here: Playground, bot: Easel) -> None:
    """What a person types is found as their client finds it."""
    ada, painters = here.person("Ada"), here.add_role("Painters")
    for who in (ada.id, str(ada.id), "Ada", "@ada", f"<@{ada.id}>"):
        assert await picked(here, who=who) == f"Member {ada.id}"
    for channel in ("after-dark", "#after-dark", f"<#{here.restricted.id}>"):
        assert await picked(here, channel=channel) == f"TextChannel {here.restricted.id}"
    assert await picked(here, role="@painters") == f"Role {painters.id}"


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"who": "Nobody"}, "who takes a person, not “Nobody”"),
        ({"channel": "nowhere"}, "channel takes a channel of this server"),
        ({"who": True}, "who takes a person, not “True”"),
        ({"role": "Ada"}, "role takes a role of this server"),
    ],
)
async def test_what_is_not_there_cannot_be_picked(
    here: Playground, bot: Easel, values: dict[str, Value], sentence: str
) -> None:
    """The client says what the option takes; nothing is sent."""
    here.person("Ada")
    with pytest.raises(InvalidOption, match=sentence):
        await here.person("Admin", admin=True).invoke("admin pick", values)
    with pytest.raises(InvalidOption, match="prompt takes nothing that is picked"):
        await here.person("Admin").slash("imagine", prompt=here.channel)
    assert bot.asked == []


async def test_a_thread_is_no_text_channel(here: Playground, bot: Easel) -> None:
    """An option that names channel types takes only those."""
    thread = here.add_thread(here.channel, "sketches")
    admin = here.person("Admin", admin=True)
    with pytest.raises(InvalidOption, match="channel takes no channel like #sketches"):
        await admin.slash("admin pick", channel=thread)
    with pytest.raises(InvalidOption, match="a channel of this server"):
        await admin.slash("admin pick", channel=admin.dm)


async def test_a_person_who_is_no_member_is_a_user(here: Playground, bot: Easel) -> None:
    """In direct messages there are no members."""
    ada = here.person("Ada")
    asked = await ada.slash("show", where=ada.dm, who=ada)
    message = await asked.finished()
    assert message is not None
    assert message.content == f"User {ada.id}"


async def test_commands_are_for_those_who_may(here: Playground, bot: Easel) -> None:
    """A client does not offer what `default_member_permissions` keeps from a person."""
    ada, mod = here.person("Ada"), here.person("Mod", moderator=True)
    for person in (ada, mod):
        with pytest.raises(UnknownCommand, match="no command called /admin pick here"):
            await person.slash("admin pick")
    said = await ada.say("x")
    with pytest.raises(UnknownCommand, match="no message command called Look into"):
        await ada.use("Look into", said)
    await (await mod.use("Look into", said)).acknowledged()
    with pytest.raises(UnknownCommand):
        await here.person("Admin", admin=True).slash("owners")
    owner = here.person("Owner")
    owner.give(here.add_role("Owners", Permission.ADMINISTRATOR))
    for command in ("owners", "admin pick"):
        await (await owner.slash(command)).acknowledged()
    with pytest.raises(UnknownCommand, match="/admin pick here"):
        await owner.slash("admin pick", where=owner.dm)


async def test_commands_for_adults_have_their_places(here: Playground, bot: Easel) -> None:
    """A command marked nsfw is offered in age-restricted channels only."""
    ada = here.person("Ada")
    with pytest.raises(UnknownCommand):
        await ada.slash("adults")
    await (await ada.slash("adults", where=here.restricted)).acknowledged()


async def test_roles_come_with_their_permissions(here: Playground, bot: Easel) -> None:
    """An interaction tells its member's roles and what they may do, the bot's own too."""
    ada = here.person("Ada")
    role = here.add_role("Helpers", Permission.MANAGE_MESSAGES)
    ada.give(role)
    here.channel.bot_permissions &= ~Permission.ATTACH_FILES
    await (await ada.slash("show", who=ada)).acknowledged()
    asked = bot.asked[-1]
    assert isinstance(asked.user, discord.Member)
    assert [each.name for each in asked.user.roles] == ["@everyone", "Helpers"]
    assert asked.permissions.manage_messages
    assert not asked.permissions.manage_guild
    assert not asked.app_permissions.attach_files
    ada.take(role)
    await (await ada.slash("show", who=ada)).acknowledged()
    assert not bot.asked[-1].permissions.manage_messages
    assert bot.guilds[0].get_role(role.id) is not None


async def test_servers_are_apart(here: Playground, bot: Easel) -> None:
    """Another server has its own channels, members and roles, and nobody is in it unasked."""
    other = here.add_guild("Other")
    garden = here.add_channel("garden", other)
    ada = here.person("Ada")
    await here.until(lambda: bot.get_channel(garden.id), why="the bot knows the channel")
    assert {guild.name for guild in bot.guilds} == {"Playground", "Other"}
    with pytest.raises(NotPermitted, match="cannot enter #garden"):
        await ada.slash("show", where=garden, who=ada)
    with pytest.raises(NotPermitted, match="cannot enter #garden"):
        await ada.say("hello", where=garden)
    ada.join(other, other.admins)
    await (await ada.slash("admin pick", where=garden, who=ada)).acknowledged()
    assert bot.asked[-1].guild_id == other.id
    assert bot.asked[-1].permissions.manage_guild
    with pytest.raises(InvalidOption, match="channel of this server"):
        await ada.slash("admin pick", where=garden, channel=here.channel)
    with pytest.raises(UnknownCommand):
        await ada.slash("admin pick")
    sent = await bot.asked[-1].original_response()
    assert sent.guild is not None
    assert sent.guild.name == "Other"


async def test_a_late_bot_learns_of_every_server(here: Playground) -> None:
    """A bot that connects later is told of all servers, with their roles and channels."""
    other = here.add_guild("Other")
    role = here.add_role("Painters", Permission.MANAGE_MESSAGES, other)
    async with easel(here) as bot:
        guild = bot.get_guild(other.id)
        assert guild is not None
        known = guild.get_role(role.id)
        assert known is not None
        assert known.permissions.manage_messages
        assert [channel.name for channel in guild.text_channels] == ["general"]
        await channel_of(bot, here).send("still at home")
        mine = await guild.fetch_member(bot.application_id or 0)
        assert mine.guild is guild
        with pytest.raises(discord.NotFound):
            await guild.fetch_member(here.person("Ada").id)
