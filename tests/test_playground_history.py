"""Lists of messages, as discord.py and plain HTTP request them."""

import discord
import pytest

from bot.playground import Playground
from tests.playground_bot import PlaygroundBot, channel_of
from tests.playground_http import Http


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", "76543210"),
        ("limit=2", "76"),
        ("before={4}", "3210"),
        ("before={4}&limit=2", "32"),
        ("before=0", ""),
        ("after={4}", "765"),
        ("after={4}&limit=2", "65"),
        ("after=0&limit=2", "10"),
        ("around={4}", "76543210"),
        ("around={4}&limit=1", "4"),
        ("around={4}&limit=2", "543"),
        ("around={4}&limit=3", "543"),
        ("around={4}&limit=4", "65432"),
        ("around={1}&limit=4", "3210"),
        ("around={7}&limit=4", "765"),
        ("around=0&limit=4", "10"),
    ],
)
async def test_messages_are_listed_newest_first(
    playground: Playground, http: Http, query: str, expected: str
) -> None:
    """`around` selects as many on both sides of a message; `after` the next ones."""
    for n in range(8):
        message = await playground.person("Ada").say("x", where=playground.person("Ada").dm)
        query = query.replace(f"{{{n}}}", str(message.id))
    ids = [str(message.id) for message in playground.dms(playground.person("Ada"))]
    path = f"/channels/{playground.person('Ada').dm.id}/messages?{query}"
    status, messages = await http.call("GET", path)
    assert status == 200
    assert "".join(str(ids.index(message["id"])) for message in messages) == expected


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "around=x", "after=-1"])
async def test_a_wrong_query_is_refused(playground: Playground, http: Http, query: str) -> None:
    """The limit is 1 to 100, and the other parameters are ids."""
    status, body = await http.call("GET", f"/channels/{playground.channel.id}/messages?{query}")
    assert (status, body["code"]) == (400, 50035)


async def test_discord_py_reads_the_history(playground: Playground, bot: PlaygroundBot) -> None:
    """It is read newest first, oldest first in several requests, and around a message."""
    messages = [await playground.person("Ada").say(f"{n}") for n in range(130)]
    channel = channel_of(bot, playground)
    ids = [message.id for message in messages]
    assert [m.id async for m in channel.history(limit=120)] == ids[:-121:-1]
    assert [m.id async for m in channel.history(limit=120, oldest_first=True)] == ids[:120]
    around = [m.id async for m in channel.history(limit=5, around=discord.Object(ids[50]))]
    assert around == ids[48:53][::-1]
