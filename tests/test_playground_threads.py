"""Threads, as discord.py sees them."""

from collections.abc import AsyncIterator
from typing import Any, cast

import discord
import pytest
from discord import app_commands

from bot.playground import (
    NotPermitted,
    Permission,
    Playground,
    PlaygroundError,
    UnknownCommand,
    Upload,
)
from tests.playground_bot import PlaygroundBot, file, png, start_bot
from tests.playground_http import Http

Json = dict[str, Any]


@app_commands.command(name="where", description="Where am I?")
async def where(
    interaction: discord.Interaction[PlaygroundBot],
    channel: app_commands.AppCommandThread | None = None,
) -> None:
    """Respond with the names of the thread and its parent."""
    thread = channel.resolve() if channel else interaction.channel
    assert isinstance(thread, discord.Thread)
    await interaction.response.send_message(f"{thread.name} in {thread.parent}")


@app_commands.command(name="adults", description="For adults", nsfw=True)
async def adults(interaction: discord.Interaction[PlaygroundBot]) -> None:
    """Respond with whether the thread is age-restricted."""
    assert isinstance(interaction.channel, discord.Thread)
    await interaction.response.send_message(str(interaction.channel.is_nsfw()))


@pytest.fixture
async def bot(playground: Playground) -> AsyncIterator[PlaygroundBot]:
    """A bot with the commands /where and /adults."""
    async with start_bot(playground, where, adults) as online:
        yield online


async def thread_of(bot: PlaygroundBot, id: int) -> discord.Thread:
    """The thread in the bot's cache."""
    thread = bot.get_channel(id)
    assert isinstance(thread, discord.Thread)
    return thread


async def test_the_bot_receives_new_and_existing_threads(playground: Playground) -> None:
    """Threads are in GUILD_CREATE, and in THREAD_CREATE if created later."""
    ada = playground.person("Ada")
    early_thread = playground.add_thread(playground.channel, "early", owner=ada)
    async with start_bot(playground) as bot:
        late_thread = playground.add_thread(playground.restricted, "late")
        await playground.until(
            lambda: bot.get_channel(late_thread.id), why="the bot knows the thread"
        )
        threads = [await thread_of(bot, thread.id) for thread in (early_thread, late_thread)]
        assert [str(thread.parent) for thread in threads] == ["general", "after-dark"]
        assert [thread.is_nsfw() for thread in threads] == [False, True]
        assert threads[0].owner_id == ada.id
        assert bot.guilds[0].text_channels[0].threads == [threads[0]]


async def test_an_interaction_in_a_thread_has_the_thread_as_channel(
    playground: Playground, bot: PlaygroundBot
) -> None:
    """The interaction's channel is a thread with a parent and without `nsfw`."""
    events: list[Json] = []
    playground.world.event_listeners.append(lambda event: events.append(event.data))
    thread = playground.add_thread(playground.restricted, "sketches")
    interaction = await playground.person("Ada").slash("where", where=thread)
    message = await interaction.finished()
    assert message is not None
    assert message.content == "sketches in after-dark"
    assert playground.messages(thread) == [message]
    assert playground.messages(playground.restricted) == []
    channel = next(data["channel"] for data in events if "channel" in data)
    assert (channel["type"], channel["parent_id"]) == (11, str(playground.restricted.id))
    assert "nsfw" not in channel


async def test_a_thread_takes_messages_edits_and_files(
    playground: Playground, bot: PlaygroundBot
) -> None:
    """Commands, files, buttons and reactions work in threads."""
    thread = playground.add_thread(playground.channel, "sketches")
    ada = playground.person("Ada")
    interaction = await ada.slash(
        "imagine", where=thread, prompt="x", sketch=Upload("a.png", png())
    )
    await playground.until(lambda: interaction.response and interaction.response.buttons)
    assert interaction.response is not None
    click = await ada.click(interaction.response, "U1")
    await click.finished()
    await ada.react(interaction.response, "🔁")
    await playground.until(lambda: bot.reactions)
    assert bot.reactions[0].channel_id == thread.id
    bot_message = await (await thread_of(bot, thread.id)).send("look", file=file())
    await bot_message.edit(content="changed")
    current_message = await (await thread_of(bot, thread.id)).fetch_message(bot_message.id)
    assert (current_message.content, len(current_message.attachments)) == ("changed", 1)
    assert playground.violations == []


async def test_threads_can_be_values_of_channel_options(
    playground: Playground, bot: PlaygroundBot
) -> None:
    """A thread option resolves to a thread with its parent."""
    thread = playground.add_thread(playground.channel, "sketches")
    interaction = await playground.person("Ada").slash("where", channel=thread)
    message = await interaction.finished()
    assert message is not None
    assert message.content == "sketches in general"
    resolved = cast("Json", bot.interactions[0].data)["resolved"]["channels"][str(thread.id)]
    assert resolved["parent_id"] == str(playground.channel.id)


async def test_age_restriction_comes_from_the_parent(
    playground: Playground, bot: PlaygroundBot
) -> None:
    """An nsfw command is available only in threads of age-restricted channels."""
    ada = playground.person("Ada")
    interaction = await ada.slash(
        "adults", where=playground.add_thread(playground.restricted, "late")
    )
    message = await interaction.finished()
    assert message is not None
    assert message.content == "True"
    with pytest.raises(UnknownCommand):
        await ada.slash("adults", where=playground.add_thread(playground.channel, "early"))


async def test_sending_in_a_thread_has_its_own_permission(
    playground: Playground, bot: PlaygroundBot
) -> None:
    """Sending in threads needs SEND_MESSAGES_IN_THREADS, not SEND_MESSAGES."""
    thread = playground.add_thread(playground.channel, "sketches")
    await playground.until(lambda: bot.get_channel(thread.id))
    playground.channel.bot_permissions &= ~Permission.SEND_MESSAGES
    await (await thread_of(bot, thread.id)).send("x")
    playground.channel.bot_permissions &= ~Permission.SEND_MESSAGES_IN_THREADS
    with pytest.raises(discord.Forbidden) as error:
        await (await thread_of(bot, thread.id)).send("x")
    assert error.value.code == 50013
    playground.channel.bot_permissions &= ~Permission.VIEW_CHANNEL
    with pytest.raises(discord.Forbidden) as error:
        await bot.fetch_channel(thread.id)
    assert error.value.code == 50001


async def test_a_thread_has_the_documented_shape(playground: Playground, http: Http) -> None:
    """A thread is fetched like a channel, and is not in the guild's channel list."""
    thread = playground.add_thread(playground.channel, "sketches")
    await playground.person("Ada").say("hello", where=thread)
    status, body = await http.call("GET", f"/channels/{thread.id}")
    assert (status, body["type"], body["message_count"]) == (200, 11, 1)
    _, channels = await http.call("GET", f"/guilds/{playground.guild_id}/channels")
    assert [channel["name"] for channel in channels] == ["general", "after-dark"]


def test_threads_need_a_text_channel() -> None:
    """Creating a thread in a thread or DM channel raises PlaygroundError."""
    playground = Playground(port=0)
    thread = playground.add_thread(playground.channel, "sketches")
    for channel in (thread, playground.person("Ada").dm):
        with pytest.raises(PlaygroundError, match="in a text channel"):
            playground.add_thread(channel, "deeper")


async def test_a_message_of_a_user_opens_an_archived_thread(playground: Playground) -> None:
    """Only moderators may write in a locked one."""
    thread = playground.add_thread(playground.channel, "sketches")
    ada, mo = playground.person("Ada"), playground.person("Mo", moderator=True)
    playground.archive(thread)
    await ada.say("hello", where=thread)
    assert not thread.archived
    playground.archive(thread, locked=True)
    with pytest.raises(NotPermitted, match="MANAGE_THREADS"):
        await ada.say("hello", where=thread)
    assert thread.archived
    await mo.say("hello", where=thread)
    assert not thread.archived
