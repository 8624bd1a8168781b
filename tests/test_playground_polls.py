"""Polls: by discord.py, votes of people, the end, and the requests that Discord refuses."""

import asyncio
from datetime import timedelta
from typing import Any

import discord
import pytest

from bot.playground import InvalidOption, Message, Permission, Playground
from bot.playground.errors import ApiError
from bot.playground.model.permissions import EVERYONE
from tests.playground_bot import INTENTS, channel_of, start_bot
from tests.playground_gateway import GatewayClient
from tests.playground_http import Http

POLLS = discord.Intents(INTENTS.value | 1 << 9 | 1 << 24)
HOUR = 3600


def question(*answers: str, multiple: bool = False) -> discord.Poll:
    """A poll for one hour."""
    poll = discord.Poll("Which one?", timedelta(hours=1), multiple=multiple)
    for answer in answers:
        poll.add_answer(text=answer, emoji="🐈" if answer == "cat" else None)
    return poll


def body(**more: object) -> dict[str, Any]:
    """The body of a request for a poll with two answers."""
    answers = [{"poll_media": {"text": text}} for text in ("cat", "dog")]
    return {"poll": {"question": {"text": "Which one?"}, "answers": answers} | more}


async def test_discord_py_sends_and_ends_a_poll(playground: Playground) -> None:
    """It counts the votes, lists the voters, and gets the result."""
    ada, ben = playground.person("Ada"), playground.person("Ben")
    async with start_bot(playground, intents=POLLS) as bot:
        channel = channel_of(bot, playground)
        sent = await channel.send(poll=question("cat", "dog"))
        assert sent.poll is not None and sent.poll.duration == timedelta(hours=1)
        assert [str(answer.emoji) for answer in sent.poll.answers] == ["🐈", "None"]
        message = playground.world.messages[sent.id]
        event = asyncio.create_task(bot.wait_for("raw_poll_vote_add", timeout=10))
        await asyncio.sleep(0)
        await ada.vote(message, 1)
        assert ((await event).user_id, (await event).answer_id) == (ada.id, 1)
        await ben.vote(message, 2)
        await ben.vote(message, 1)
        answer = sent.poll.get_answer(1)
        assert answer is not None
        assert {user.id async for user in answer.voters()} == {ada.id, ben.id}
        assert [user.id async for user in answer.voters(limit=1, after=discord.Object(ada.id))] == [
            ben.id
        ]
        result = asyncio.create_task(bot.wait_for("message", timeout=10))
        await asyncio.sleep(0)
        ended = await sent.end_poll()
        assert ended.poll is not None and ended.poll.is_finalised()
        assert (await result).type is discord.MessageType.poll_result
        fetched = (await channel.fetch_message(sent.id)).poll
        assert fetched is not None and fetched.total_votes == 2
    embed = playground.messages()[-1].embeds[0]
    assert {field["name"]: field["value"] for field in embed["fields"]} == {
        "poll_question_text": "Which one?",
        "victor_answer_votes": "2",
        "total_votes": "2",
        "victor_answer_id": "1",
        "victor_answer_text": "cat",
        "victor_answer_emoji_name": "🐈",
    }
    assert playground.violations == []


async def test_a_poll_ends_by_itself(playground: Playground, http: Http) -> None:
    """After 24 hours, or after those of the request; nobody can vote then."""
    ids = [(await http.post(body(**more)))[1]["id"] for more in ({"duration": 1}, {})]
    short, day = (playground.world.messages[int(message_id)] for message_id in ids)
    playground.clock.advance(HOUR - 60)
    assert short.poll and not short.poll.has_ended
    await playground.person("Ada").vote(short, 2)
    playground.clock.advance(120)
    assert short.poll.has_ended and day.poll and not day.poll.has_ended
    assert playground.messages()[-1].reference is short
    with pytest.raises(ApiError) as error:
        await playground.person("Ada").vote(short, 1)
    assert error.value.code == 520001
    playground.clock.advance(23 * HOUR)
    assert day.poll.has_ended
    embed = playground.messages()[-1].embeds[0]
    assert [field["value"] for field in embed["fields"]] == ["Which one?", "0", "0"]


async def test_polls_that_discord_refuses(playground: Playground, http: Http) -> None:
    """Without the permission, with unknown emoji; they cannot be edited or ended twice."""
    poll = body()
    poll["poll"]["answers"][0]["poll_media"]["emoji"] = {"id": "1"}
    assert (await http.post(poll))[1]["code"] == 520004
    playground.set_bot_permissions(playground.channel, EVERYONE & ~Permission.SEND_POLLS)
    assert (await http.post(body()))[1]["code"] == 50013
    playground.set_bot_permissions(playground.channel, EVERYONE)
    _, sent = await http.post(body())
    _, plain = await http.post({"content": "x"})
    other = await playground.person("Ada").say("x")
    assert (await http.patch(sent["id"], {"content": "x"}))[1]["code"] == 520003
    polls = f"/channels/{playground.channel.id}/polls"
    cases = [
        (plain["id"], 520006),
        (str(other.id), 50005),
        (sent["id"], None),
        (sent["id"], 520001),
    ]
    for message_id, code in cases:
        status, answer = await http.call("POST", f"{polls}/{message_id}/expire")
        assert answer.get("code") == code
        assert (status == 200) == (code is None)
    status, _ = await http.call("GET", f"{polls}/{plain['id']}/answers/1")
    assert status == 404
    status, answer = await http.call("GET", f"{polls}/{sent['id']}/answers/1?limit=101")
    assert (status, answer["code"]) == (400, 50035)


async def voted_poll(playground: Playground, http: Http, **more: object) -> Message:
    """A poll that a person has voted in."""
    _, sent = await http.post(body(**more))
    message = playground.world.messages[int(sent["id"])]
    await playground.person("Ada").vote(message, 1)
    return message


async def test_votes_are_changed(playground: Playground, http: Http) -> None:
    """A second vote replaces the first, unless the poll takes several answers."""
    ada = playground.person("Ada")
    single = await voted_poll(playground, http)
    assert single.poll is not None
    with pytest.raises(InvalidOption):
        await ada.vote(single, 1, 2)
    with pytest.raises(InvalidOption):
        await ada.vote(single, 3)
    await ada.vote(single, 2)
    assert single.poll.counts == {2: 1}
    await ada.vote(single)
    assert single.poll.counts == {}
    several = await voted_poll(playground, http, allow_multiselect=True)
    assert several.poll is not None
    await ada.vote(several, 1, 2)
    assert several.poll.counts == {1: 1, 2: 1}
    assert several.poll.winner_id is None


@pytest.mark.parametrize("intents", [1 << 9, 1 << 24])
async def test_votes_have_their_own_intent(
    playground: Playground, http: Http, intents: int
) -> None:
    """GUILD_MESSAGE_POLLS, without which only the messages are known."""
    message = await voted_poll(playground, http)
    async with http.session.ws_connect(f"{playground.url}/gateway?v=10") as socket:
        client = GatewayClient(socket)
        await client.receive()
        await client.identify(playground.token, intents=intents)
        await playground.person("Ada").vote(message, 2)
        await client.send(1, None)
        names = [(await client.receive()).get("t") for _ in range(3 if intents == 1 << 24 else 1)]
    if intents == 1 << 24:
        assert names == ["MESSAGE_POLL_VOTE_REMOVE", "MESSAGE_POLL_VOTE_ADD", None]
    else:
        assert names == [None]
