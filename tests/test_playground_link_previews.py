"""Previews of links, as discord.py sees them."""

from bot.playground import Playground
from bot.playground.conditions.table import LINK_PREVIEWS
from bot.playground.model.state import Event
from tests.playground_bot import PlaygroundBot, channel_of


async def test_previews_come_after_the_message(playground: Playground, bot: PlaygroundBot) -> None:
    """They are embeds of a message that does not count as edited."""
    channel = channel_of(bot, playground)
    sent = await channel.send(
        "See https://a.example/x, <https://b.example> and (https://c.example)"
    )
    assert sent.embeds == []
    events: list[Event] = []
    playground.world.event_listeners.append(events.append)
    [message] = playground.messages()
    playground.add_link_previews(message)
    fetched = await channel.fetch_message(sent.id)
    links = ["https://a.example/x", "https://c.example"]
    assert [(embed.type, embed.url) for embed in fetched.embeds] == [("link", x) for x in links]
    assert fetched.edited_at is None
    [event] = events
    assert event.name == "MESSAGE_UPDATE"
    assert (len(event.data["embeds"]), event.data["edited_timestamp"]) == (2, None)


async def test_previews_follow_the_content(playground: Playground, bot: PlaygroundBot) -> None:
    """Embeds of the bot stay beside them; suppression hides them and new content removes them."""
    channel = channel_of(bot, playground)
    sent = await channel.send("https://a.example")
    [message] = playground.messages()
    playground.add_link_previews(message)
    await sent.edit(suppress=True)
    assert (await channel.fetch_message(sent.id)).embeds == []
    await sent.edit(suppress=False)
    assert len((await channel.fetch_message(sent.id)).embeds) == 1
    await sent.edit(content="no link")
    assert (await channel.fetch_message(sent.id)).embeds == []


async def test_a_message_without_links_has_no_event(playground: Playground) -> None:
    """Nothing is sent for it."""
    events: list[Event] = []
    message = await playground.person("Ada").say("words")
    playground.world.event_listeners.append(events.append)
    playground.add_link_previews(message)
    assert events == []


async def test_previews_come_by_themselves(playground: Playground, bot: PlaygroundBot) -> None:
    """While the condition is on, after new messages and after edits."""
    playground.conditions.set(LINK_PREVIEWS, on=True)
    sent = await channel_of(bot, playground).send("https://a.example")
    [message] = playground.messages()
    await playground.until(lambda: message.previews, why="the preview")
    await sent.edit(content="https://b.example and https://c.example")
    await playground.until(lambda: len(message.previews) == 2, why="the new previews")
    assert message.edited_at is not None
