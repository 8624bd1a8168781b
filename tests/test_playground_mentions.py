"""Mentions of users, roles and everyone, by text, `allowed_mentions` and permission."""

import discord
import pytest
from discord import app_commands

from bot.playground import Permission, Playground
from tests.playground_bot import PlaygroundBot, channel_of, start_bot
from tests.playground_http import Http

ALL = discord.AllowedMentions.all()


@pytest.mark.parametrize("text", ["@everyone look", "@here look"])
async def test_everyone_needs_the_permission(
    playground: Playground, bot: PlaygroundBot, text: str
) -> None:
    """Without MENTION_EVERYONE, @everyone and @here are plain text, for the bot and for users."""
    channel = channel_of(bot, playground)
    message = await channel.send(text, allowed_mentions=ALL)
    assert not message.mention_everyone
    await playground.person("Ada").say(text)
    assert [message.pings for message in playground.messages()] == [frozenset()] * 2
    playground.channel.bot_permissions |= Permission.MENTION_EVERYONE
    assert (await channel.send(text, allowed_mentions=ALL)).mention_everyone
    await playground.person("Mod", moderator=True).say(text)
    pings = [message.pings for message in playground.messages()[2:]]
    assert pings == [frozenset({"everyone"})] * 2


async def test_roles_are_mentioned(playground: Playground, bot: PlaygroundBot) -> None:
    """Everybody can mention a mentionable role; other roles need MENTION_EVERYONE."""
    channel = channel_of(bot, playground)
    open_role = playground.add_role("Painters", mentionable=True)
    closed_role = playground.add_role("Owners")
    await playground.until(lambda: bot.guilds[0].get_role(closed_role.id))
    text = f"<@&{open_role.id}> <@&{closed_role.id}> <@&{playground.guild_id}> <@&5>"
    message = await channel.send(text, allowed_mentions=ALL)
    assert [role.id for role in message.role_mentions] == [open_role.id]
    assert message.role_mentions[0].mentionable
    await playground.person("Mod", moderator=True).say(text)
    assert playground.messages()[-1].pings == {"Painters", "Owners"}
    for allowed in (discord.AllowedMentions.none(), discord.AllowedMentions(roles=[closed_role])):
        message = await channel.send(text, allowed_mentions=allowed)
        assert message.role_mentions == []
    allowed = discord.AllowedMentions(roles=[open_role])
    message = await channel.send(text, allowed_mentions=allowed)
    assert [role.id for role in message.role_mentions] == [open_role.id]


async def test_an_edit_resolves_the_mentions_again(playground: Playground, http: Http) -> None:
    """The message then has only the mentions of its new text."""
    ada, ben = playground.person("Ada"), playground.person("Ben")
    _, message = await http.post({"content": f"<@{ada.id}>"})
    assert [user["id"] for user in message["mentions"]] == [str(ada.id)]
    _, edited = await http.patch(message["id"], {"content": f"<@{ben.id}>"})
    assert [user["id"] for user in edited["mentions"]] == [str(ben.id)]


@app_commands.command(name="shout", description="Mention all")
@app_commands.describe(role="Which role")
async def shout(
    interaction: discord.Interaction[PlaygroundBot], role: discord.Role, allowed: bool
) -> None:
    """Respond with mentions."""
    text = f"@everyone {role.mention} {interaction.user.mention}"
    allowed_mentions = ALL if allowed else discord.utils.MISSING
    interaction.client._connection.allowed_mentions = None
    await interaction.response.send_message(text, allowed_mentions=allowed_mentions)


async def test_responses_mention_users_by_default(playground: Playground) -> None:
    """Everyone and roles need `allowed_mentions`, and the permissions of the bot."""
    ada, role = playground.person("Ada"), playground.add_role("Painters")
    async with start_bot(playground, shout):
        pings = []
        for permission in (0, Permission.MENTION_EVERYONE):
            playground.channel.bot_permissions |= permission
            for allowed in (False, True):
                interaction = await ada.slash("shout", role=role, allowed=allowed)
                message = await interaction.finished()
                assert message is not None
                pings.append(message.pings)
    assert pings == [{"Ada"}, {"Ada"}, {"Ada"}, {"Ada", "Painters", "everyone"}]
