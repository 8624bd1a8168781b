"""Channels and threads of all types, as discord.py sees them."""

import discord
import pytest

from bot.playground import ChannelType, NotPermitted, Permission, Playground, PlaygroundError
from bot.playground.page.event_stream import channel_list
from tests.playground_bot import PlaygroundBot


@pytest.mark.parametrize(
    ("kind", "cls"),
    [
        (ChannelType.ANNOUNCEMENT, discord.TextChannel),
        (ChannelType.VOICE, discord.VoiceChannel),
        (ChannelType.STAGE, discord.StageChannel),
    ],
)
async def test_commands_in_channels_of_other_types(
    playground: Playground, bot: PlaygroundBot, kind: ChannelType, cls: type
) -> None:
    """They take commands and messages like text channels."""
    where = playground.add_channel("here", nsfw=True, kind=kind)
    interaction = await playground.person("Ada").slash("imagine", where=where, prompt="x")
    await playground.until(lambda: interaction.response and interaction.response.buttons)
    channel = bot.interactions[0].channel
    assert isinstance(channel, cls) and isinstance(channel, discord.abc.Messageable)
    assert isinstance(channel, discord.abc.GuildChannel) and int(channel.type.value) == kind
    assert isinstance(await bot.fetch_channel(where.id), cls)
    await channel.send("too")
    assert len(playground.messages(where)) == 2


@pytest.mark.parametrize(
    ("kind", "type"),
    [
        (ChannelType.FORUM, ChannelType.PUBLIC_THREAD),
        (ChannelType.MEDIA, ChannelType.PUBLIC_THREAD),
        (ChannelType.ANNOUNCEMENT, ChannelType.ANNOUNCEMENT_THREAD),
    ],
)
async def test_commands_in_posts_and_threads(
    playground: Playground, bot: PlaygroundBot, kind: ChannelType, type: ChannelType
) -> None:
    """A post is a thread whose parent is a forum or media channel."""
    parent = playground.add_channel("parent", nsfw=True, kind=kind)
    where = playground.add_thread(parent, "a post")
    interaction = await playground.person("Ada").slash("imagine", where=where, prompt="x")
    await playground.until(lambda: interaction.response and interaction.response.buttons)
    thread = bot.interactions[0].channel
    assert isinstance(thread, discord.Thread) and int(thread.type.value) == type
    assert thread.parent and thread.parent.id == parent.id and thread.is_nsfw()


async def test_a_forum_takes_no_messages(playground: Playground, bot: PlaygroundBot) -> None:
    """Neither of people nor of the bot (50008)."""
    forum = playground.add_channel("forum", kind=ChannelType.FORUM)
    with pytest.raises(NotPermitted, match="has posts"):
        await playground.person("Ada").slash("imagine", where=forum, prompt="x")
    with pytest.raises(discord.HTTPException) as error:
        await bot.get_partial_messageable(forum.id).send("x")
    assert error.value.code == 50008


async def test_a_private_thread_is_open_to_its_members(
    playground: Playground, bot: PlaygroundBot
) -> None:
    """Commands work in it, but the bot sees it only once it is a member."""
    ada, ben = playground.person("Ada"), playground.person("Ben")
    thread = playground.add_thread(playground.channel, "secret", owner=ada, private=True)
    interaction = await ada.slash("imagine", where=thread, prompt="x")
    await playground.until(lambda: interaction.response and interaction.response.buttons)
    assert bot.interactions[0].channel and bot.interactions[0].channel.type.value == 12
    with pytest.raises(NotPermitted):
        await ben.say("x", where=thread)
    with pytest.raises(discord.Forbidden) as error:
        await bot.fetch_channel(thread.id)
    assert error.value.code == 50001 and bot.get_channel(thread.id) is None
    assert "secret" not in [channel["name"] for channel in channel_list(playground.world, ben)]
    playground.add_to_thread(thread, ben)
    assert "secret" in [channel["name"] for channel in channel_list(playground.world, ben)]
    await ben.say("x", where=thread)
    playground.add_to_thread(thread)
    await playground.until(lambda: bot.get_channel(thread.id), why="the bot is in the thread")
    assert (await bot.get_partial_messageable(thread.id).send("x")).content == "x"


async def test_who_manages_threads_is_in_all_private_ones(
    playground: Playground, bot: PlaygroundBot
) -> None:
    """The bot, too."""
    thread = playground.add_thread(playground.channel, "secret", private=True)
    await playground.person("Mo", moderator=True).say("x", where=thread)
    permissions = playground.channel.bot_permissions | Permission.MANAGE_THREADS
    playground.set_bot_permissions(playground.channel, permissions)
    assert (await bot.fetch_channel(thread.id)).id == thread.id


@pytest.mark.parametrize("kind", [ChannelType.VOICE, ChannelType.STAGE])
def test_voice_channels_have_no_threads(kind: ChannelType) -> None:
    """Creating one raises PlaygroundError."""
    playground = Playground(port=0)
    with pytest.raises(PlaygroundError, match="in a text channel"):
        playground.add_thread(playground.add_channel("voice", kind=kind), "x")


def test_private_threads_are_in_text_channels() -> None:
    """Announcement and forum channels have only public ones."""
    playground = Playground(port=0)
    news = playground.add_channel("news", kind=ChannelType.ANNOUNCEMENT)
    with pytest.raises(PlaygroundError, match="Private threads"):
        playground.add_thread(news, "x", private=True)
