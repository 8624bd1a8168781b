"""Pinned messages: by discord.py, by people, and the requests that Discord refuses."""

from datetime import UTC, datetime, timedelta

import discord
import pytest

from bot.playground import Message, NotPermitted, Permission, Playground
from bot.playground.errors import ApiError
from bot.playground.model.permissions import EVERYONE
from bot.playground.model.state import Event
from bot.playground.rest import pins
from tests.playground_bot import PlaygroundBot, channel_of
from tests.playground_http import Http

MAY_PIN = EVERYONE | Permission.PIN_MESSAGES
ROUTES = ["messages/pins", "pins"]


async def pinned_by_moderator(playground: Playground, count: int) -> list[Message]:
    """Messages that were pinned one after the other, a second apart."""
    mo = playground.person("Mo", moderator=True)
    messages = [await mo.say(f"{n}") for n in range(count)]
    for message in messages:
        playground.clock.advance(1)
        await mo.pin(message)
    return messages


async def test_discord_py_pins_and_unpins(playground: Playground, bot: PlaygroundBot) -> None:
    """The flag, the list and the channel's time of the last pin change."""
    playground.set_bot_permissions(playground.channel, MAY_PIN)
    events: list[Event] = []
    playground.world.event_listeners.append(events.append)
    channel = channel_of(bot, playground)
    message = await channel.send("x")
    await message.pin()
    await message.pin()
    assert (await channel.fetch_message(message.id)).pinned
    (pin,) = [pin async for pin in channel.pins()]
    assert pin.id == message.id and pin.pinned_at is not None
    assert [event.name for event in events] == [
        *("MESSAGE_CREATE", "MESSAGE_UPDATE", "CHANNEL_PINS_UPDATE", "MESSAGE_CREATE")
    ]
    assert events[1].data["pinned"] is True
    assert events[2].data["last_pin_timestamp"] == pin.pinned_at.isoformat()
    announcement = await channel.fetch_message(int(events[3].data["id"]))
    assert announcement.type is discord.MessageType.pins_add
    assert announcement.reference and announcement.reference.message_id == message.id
    await message.unpin()
    assert events[-1].data["last_pin_timestamp"] is None
    assert [pin async for pin in channel.pins()] == []
    assert not (await channel.fetch_message(message.id)).pinned
    assert playground.violations == []


async def test_pins_are_paged(playground: Playground, bot: PlaygroundBot, http: Http) -> None:
    """The one that was pinned last comes first; the older route returns the first 50."""
    messages = await pinned_by_moderator(playground, 60)
    ids = [message.id for message in messages][::-1]
    channel = channel_of(bot, playground)
    assert [pin.id async for pin in channel.pins(limit=None)] == ids
    assert [pin.id async for pin in channel.pins(limit=3)] == ids[:3]
    before = datetime.fromtimestamp(messages[30].pinned_at or 0.0, UTC)
    assert [pin.id async for pin in channel.pins(before=before)] == ids[30:]
    path = f"/channels/{playground.channel.id}/messages/pins"
    _, page = await http.call("GET", f"{path}?limit=2")
    assert ([item["message"]["id"] for item in page["items"]], page["has_more"]) == (
        [str(message_id) for message_id in ids[:2]],
        True,
    )
    earliest = before - timedelta(days=1)
    _, page = await http.call("GET", path, params={"before": earliest.isoformat()})
    assert page == {"items": [], "has_more": False}
    _, older = await http.call("GET", f"/channels/{playground.channel.id}/pins")
    assert [item["id"] for item in older] == [str(message_id) for message_id in ids[:50]]
    for query in ("limit=51", "limit=0", "before=yesterday"):
        status, body = await http.call("GET", f"{path}?{query}")
        assert (status, body["code"]) == (400, 50035)


@pytest.mark.parametrize("route", ROUTES)
async def test_pins_need_permissions(playground: Playground, http: Http, route: str) -> None:
    """PIN_MESSAGES to change them, which MANAGE_MESSAGES does not replace."""
    message = await playground.person("Ada").say("x")
    path = f"/channels/{playground.channel.id}/{route}"
    playground.set_bot_permissions(playground.channel, EVERYONE | Permission.MANAGE_MESSAGES)
    for method in ("PUT", "DELETE"):
        status, body = await http.call(method, f"{path}/{message.id}")
        assert (status, body["code"]) == (403, 50013)
    playground.set_bot_permissions(playground.channel, MAY_PIN)
    assert (await http.call("PUT", f"{path}/{message.id}"))[0] == 204
    assert message.pinned_at is not None
    assert (await http.call("PUT", f"{path}/1"))[1]["code"] == 10008
    playground.set_bot_permissions(playground.channel, MAY_PIN & ~Permission.READ_MESSAGE_HISTORY)
    assert not (await http.call("GET", path))[1] or route == "messages/pins"
    assert (await http.call("DELETE", f"{path}/{message.id}"))[0] == 204
    assert message.pinned_at is None


async def test_messages_that_cannot_be_pinned(playground: Playground, http: Http) -> None:
    """The announcement of a pin, one in an archived thread, and one too many."""
    playground.set_bot_permissions(playground.channel, MAY_PIN)
    thread = playground.add_thread(playground.channel, "old")
    archived = await playground.person("Ada").say("x", where=thread)
    playground.archive(thread)
    (message,) = await pinned_by_moderator(playground, 1)
    announcement = playground.messages()[-1]
    for item, status, code in ((announcement, 403, 50021), (archived, 400, 50083)):
        path = f"/channels/{item.channel.id}/messages/pins/{item.id}"
        answer, body = await http.call("PUT", path)
        assert (answer, body["code"]) == (status, code)
    mo = playground.person("Mo")
    for _ in range(pins.PINS_LIMIT - 1):
        (await mo.say("x")).pinned_at = message.pinned_at
    with pytest.raises(ApiError) as error:
        await mo.pin(await mo.say("x"))
    assert (error.value.status, error.value.code) == (400, 30003)


async def test_people_pin_with_the_permission(playground: Playground) -> None:
    """Moderators in a guild, and anybody in a DM channel."""
    ada = playground.person("Ada")
    message = await ada.say("x")
    with pytest.raises(NotPermitted):
        await ada.pin(message)
    await playground.person("Mo", moderator=True).pin(message)
    assert playground.messages()[-1].author.name == "Mo"
    with pytest.raises(NotPermitted):
        await ada.unpin(message)
    direct = await ada.say("x", where=ada.dm)
    await ada.pin(direct)
    await ada.unpin(direct)
    assert direct.pinned_at is None
