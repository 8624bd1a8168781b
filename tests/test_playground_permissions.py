"""Permissions in the local Discord: roles, overwrites, the owner, and what they forbid."""

from typing import Any

import discord
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.playground import (
    Channel,
    ChannelType,
    NotPermitted,
    Permission,
    Playground,
    PlaygroundError,
    UnknownCommand,
    Upload,
)
from bot.playground.model.guild import Role, User
from bot.playground.model.permissions import ALL, NOTHING, Overwrite
from bot.playground.model.state import World
from bot.playground.rest.serializers.guilds import guild_create_json, member_json
from tests.playground_bot import PlaygroundBot, file, png
from tests.playground_http import Http

VOICE = discord.Permissions.voice().value
"""discord.py leaves these out in text channels."""
VOICE_CHANNELS = (ChannelType.VOICE, ChannelType.STAGE)
KINDS = (ChannelType.TEXT, ChannelType.ANNOUNCEMENT, ChannelType.FORUM, *VOICE_CHANNELS)
CLIENT = discord.Client(intents=discord.Intents.none())
permissions = st.one_of(
    st.sampled_from([Permission.VIEW_CHANNEL, Permission.SEND_MESSAGES, NOTHING]),
    st.integers(0, (1 << 53) - 1)
    .map(lambda bits: Permission(bits) & ALL)
    .map(lambda value: value & ~Permission.ADMINISTRATOR),
    st.sampled_from([Permission.ADMINISTRATOR, ALL & ~Permission.ADMINISTRATOR]),
)


@st.composite
def members(draw: st.DrawFn) -> tuple[World, User, Channel]:
    """A member of a guild with roles and overwrites, and a channel or thread."""
    world = World()
    guild, ada = world.default_guild, world.add_user("Ada")
    guild.everyone.permissions = draw(permissions)
    roles = [world.add_role(f"role {n}", draw(permissions)) for n in range(3)]
    guild.join(ada, *(role for role in roles if draw(st.booleans())))
    kind = draw(st.sampled_from(list(KINDS)))
    channel = world.add_channel("general", kind=kind)
    targets: list[Role | User] = [ada, *roles, guild.everyone]
    for target in draw(st.permutations(targets)):
        if draw(st.booleans()):
            channel.overwrites[target] = Overwrite(draw(permissions), draw(permissions))
    if draw(st.booleans()):
        guild.set_timeout(ada, world.clock.now() + draw(st.sampled_from([-600.0, 600.0])))
    if draw(st.integers(0, 9)) == 0:
        guild.owner_id = ada.id
    in_thread = kind not in VOICE_CHANNELS and draw(st.booleans())
    return world, ada, world.add_thread(channel, "sketches", ada) if in_thread else channel


@given(members())
def test_usable_permissions_equal_those_of_discord_py(case: tuple[World, User, Channel]) -> None:
    """For any roles, overwrites, timeouts and owners, in channels and threads."""
    world, user, channel = case
    data: Any = guild_create_json(world, world.default_guild)
    guild = discord.Guild(data=data, state=CLIENT._connection)
    member_data: Any = member_json(user, world.default_guild)
    member = discord.Member(data=member_data, guild=guild, state=CLIENT._connection)
    same_channel = guild.get_channel_or_thread(channel.id)
    assert same_channel is not None
    expected = same_channel.permissions_for(member).value
    ignored = 0 if channel.kind in VOICE_CHANNELS else VOICE
    assert int(channel.usable_permissions(user)) & ~ignored == expected & ~ignored


async def test_overwrites_apply_in_the_documented_order(playground: Playground) -> None:
    """That of @everyone, then those of roles together, where allowing wins, then the member's."""
    channel, ada = playground.channel, playground.person("Ada")
    everyone = playground.world.default_guild.everyone
    painters, muted = playground.add_role("Painters"), playground.add_role("Muted")
    ada.give(painters)
    ada.give(muted)

    def can_send() -> bool:
        return channel.allows(ada.user, Permission.SEND_MESSAGES)

    assert can_send()
    playground.set_overwrite(channel, everyone, deny=Permission.SEND_MESSAGES)
    assert not can_send()
    playground.set_overwrite(channel, painters, allow=Permission.SEND_MESSAGES)
    playground.set_overwrite(channel, muted, deny=Permission.SEND_MESSAGES)
    assert can_send()
    playground.set_overwrite(channel, ada, deny=Permission.SEND_MESSAGES)
    assert not can_send()
    playground.set_overwrite(channel, ada)
    assert can_send()


async def test_overwrites_reach_the_client(playground: Playground, bot: PlaygroundBot) -> None:
    """discord.py has the overwrites of roles and members, of each channel and of no thread."""
    ada, role = playground.person("Ada"), playground.add_role("Painters")
    playground.set_overwrite(playground.channel, role, allow=Permission.MANAGE_MESSAGES)
    playground.set_overwrite(playground.channel, ada, deny=Permission.ADD_REACTIONS)
    channel: Any = await bot.fetch_channel(playground.channel.id)
    overwrites = {target.id: tuple(item.pair()) for target, item in channel.overwrites.items()}
    allow = discord.Permissions(manage_messages=True)
    deny = discord.Permissions(add_reactions=True)
    nothing = discord.Permissions.none()
    assert overwrites == {role.id: (allow, nothing), ada.id: (nothing, deny)}


async def test_the_owner_has_all_permissions(playground: Playground, http: Http) -> None:
    """No overwrite restricts the owner, and the guild names the new one."""
    ada = playground.person("Ada")
    playground.set_overwrite(playground.channel, ada, deny=Permission.VIEW_CHANNEL)
    playground.set_owner(ada)
    assert playground.channel.usable_permissions(ada.user) == ALL
    _, guild = await http.call("GET", f"/guilds/{playground.guild_id}")
    assert guild["owner_id"] == str(ada.id)


async def test_a_bot_with_manage_roles_sets_overwrites(playground: Playground, http: Http) -> None:
    """Of what it has itself; an unknown overwrite is refused with 10009, a thread with 50024."""
    channel, ada = playground.channel, playground.person("Ada")
    path = f"/channels/{channel.id}/permissions"
    form = {"type": 1, "deny": int(Permission.SEND_MESSAGES)}
    status, body = await http.call("PUT", f"{path}/{ada.id}", json=form)
    assert (status, body["code"]) == (403, 50013)
    channel.bot_permissions |= Permission.MANAGE_ROLES
    assert await http.call("PUT", f"{path}/{ada.id}", json=form) == (204, None)
    assert channel.overwrites[ada.user] == Overwrite(deny=Permission.SEND_MESSAGES)
    form = {"type": 1, "deny": int(Permission.BAN_MEMBERS)}
    status, body = await http.call("PUT", f"{path}/{ada.id}", json=form)
    assert (status, body["code"]) == (403, 50013)
    status, body = await http.call("PUT", f"{path}/{ada.id}", json={"type": 0})
    assert (status, body["code"]) == (404, 10009)
    assert await http.call("DELETE", f"{path}/{ada.id}") == (204, None)
    status, body = await http.call("DELETE", f"{path}/{ada.id}")
    assert (status, body["code"]) == (404, 10009)
    thread = playground.add_thread(channel, "sketches")
    status, body = await http.call("DELETE", f"/channels/{thread.id}/permissions/{ada.id}")
    assert (status, body["code"]) == (400, 50024)


async def test_people_without_permissions(playground: Playground) -> None:
    """They do not see the channel, send messages or files, or add a new reaction."""
    ada, ben, channel = playground.person("Ada"), playground.person("Ben"), playground.channel
    message = await ben.say("hello")
    await ben.react(message, "🔁")
    playground.set_overwrite(channel, ada, deny=Permission.ADD_REACTIONS)
    await ada.react(message, "🔁")
    with pytest.raises(NotPermitted):
        await ada.react(message, "❌")
    playground.set_overwrite(channel, ada, deny=Permission.READ_MESSAGE_HISTORY)
    with pytest.raises(NotPermitted):
        await ada.react(message, "🔁")
    playground.set_overwrite(channel, ada, deny=Permission.ATTACH_FILES)
    await ada.say("x")
    with pytest.raises(NotPermitted):
        await ada.say("x", Upload("a.png", png()))
    playground.set_overwrite(channel, ada, deny=Permission.SEND_MESSAGES)
    await ada.say("x", where=playground.add_thread(channel, "sketches"))
    with pytest.raises(NotPermitted):
        await ada.say("x")
    playground.set_overwrite(channel, ada, deny=Permission.VIEW_CHANNEL)
    assert not ada.can_see(message)
    with pytest.raises(NotPermitted):
        await ada.slash("imagine", prompt="x")


async def test_what_a_role_denies_the_bot(playground: Playground, http: Http) -> None:
    """The overwrites of its roles count; without SEND_MESSAGES, files are refused in no thread."""
    role = playground.world.default_guild.applications
    playground.set_overwrite(playground.channel, role, deny=Permission.SEND_MESSAGES)
    status, body = await http.post({"content": "x"})
    assert (status, body["code"]) == (403, 50013)
    thread = playground.add_thread(playground.channel, "sketches")
    path = f"/channels/{thread.id}/messages"
    assert (await http.send("POST", path, {"content": "x"}, [png()]))[0] == 200
    playground.set_overwrite(playground.channel, role, deny=Permission.VIEW_CHANNEL)
    status, body = await http.call("GET", f"/channels/{thread.id}")
    assert (status, body["code"]) == (403, 50001)


async def test_no_messages_of_hidden_channels(playground: Playground, bot: PlaygroundBot) -> None:
    """The bot gets no events of messages and reactions in a channel that it cannot view."""
    ada, hidden = playground.person("Ada"), playground.restricted
    playground.set_bot_permissions(hidden, NOTHING)
    await ada.react(await ada.say("x", where=hidden), "🔁")
    await ada.react(await ada.say("y"), "❌")
    await playground.until(lambda: bot.reactions)
    assert [str(event.emoji) for event in bot.reactions] == ["❌"]


async def test_interactions_have_the_permissions_in_the_channel(
    playground: Playground, bot: PlaygroundBot
) -> None:
    """Those of the member and of the app, with the overwrites of the channel."""
    ada = playground.person("Ada")
    playground.set_overwrite(playground.channel, ada, allow=Permission.MANAGE_MESSAGES)
    playground.set_bot_permissions(playground.channel, Permission.VIEW_CHANNEL)
    await ada.slash("imagine", prompt="x")
    await playground.until(lambda: bot.interactions)
    [interaction] = bot.interactions
    assert interaction.permissions.manage_messages and interaction.permissions.send_messages
    assert interaction.app_permissions == discord.Permissions(view_channel=True)


async def test_a_member_who_is_timed_out(playground: Playground, bot: PlaygroundBot) -> None:
    """May read, but not write, react, use commands or buttons until it ends."""
    ada = playground.person("Ada")
    interaction = await ada.slash("imagine", prompt="x")
    await playground.until(lambda: interaction.response and interaction.response.buttons)
    message = interaction.response
    assert message is not None
    await playground.person("Ben").react(message, "🔁")
    playground.time_out(ada, 600)
    assert ada.can_see(message)
    for act in (
        lambda: ada.say("x"),
        lambda: ada.react(message, "🔁"),
        lambda: ada.click(message, "U1"),
    ):
        with pytest.raises(NotPermitted):
            await act()
    with pytest.raises(UnknownCommand):
        await ada.slash("imagine", prompt="x")
    await ada.say("x", where=ada.dm)
    playground.clock.advance(601)
    await ada.say("x")
    await ada.click(message, "U1")


async def test_administrators_cannot_be_timed_out(playground: Playground) -> None:
    """Nor can the owner; a timeout takes up to 28 days."""
    boss = playground.person("Zoe")
    boss.give(playground.add_role("Bosses", Permission.ADMINISTRATOR))
    with pytest.raises(PlaygroundError):
        playground.time_out(boss)
    playground.set_owner(playground.person("Ada"))
    with pytest.raises(PlaygroundError):
        playground.time_out(playground.person("Ada"))
    with pytest.raises(PlaygroundError):
        playground.time_out(playground.person("Ben"), 29 * 24 * 3600)


async def test_a_bot_that_is_timed_out(playground: Playground, bot: PlaygroundBot) -> None:
    """It may not send messages or add reactions, but still responds to interactions."""
    ada = playground.person("Ada")
    message = await ada.say("x")
    playground.time_out(None, 600)
    await playground.until(lambda: bot.guilds[0].me.is_timed_out())
    channel = bot.get_partial_messageable(playground.channel.id)
    for act in (
        lambda: channel.send("x"),
        lambda: channel.send(file=file()),
        lambda: channel.get_partial_message(message.id).add_reaction("🔁"),
    ):
        with pytest.raises(discord.Forbidden) as error:
            await act()
        assert error.value.code == 50013
    await channel.get_partial_message(message.id).fetch()
    interaction = await ada.slash("imagine", prompt="x")
    await playground.until(lambda: interaction.response and interaction.response.buttons)
    playground.time_out(None, 0)
    await channel.send("x")
