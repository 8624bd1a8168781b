"""Forwards and replies: by discord.py, by people, and the requests that Discord refuses."""

from typing import Any

import aiohttp
import discord
import pytest

from bot.playground import Message, NotPermitted, Permission, Playground, Upload
from bot.playground.model.intents import ALL_INTENTS
from bot.playground.model.permissions import EVERYONE
from tests.playground_bot import Buttons, PlaygroundBot, channel_of, file, png, start_bot
from tests.playground_http import Http
from tests.test_playground_message_content import MESSAGES, next_message

HAS_SNAPSHOT = 1 << 14


def reference(message: Message, **more: object) -> dict[str, Any]:
    """The body of a request that forwards a message."""
    ids = {"message_id": str(message.id), "channel_id": str(message.channel.id)}
    return {"message_reference": {"type": 1} | ids | more}


async def test_discord_py_forwards_a_message(playground: Playground, bot: PlaygroundBot) -> None:
    """The copy has content, files and components; it stays when the original is gone."""
    original = await channel_of(bot, playground).send("**x**", file=file(), view=Buttons())
    target = bot.get_partial_messageable(playground.add_channel("elsewhere").id)
    forward = await original.forward(target)
    await original.edit(content="changed")
    await original.delete()
    for message in (forward, await target.fetch_message(forward.id)):
        assert (message.content, message.attachments, message.components) == ("", [], [])
        assert message.type is discord.MessageType.default
        assert message.flags.forwarded
        assert message.reference is not None
        assert message.reference.type is discord.MessageReferenceType.forward
        assert message.reference.message_id == original.id
        (snapshot,) = message.message_snapshots
        assert (snapshot.content, len(snapshot.components)) == ("**x**", 1)
        assert [picture.filename for picture in snapshot.attachments] == ["a.png"]
    url = forward.message_snapshots[0].attachments[0].url
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        assert await response.read() == png()
    assert playground.violations == []


async def test_people_forward_messages(playground: Playground) -> None:
    """The bot does not get the content; its own forward of a forward has the first content."""
    ada = playground.person("Ada")
    async with start_bot(playground, intents=MESSAGES) as bot:
        original = await channel_of(bot, playground).send("mine", file=file())
        event = next_message(bot, ada.id)
        forward = await ada.forward(playground.world.messages[original.id])
        (snapshot,) = (await event).message_snapshots
        assert (snapshot.content, snapshot.attachments) == ("", [])
        playground.world.allowed_intents = ALL_INTENTS
        fetched = await channel_of(bot, playground).fetch_message(forward.id)
        again = await fetched.forward(channel_of(bot, playground))
        for message in (fetched, again):
            (snapshot,) = message.message_snapshots
            assert (snapshot.content, len(snapshot.attachments)) == ("mine", 1)
        assert again.reference is not None and again.reference.message_id == forward.id
    assert forward.buttons == []


async def test_a_forward_counts_as_no_reply(playground: Playground, http: Http) -> None:
    """It mentions nobody and has no `referenced_message`."""
    original = await playground.person("Ada").say("x", where=playground.person("Ada").dm)
    status, body = await http.post(reference(original))
    assert status == 200
    assert (body["mentions"], body["flags"]) == ([], HAS_SNAPSHOT)
    assert "referenced_message" not in body
    assert body["message_snapshots"][0]["message"]["content"] == "x"
    assert "author" not in body["message_snapshots"][0]["message"]


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ({"content": "look"}, "content"),
        ({"embeds": [{"title": "x"}]}, "embeds"),
        ({"components": [{"type": 10, "content": "x"}], "flags": 1 << 15}, "components"),
        ({"poll": {"question": {"text": "x"}, "answers": [{"poll_media": {"text": "y"}}]}}, "poll"),
    ],
)
async def test_a_forward_has_no_content_of_its_own(
    playground: Playground, http: Http, more: dict[str, Any], path: str
) -> None:
    """50035 for each field with content, and for files."""
    original = await playground.person("Ada").say("x", where=playground.person("Ada").dm)
    status, body = await http.post(reference(original) | more)
    assert (status, body["code"], list(body["errors"])) == (400, 50035, [path])
    _, body = await http.post(reference(original), [png()])
    assert (body["code"], list(body["errors"])) == (50035, ["attachments"])
    assert playground.messages() == []


async def test_messages_that_cannot_be_forwarded(playground: Playground, http: Http) -> None:
    """Unknown ones, those of channels that the bot cannot view, and unreadable ones."""
    ada, hidden = playground.person("Ada"), playground.add_channel("hidden")
    secret, public = await ada.say("x", where=hidden), await ada.say("x")
    playground.set_bot_permissions(hidden, EVERYONE & ~Permission.VIEW_CHANNEL)
    cases = [
        (reference(secret), 403, 50001),
        (reference(public), 403, 160014),
        (reference(public, channel_id="1"), 404, 10003),
        (reference(public, message_id="1"), 404, 10008),
        (reference(public, channel_id=str(ada.dm.id)), 404, 10008),
        (reference(public, channel_id=None), 400, 50035),
    ]
    for body, status, code in cases:
        playground.clock.advance(5)  # because of the rate limit
        answer = await http.post(body)
        assert (answer[0], answer[1]["code"]) == (status, code)
    mention = await ada.say(f"<@{playground.world.bot.id}> x")
    assert (await http.post(reference(mention)))[0] == 200


async def test_people_cannot_forward_what_only_they_see(
    playground: Playground, bot: PlaygroundBot
) -> None:
    """An ephemeral response stays private."""
    ada = playground.person("Ada")
    original = await ada.say("", Upload("a.png", png()))
    interaction = await ada.use("Show recipe", original)
    message = await interaction.finished()
    assert message is not None and message.ephemeral
    with pytest.raises(NotPermitted):
        await ada.forward(message)


async def test_a_forward_can_be_edited_and_deleted(playground: Playground, http: Http) -> None:
    """An edit of its flags needs no content."""
    original = await playground.person("Ada").say("x", where=playground.person("Ada").dm)
    _, body = await http.post(reference(original))
    status, edited = await http.patch(body["id"], {"flags": 1 << 2})
    assert (status, edited["flags"]) == (200, HAS_SNAPSHOT | 1 << 2)
    assert len(edited["message_snapshots"]) == 1
    path = f"/channels/{playground.channel.id}/messages/{body['id']}"
    assert (await http.call("DELETE", path))[0] == 204


async def test_replies_that_discord_refuses(playground: Playground, http: Http) -> None:
    """To a message of the system, and without the permission to read the history."""
    mo = playground.person("Mo", moderator=True)
    message = await mo.say("x")
    await mo.pin(message)
    reply = {"content": "y", "message_reference": {"message_id": str(message.id)}}
    announcement = playground.messages()[-1]
    to_system = reply | {"message_reference": {"message_id": str(announcement.id)}}
    assert (await http.post(to_system))[1]["code"] == 50035
    playground.set_bot_permissions(playground.channel, EVERYONE & ~Permission.READ_MESSAGE_HISTORY)
    status, body = await http.post(reply)
    assert (status, body["code"]) == (403, 160002)
