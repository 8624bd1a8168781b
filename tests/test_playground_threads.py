"""Threads on the local Discord, as the real discord.py sees them."""

from collections.abc import AsyncIterator
from typing import Any, cast

import discord
import pytest
from discord import app_commands

from bot.playground import Permission, Playground, PlaygroundError, UnknownCommand, Upload
from tests.playground_bot import Easel, easel, file, png
from tests.playground_http import Http

Json = dict[str, Any]


@app_commands.command(name="where", description="Where am I?")
async def where(
    interaction: discord.Interaction[Easel], channel: app_commands.AppCommandThread | None = None
) -> None:
    """Say in which thread of which channel."""
    thread = channel.resolve() if channel else interaction.channel
    assert isinstance(thread, discord.Thread)
    await interaction.response.send_message(f"{thread.name} in {thread.parent}")


@app_commands.command(name="adults", description="For adults", nsfw=True)
async def adults(interaction: discord.Interaction[Easel]) -> None:
    """Say whether the place is for adults."""
    assert isinstance(interaction.channel, discord.Thread)
    await interaction.response.send_message(str(interaction.channel.is_nsfw()))


@pytest.fixture
async def bot(here: Playground) -> AsyncIterator[Easel]:
    """A bot that says where it is."""
    async with easel(here, where, adults) as online:
        yield online


async def thread_of(bot: Easel, id: int) -> discord.Thread:
    """The thread as the bot knows it."""
    thread = bot.get_channel(id)
    assert isinstance(thread, discord.Thread)
    return thread


async def test_a_bot_learns_of_new_threads_and_of_old_ones(here: Playground) -> None:
    """Threads come with the guild, and with THREAD_CREATE later; each knows its parent."""
    ada = here.person("Ada")
    early = here.add_thread(here.channel, "early", by=ada)
    async with easel(here) as bot:
        late = here.add_thread(here.restricted, "late")
        await here.until(lambda: bot.get_channel(late.id), why="the bot knows the thread")
        known = [await thread_of(bot, thread.id) for thread in (early, late)]
        assert [str(thread.parent) for thread in known] == ["general", "after-dark"]
        assert [thread.is_nsfw() for thread in known] == [False, True]
        assert known[0].owner_id == ada.id
        assert bot.guilds[0].text_channels[0].threads == [known[0]]


async def test_a_command_used_in_a_thread_is_told_so(here: Playground, bot: Easel) -> None:
    """The interaction's partial channel is a thread with a parent, and no age restriction."""
    told: list[Json] = []
    here.world.event_listeners.append(lambda event: told.append(event.data))
    thread = here.add_thread(here.restricted, "sketches")
    asked = await here.person("Ada").slash("where", where=thread)
    message = await asked.finished()
    assert message is not None
    assert message.content == "sketches in after-dark"
    assert here.messages(thread) == [message]
    assert here.messages(here.restricted) == []
    channel = next(data["channel"] for data in told if "channel" in data)
    assert (channel["type"], channel["parent_id"]) == (11, str(here.restricted.id))
    assert "nsfw" not in channel


async def test_a_thread_takes_messages_edits_and_files(here: Playground, bot: Easel) -> None:
    """What works in a channel works in its threads: commands, files, buttons, reactions."""
    thread = here.add_thread(here.channel, "sketches")
    ada = here.person("Ada")
    asked = await ada.slash("imagine", where=thread, prompt="x", sketch=Upload("a.png", png()))
    await here.until(lambda: asked.response and asked.response.buttons)
    assert asked.response is not None
    pressed = await ada.click(asked.response, "U1")
    await pressed.finished()
    await ada.react(asked.response, "🔁")
    await here.until(lambda: bot.reactions)
    assert bot.reactions[0].channel_id == thread.id
    sent = await (await thread_of(bot, thread.id)).send("look", file=file())
    await sent.edit(content="changed")
    fetched = await (await thread_of(bot, thread.id)).fetch_message(sent.id)
    assert (fetched.content, len(fetched.attachments)) == ("changed", 1)
    assert here.violations == []


async def test_threads_are_picked_like_channels(here: Playground, bot: Easel) -> None:
    """An option that takes threads gets one with its parent."""
    thread = here.add_thread(here.channel, "sketches")
    asked = await here.person("Ada").slash("where", channel=thread)
    message = await asked.finished()
    assert message is not None
    assert message.content == "sketches in general"
    resolved = cast("Json", bot.asked[0].data)["resolved"]["channels"][str(thread.id)]
    assert resolved["parent_id"] == str(here.channel.id)


async def test_age_restriction_comes_from_the_parent(here: Playground, bot: Easel) -> None:
    """A command for adults is offered in threads of age-restricted channels only."""
    ada = here.person("Ada")
    asked = await ada.slash("adults", where=here.add_thread(here.restricted, "late"))
    message = await asked.finished()
    assert message is not None
    assert message.content == "True"
    with pytest.raises(UnknownCommand):
        await ada.slash("adults", where=here.add_thread(here.channel, "early"))


async def test_speaking_in_a_thread_has_its_own_permission(here: Playground, bot: Easel) -> None:
    """A bot may be allowed to write in a channel and not in its threads, and the reverse."""
    thread = here.add_thread(here.channel, "sketches")
    await here.until(lambda: bot.get_channel(thread.id))
    here.channel.bot_permissions &= ~Permission.SEND_MESSAGES
    await (await thread_of(bot, thread.id)).send("x")
    here.channel.bot_permissions &= ~Permission.SEND_MESSAGES_IN_THREADS
    with pytest.raises(discord.Forbidden) as refused:
        await (await thread_of(bot, thread.id)).send("x")
    assert refused.value.code == 50013
    here.channel.bot_permissions &= ~Permission.VIEW_CHANNEL
    with pytest.raises(discord.Forbidden) as hidden:
        await bot.fetch_channel(thread.id)
    assert hidden.value.code == 50001


async def test_a_thread_has_the_documented_shape(here: Playground, http: Http) -> None:
    """It is fetched like a channel, and is not among the guild's channels."""
    thread = here.add_thread(here.channel, "sketches")
    await here.person("Ada").say("hello", where=thread)
    status, made = await http.call("GET", f"/channels/{thread.id}")
    assert (status, made["type"], made["message_count"]) == (200, 11, 1)
    _, channels = await http.call("GET", f"/guilds/{here.guild}/channels")
    assert [channel["name"] for channel in channels] == ["general", "after-dark"]


def test_threads_stand_in_text_channels_only() -> None:
    """A thread in a thread or in direct messages is refused in words."""
    here = Playground(port=0)
    thread = here.add_thread(here.channel, "sketches")
    for place in (thread, here.person("Ada").dm):
        with pytest.raises(PlaygroundError, match="in a text channel"):
            here.add_thread(place, "deeper")
