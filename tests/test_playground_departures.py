"""People who leave a server, are kicked or banned, in the local Discord."""

import discord
import pytest

from bot.playground import NotPermitted, Permission, Playground, PlaygroundError
from tests.playground_bot import INTENTS, PlaygroundBot, start_bot

MODERATION = discord.Intents(INTENTS.value)
MODERATION.moderation = True


async def test_a_member_who_leaves(playground: Playground) -> None:
    """With the intent GUILD_MEMBERS, discord.py gets GUILD_MEMBER_REMOVE."""
    intents = discord.Intents(INTENTS.value)
    intents.members = True
    playground.world.allowed_intents |= intents.value
    zoe, guild = playground.person("Zoe"), playground.world.default_guild
    async with start_bot(playground, intents=intents) as bot:
        removal = bot.loop.create_task(bot.wait_for("raw_member_remove", timeout=20))
        await playground.until(lambda: "raw_member_remove" in bot._listeners)
        playground.set_overwrite(playground.channel, zoe, deny=Permission.SEND_MESSAGES)
        zoe.leave(guild)
        event = await removal
        assert (event.user.id, event.guild_id) == (zoe.id, guild.id)
    assert playground.channel.overwrites == {}
    with pytest.raises(NotPermitted):
        await zoe.say("x")
    with pytest.raises(PlaygroundError):
        zoe.leave(guild)


async def test_a_ban(playground: Playground) -> None:
    """It removes the member and, if asked to, the messages; only after its end Zoe can return."""
    zoe, guild = playground.person("Zoe"), playground.world.default_guild
    names: list[str] = []
    playground.world.event_listeners.append(lambda event: names.append(event.name))
    message = await zoe.say("spam")
    names.clear()
    playground.ban(zoe, delete_messages=True)
    assert names == ["GUILD_BAN_ADD", "GUILD_MEMBER_REMOVE", "MESSAGE_DELETE_BULK"]
    assert message.deleted
    with pytest.raises(PlaygroundError):
        zoe.join(guild)
    with pytest.raises(PlaygroundError):
        playground.ban(zoe)
    playground.unban(zoe)
    with pytest.raises(PlaygroundError):
        playground.unban(zoe)
    zoe.join(guild)
    assert zoe.can_enter(playground.channel)


async def test_bans_need_their_intent(playground: Playground) -> None:
    """GUILD_BAN_ADD comes with GUILD_MODERATION alone."""
    async with start_bot(playground, intents=MODERATION) as bot:
        ban = bot.loop.create_task(bot.wait_for("member_ban", timeout=20))
        await playground.until(lambda: "member_ban" in bot._listeners)
        playground.ban(playground.person("Zoe"))
        _, user = await ban
        assert user.id == playground.person("Zoe").id


async def test_who_shares_no_guild_gets_no_dm(playground: Playground, bot: PlaygroundBot) -> None:
    """The message is refused with 50278; the owner of a guild cannot leave it."""
    zoe = playground.person("Zoe")
    dm = await bot.create_dm(discord.Object(zoe.id))
    await dm.send("hello")
    zoe.leave(playground.world.default_guild)
    with pytest.raises(discord.Forbidden) as error:
        await dm.send("hello")
    assert error.value.code == 50278
    playground.set_owner(playground.person("Ada"))
    with pytest.raises(PlaygroundError):
        playground.person("Ada").leave(playground.world.default_guild)
