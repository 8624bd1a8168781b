"""Interaction responses of discord.py: callbacks, followups, edits."""

import discord
import pytest

from bot.playground import Interaction, Message, NotPermitted, Permission, Playground
from tests.playground_bot import PlaygroundBot, file


@pytest.fixture(autouse=True)
def silent(bot: PlaygroundBot) -> None:
    """The bot does not respond, so that the tests can."""
    bot.silent = True


async def post(bot: PlaygroundBot, playground: Playground) -> tuple[Message, discord.Message]:
    """Send a message with a button; return the playground's and discord.py's message."""
    channel = bot.get_channel(playground.channel.id)
    assert isinstance(channel, discord.TextChannel)
    view = discord.ui.View(timeout=None)
    view.add_item(discord.ui.Button(label="Go", custom_id="go"))
    bot_message = await channel.send("press", view=view)
    return playground.messages()[-1], bot_message


async def press(
    bot: PlaygroundBot, playground: Playground, message: Message
) -> tuple[Interaction, discord.Interaction]:
    """Click the button; return the playground's and discord.py's interaction."""
    count = len(bot.interactions)
    interaction = await playground.person("Ada").click(message, "Go")
    await playground.until(lambda: len(bot.interactions) > count)
    return interaction, bot.interactions[-1]


async def test_a_button_changes_its_message(playground: Playground, bot: PlaygroundBot) -> None:
    """UPDATE_MESSAGE (7) edits the message with the button."""
    message, _ = await post(bot, playground)
    interaction, bot_interaction = await press(bot, playground, message)
    await bot_interaction.response.edit_message(content="pressed", view=None, attachments=[file()])
    assert interaction.response is message
    assert (message.content, message.buttons) == ("pressed", [])
    assert [a.filename for a in message.attachments] == ["a.png"]


async def test_a_component_interaction_is_deferred(
    playground: Playground, bot: PlaygroundBot
) -> None:
    """After DEFERRED_UPDATE_MESSAGE (6) the original response is the message with the button."""
    message, _ = await post(bot, playground)
    _, bot_interaction = await press(bot, playground, message)
    await bot_interaction.response.defer()
    assert message.content == "press"
    original = await bot_interaction.original_response()
    assert original.id == message.id
    await bot_interaction.edit_original_response(content="later")
    assert message.content == "later"
    await bot_interaction.followup.send("and more")
    assert playground.messages()[-1].content == "and more"


async def test_an_update_of_a_deleted_message_is_unknown(
    playground: Playground, bot: PlaygroundBot
) -> None:
    """Updating a deleted message is error 10008."""
    message, bot_message = await post(bot, playground)
    _, bot_interaction = await press(bot, playground, message)
    await bot_message.delete()
    with pytest.raises(discord.NotFound) as error:
        await bot_interaction.response.edit_message(content="x")
    assert error.value.code == 10008


async def test_followups_are_fetched_edited_and_deleted_by_the_webhook(
    playground: Playground, bot: PlaygroundBot
) -> None:
    """Followups can be fetched, edited and deleted by the webhook."""
    message, _ = await post(bot, playground)
    _, bot_interaction = await press(bot, playground, message)
    await bot_interaction.response.send_message("first")
    followup = await bot_interaction.followup.send("second", wait=True)
    assert (await bot_interaction.followup.fetch_message(followup.id)).content == "second"
    await bot_interaction.followup.edit_message(followup.id, content="changed")
    assert playground.messages()[-1].content == "changed"
    await bot_interaction.followup.delete_message(followup.id)
    with pytest.raises(discord.NotFound):
        await bot_interaction.followup.fetch_message(followup.id)


async def test_an_ephemeral_message_is_not_found_in_its_channel(
    playground: Playground, bot: PlaygroundBot
) -> None:
    """Ephemeral messages cannot be edited by channel and have no reactions."""
    message, _ = await post(bot, playground)
    interaction, bot_interaction = await press(bot, playground, message)
    await bot_interaction.response.send_message("for you", ephemeral=True)
    ephemeral = interaction.ephemerals[0]
    channel = bot.get_channel(playground.channel.id)
    assert isinstance(channel, discord.TextChannel)
    with pytest.raises(discord.NotFound):
        await channel.get_partial_message(ephemeral.id).edit(content="x")
    with pytest.raises(NotPermitted):
        await playground.person("Ada").react(ephemeral, "🔁")
    await playground.person("Ada").delete(ephemeral)
    assert interaction.ephemerals == []


@pytest.mark.parametrize(
    "callback",
    [
        {"type": 99},
        {"type": 8, "data": {"choices": []}},
        {"type": 5, "data": {"flags": "ephemeral"}},
        {"type": 9, "data": {"title": "x" * 46, "custom_id": "x", "components": [{"type": 1}]}},
        {"type": 9, "data": {"title": "x", "custom_id": "x", "components": []}},
        {"type": 4, "data": {"content": "x" * 2001}},
    ],
)
async def test_an_invalid_callback_leaves_the_interaction_unacknowledged(
    playground: Playground, bot: PlaygroundBot, callback: dict[str, object]
) -> None:
    """An invalid callback (50035) does not acknowledge; a valid one still can."""
    message, _ = await post(bot, playground)
    _, bot_interaction = await press(bot, playground, message)
    route = discord.http.Route(
        "POST",
        "/interactions/{interaction_id}/{interaction_token}/callback",
        interaction_id=bot_interaction.id,
        interaction_token=bot_interaction.token,
    )
    with pytest.raises(discord.HTTPException) as error:
        await bot.http.request(route, json=callback)
    assert error.value.code == 50035
    assert await bot.http.request(route, json={"type": 6}) == ""


async def test_a_reply_references_its_message(playground: Playground, bot: PlaygroundBot) -> None:
    """A reply has a reference, and pings its author only if allowed."""
    user_message = await playground.person("Ada").say("paint this")
    channel = bot.get_channel(playground.channel.id)
    assert isinstance(channel, discord.TextChannel)
    partial = channel.get_partial_message(user_message.id)
    await partial.reply("done")
    reply = playground.messages()[-1]
    assert reply.reference is user_message
    assert reply.pings == frozenset()
    await partial.reply("done", mention_author=True)
    assert playground.messages()[-1].pings == {"Ada"}
    await playground.person("Ada").delete(user_message)
    with pytest.raises(discord.HTTPException):
        await partial.reply("too late")
    lenient = discord.MessageReference.from_message(partial, fail_if_not_exists=False)
    await channel.send("still", reference=lenient)
    assert playground.messages()[-1].content == "still"


async def test_reactions_are_listed_and_cleared(playground: Playground, bot: PlaygroundBot) -> None:
    """The users of a reaction are listed; clearing reactions needs MANAGE_MESSAGES."""
    message, bot_message = await post(bot, playground)
    await playground.person("Ada").react(message, "🔁")
    await playground.person("Ben").react(message, "🔁")
    await playground.person("Ben").react(message, "🔁")
    current_message = await bot_message.fetch()
    assert [(str(r.emoji), r.count, r.me) for r in current_message.reactions] == [("🔁", 2, False)]
    assert {user.name async for user in current_message.reactions[0].users()} == {"ada", "ben"}
    with pytest.raises(discord.Forbidden):
        await bot_message.clear_reactions()
    playground.channel.bot_permissions |= Permission.MANAGE_MESSAGES
    await bot_message.clear_reaction("🔁")
    await playground.person("Ada").unreact(await _with_reaction(playground, message), "❌")
    assert message.reactions == {}
    with pytest.raises(discord.HTTPException):
        await bot_message.add_reaction("not-an-emoji")


async def _with_reaction(playground: Playground, message: Message) -> Message:
    await playground.person("Ada").react(message, "❌")
    return message


async def test_a_bot_edits_only_its_own_messages(
    playground: Playground, bot: PlaygroundBot
) -> None:
    """Messages of others cannot be edited (50005), or deleted without MANAGE_MESSAGES."""
    user_message = await playground.person("Ada").say("mine")
    channel = bot.get_channel(playground.channel.id)
    assert isinstance(channel, discord.TextChannel)
    partial = channel.get_partial_message(user_message.id)
    with pytest.raises(discord.Forbidden) as error:
        await partial.edit(content="x")
    assert error.value.code == 50005
    with pytest.raises(discord.Forbidden):
        await partial.delete()


async def test_a_hidden_channel_cannot_be_seen(playground: Playground, bot: PlaygroundBot) -> None:
    """Without VIEW_CHANNEL, fetching the channel is a 403 (50001)."""
    playground.restricted.bot_permissions &= ~Permission.VIEW_CHANNEL
    with pytest.raises(discord.Forbidden) as error:
        await bot.fetch_channel(playground.restricted.id)
    assert error.value.code == 50001


async def test_commands_work_in_direct_messages(playground: Playground, bot: PlaygroundBot) -> None:
    """In DMs the interaction has a user instead of a member."""
    bot.silent = False
    ada = playground.person("Ada")
    interaction = await ada.slash("imagine", where=ada.dm, prompt="x")
    await playground.until(lambda: interaction.response and interaction.response.buttons)
    assert playground.dms(ada) == [interaction.response]
    assert isinstance(bot.interactions[0].user, discord.User)
    assert bot.interactions[0].context.dm_channel
