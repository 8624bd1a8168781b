"""Messages of users: content with and without the MESSAGE_CONTENT intent, members, replies."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import discord
import pytest

from bot.playground import Channel, Message, Person, Playground, Upload
from bot.playground.model.intents import ALL_INTENTS
from tests.playground_bot import INTENTS, PlaygroundBot, channel_of, png, start_bot

MESSAGES = discord.Intents(INTENTS.value | 1 << 9 | 1 << 12)
CONTENT = discord.Intents(MESSAGES.value | 1 << 15)


def next_message(bot: PlaygroundBot, author_id: int) -> asyncio.Task[discord.Message]:
    """The next message of an author that discord.py receives."""
    return asyncio.create_task(
        bot.wait_for("message", check=lambda message: message.author.id == author_id, timeout=10)
    )


async def received(
    bot: PlaygroundBot,
    person: Person,
    text: str,
    where: Channel | None = None,
    reply_to: Message | None = None,
) -> tuple[discord.Message, Message]:
    """The message as discord.py receives it, and as the playground stores it."""
    event = next_message(bot, person.id)
    await asyncio.sleep(0)
    upload = Upload("a.png", png())
    message = await person.say(text, upload, where=where, reply_to=reply_to)
    return await event, message


@asynccontextmanager
async def start_content_bot(playground: Playground) -> AsyncIterator[PlaygroundBot]:
    """A bot with the MESSAGE_CONTENT intent."""
    playground.world.allowed_intents = ALL_INTENTS
    async with start_bot(playground, intents=CONTENT) as bot:
        yield bot


async def fetched(bot: PlaygroundBot, message: Message) -> list[discord.Message]:
    """The message as both routes return it."""
    channel = bot.get_partial_messageable(message.channel.id)
    return [
        await channel.fetch_message(message.id),
        *[item async for item in channel.history(limit=1)],
    ]


async def test_content_of_others_is_hidden(playground: Playground) -> None:
    """Events and REST responses have no content without MESSAGE_CONTENT."""
    async with start_bot(playground, intents=MESSAGES) as bot:
        event, message = await received(bot, playground.person("Ada"), "secret")
        for view in (event, *await fetched(bot, message)):
            assert (view.id, view.content, view.attachments) == (message.id, "", [])
        assert (await bot.application_info()).flags.gateway_message_content_limited is False


async def test_content_is_visible_with_the_intent(playground: Playground) -> None:
    """Events and REST responses have the content."""
    async with start_content_bot(playground) as bot:
        event, message = await received(bot, playground.person("Ada"), "public")
        for view in (event, *await fetched(bot, message)):
            assert (view.id, view.content, len(view.attachments)) == (message.id, "public", 1)
        assert (await bot.application_info()).flags.gateway_message_content_limited is True


async def test_rest_ignores_the_intents_of_a_session(
    playground: Playground, bot: PlaygroundBot
) -> None:
    """An allowed MESSAGE_CONTENT counts, even if no session has it."""
    playground.world.allowed_intents = ALL_INTENTS
    message = await playground.person("Ada").say("public")
    assert [view.content for view in await fetched(bot, message)] == ["public"] * 2


async def test_exceptions_are_visible(playground: Playground) -> None:
    """These are DMs, messages that mention the bot or reply to it, and its own messages."""
    ada = playground.person("Ada")
    async with start_bot(playground, intents=MESSAGES) as bot:
        bot_message = await channel_of(bot, playground).send("own")
        stored_message = playground.messages()[0]
        cases: list[tuple[str, Channel | None, Message | None]] = [
            ("to you", ada.dm, None),
            (f"<@{bot.application_id}> look", None, None),
            ("nice", None, stored_message),
        ]
        for text, where, reply_to in cases:
            event, message = await received(bot, ada, text, where, reply_to)
            for view in (event, *await fetched(bot, message)):
                assert view.content == text
        assert (await fetched(bot, stored_message))[0].content == bot_message.content


async def test_a_message_command_shows_its_target(
    playground: Playground, bot: PlaygroundBot
) -> None:
    """The target's content needs no intent; that of the message it replies to does."""
    ada, ben = playground.person("Ada"), playground.person("Ben")
    first = await ben.say("secret")
    second = await ada.say("yes", reply_to=first)
    interaction = await ada.use("Show recipe", second)
    await interaction.finished()
    assert interaction.ephemerals[0].content == "of: yes"
    data: Any = bot.interactions[0].data
    target = data["resolved"]["messages"][str(second.id)]
    assert target["referenced_message"]["content"] == ""


async def test_the_message_of_a_button_hides_what_it_replies_to(
    playground: Playground, bot: PlaygroundBot
) -> None:
    """The content of the bot's own message is included."""
    ada = playground.person("Ada")
    question = await ada.say("secret")
    view = discord.ui.View(timeout=None)
    view.add_item(discord.ui.Button(label="Go", custom_id="go"))
    await channel_of(bot, playground).get_partial_message(question.id).reply("press", view=view)
    await (await ada.click(playground.messages()[-1], "Go")).acknowledged()
    message = bot.interactions[0].message
    assert message is not None
    assert message.content == "press"
    assert message.reference is not None
    assert isinstance(message.reference.resolved, discord.Message)
    assert message.reference.resolved.content == ""


async def test_replies_have_their_message(playground: Playground) -> None:
    """It is `referenced_message` in responses and events, and null after its deletion."""
    async with start_content_bot(playground) as bot:
        question = await playground.person("Ada").say("what?")
        channel = channel_of(bot, playground)
        event = next_message(bot, bot.application_id or 0)
        reply = await channel.get_partial_message(question.id).reply("that")
        for view in (reply, await event, await channel.fetch_message(reply.id)):
            assert view.reference is not None
            assert isinstance(view.reference.resolved, discord.Message)
            assert view.reference.resolved.content == "what?"
        await playground.person("Ada").delete(question)
        view = await channel.fetch_message(reply.id)
        assert view.reference is not None
        assert isinstance(view.reference.resolved, discord.DeletedReferencedMessage)


async def test_messages_have_their_member(playground: Playground) -> None:
    """The author and mentioned users have their roles, although no member is cached."""
    ada, mod = playground.person("Ada"), playground.person("Mod", moderator=True)
    async with start_bot(playground, intents=MESSAGES) as bot:
        event, _ = await received(bot, mod, f"<@{ada.id}>")
        assert isinstance(event.author, discord.Member)
        assert [role.name for role in event.author.roles] == ["@everyone", "Moderators"]
        assert [type(user) for user in event.mentions] == [discord.Member]
        event, _ = await received(bot, ada, "to you", where=ada.dm)
        assert isinstance(event.author, discord.User)


@pytest.mark.parametrize("is_response", [False, True])
async def test_responses_have_no_member(
    playground: Playground, bot: PlaygroundBot, is_response: bool
) -> None:
    """Messages of webhooks and responses to interactions lack it."""
    events: list[bool] = []
    playground.world.event_listeners.append(
        lambda event: (
            events.append("member" in event.data) if event.name == "MESSAGE_CREATE" else None
        )
    )
    if is_response:
        await (await playground.person("Ada").slash("describe", model="x")).finished()
    else:
        await channel_of(bot, playground).send("x")
    assert events == [not is_response]
