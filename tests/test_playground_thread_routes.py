"""Threads that the bot creates, joins, lists and deletes."""

from typing import Any

import discord
import pytest

from bot.playground import ChannelType, Playground
from bot.playground.model.permissions import MODERATOR, Permission
from tests.playground_bot import PlaygroundBot, channel_of
from tests.playground_forms import Rule, codes
from tests.playground_http import Http

Json = dict[str, Any]
ALLOWED = (
    MODERATOR
    | Permission.CREATE_PUBLIC_THREADS
    | Permission.CREATE_PRIVATE_THREADS
    | Permission.MANAGE_THREADS
)
LENGTH, CHOICES, HIGH = "BASE_TYPE_BAD_LENGTH", "BASE_TYPE_CHOICES", "NUMBER_TYPE_MAX"


@pytest.fixture(autouse=True)
def permissions(playground: Playground) -> None:
    """The bot may create and manage threads."""
    playground.set_bot_permissions(playground.channel, ALLOWED)


async def test_a_thread_starts_from_a_message(playground: Playground, bot: PlaygroundBot) -> None:
    """It has the id of the message, which refers to it; a message starts one thread."""
    channel = channel_of(bot, playground)
    message = await channel.send("x")
    thread = await message.create_thread(name="about x", auto_archive_duration=60)
    assert (thread.id, thread.parent, thread.auto_archive_duration) == (message.id, channel, 60)
    await thread.send("in the thread")
    fetched = await channel.fetch_message(message.id)
    assert (fetched.flags.has_thread, fetched.thread) == (True, thread)
    with pytest.raises(discord.HTTPException) as error:
        await message.create_thread(name="again")
    assert (error.value.status, error.value.code) == (400, 160004)


async def test_threads_without_messages(playground: Playground, bot: PlaygroundBot) -> None:
    """The type is private by default; all are in the list of active threads until archived."""
    channel = channel_of(bot, playground)
    private = await channel.create_thread(name="hidden", invitable=False, slowmode_delay=5)
    public = await channel.create_thread(name="open", type=discord.ChannelType.public_thread)
    assert (private.type, private.invitable) == (discord.ChannelType.private_thread, False)
    assert private.slowmode_delay == 5
    assert {thread.name for thread in await channel.guild.active_threads()} == {"hidden", "open"}
    await public.edit(archived=True)
    await private.edit(archived=True)
    assert [thread.name async for thread in channel.archived_threads()] == ["open"]
    for joined in (True, False):
        threads = channel.archived_threads(private=True, joined=joined)
        assert [thread.name async for thread in threads] == ["hidden"]
    await public.delete()
    await playground.until(lambda: bot.get_channel(public.id) is None, why="the deletion")
    assert playground.world.channels.get(public.id) is None


async def test_pages_of_archived_threads(playground: Playground, http: Http) -> None:
    """`has_more` says that there are more; only those that the bot has joined are its own."""
    ada = playground.person("Ada")
    for name in "abc":
        thread = playground.add_thread(playground.channel, name, owner=ada, private=True)
        playground.archive(thread)
    path = f"/channels/{playground.channel.id}"
    _, page = await http.call("GET", f"{path}/threads/archived/private?limit=2")
    assert ([item["name"] for item in page["threads"]], page["has_more"]) == (["a", "b"], True)
    _, page = await http.call("GET", f"{path}/threads/archived/private?limit=3")
    assert (len(page["threads"]), page["has_more"]) == (3, False)
    _, page = await http.call("GET", f"{path}/users/@me/threads/archived/private")
    assert (page["threads"], page["has_more"]) == ([], False)


async def test_members_of_a_thread(playground: Playground, bot: PlaygroundBot) -> None:
    """The bot joins and leaves, and adds and removes others."""
    ada = playground.person("Ada")
    model = playground.add_thread(playground.channel, "talk", owner=ada)
    await playground.until(lambda: bot.get_channel(model.id), why="the thread")
    thread = bot.get_channel(model.id)
    assert isinstance(thread, discord.Thread)
    await thread.join()
    await thread.add_user(discord.Object(playground.person("Eve").id))
    ids = {member.id for member in await thread.fetch_members()}
    assert ids == {ada.id, playground.person("Eve").id, playground.world.bot.id}
    await thread.remove_user(discord.Object(playground.person("Eve").id))
    await thread.leave()
    assert [member.id for member in await thread.fetch_members()] == [ada.id]


RULES: dict[str, Rule] = {
    "no name": Rule({"type": 11}, "name", "BASE_TYPE_REQUIRED", {"name": "x", "type": 11}),
    "an empty name": Rule({"name": ""}, "name", LENGTH, {"name": "x"}),
    "a name": Rule({"name": "x" * 101}, "name", LENGTH, {"name": "x" * 100}),
    "a type": Rule({"name": "x", "type": 0}, "type", CHOICES, {"name": "x", "type": 12}),
    "an archive duration": Rule(
        {"name": "x", "auto_archive_duration": 61},
        "auto_archive_duration",
        CHOICES,
        {"name": "x", "auto_archive_duration": 10080},
    ),
    "a slowmode": Rule(
        {"name": "x", "rate_limit_per_user": 21601},
        "rate_limit_per_user",
        HIGH,
        {"name": "x", "rate_limit_per_user": 21600},
    ),
}


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES.keys())
async def test_a_thread_is_refused_at_the_path(http: Http, rule: Rule) -> None:
    """A 400 with the error at its path; the nearest valid thread is created."""
    path = f"/channels/{http.playground.channel.id}/threads"
    status, body = await http.call("POST", path, json=rule.refused)
    assert (status, body["code"], codes(body, rule.path)) == (400, 50035, [rule.code])
    status, body = await http.call("POST", path, json=rule.accepted)
    assert status == 201, body


async def test_some_channels_have_no_threads(playground: Playground, http: Http) -> None:
    """They answer 50024, also to a request about the members of a thread."""
    ada, voice = playground.person("Ada"), playground.add_channel("talk", kind=ChannelType.VOICE)
    thread = playground.add_thread(playground.channel, "thread")
    for channel in (ada.dm, voice, thread):
        path = f"/channels/{channel.id}/threads"
        status, body = await http.call("POST", path, json={"name": "x", "type": 11})
        assert (status, body["code"]) == (400, 50024)
    path = f"/channels/{playground.channel.id}/thread-members/@me"
    status, body = await http.call("PUT", path)
    assert (status, body["code"]) == (400, 50024)


async def test_threads_need_permissions(playground: Playground, http: Http) -> None:
    """Public and private ones have a permission each."""
    path = f"/channels/{playground.channel.id}/threads"
    for permission, type in (
        (Permission.CREATE_PUBLIC_THREADS, 11),
        (Permission.CREATE_PRIVATE_THREADS, 12),
    ):
        playground.set_bot_permissions(playground.channel, ALLOWED & ~permission)
        status, body = await http.call("POST", path, json={"name": "x", "type": type})
        assert (status, body["code"]) == (403, 50013)
