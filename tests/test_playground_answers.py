"""Every way to answer an interaction on the local Discord, by the real discord.py."""

import discord
import pytest

from bot.playground import Interaction, Message, NotPermitted, Permission, Playground
from tests.playground_bot import Easel, file


@pytest.fixture(autouse=True)
def silent(bot: Easel) -> None:
    """The bot leaves the answering to the test."""
    bot.silent = True


async def post(bot: Easel, here: Playground) -> tuple[Message, discord.Message]:
    """A message with a button, as its readers and as the bot know it."""
    channel = bot.get_channel(here.channel.id)
    assert isinstance(channel, discord.TextChannel)
    view = discord.ui.View(timeout=None)
    view.add_item(discord.ui.Button(label="Go", custom_id="go"))
    sent = await channel.send("press", view=view)
    return here.messages()[-1], sent


async def press(
    bot: Easel, here: Playground, message: Message
) -> tuple[Interaction, discord.Interaction]:
    """Ada presses the button; both ends of the interaction."""
    before = len(bot.asked)
    pressed = await here.person("Ada").click(message, "Go")
    await here.until(lambda: len(bot.asked) > before)
    return pressed, bot.asked[-1]


async def test_a_button_changes_its_message(here: Playground, bot: Easel) -> None:
    """Callback type 7 edits the message with the button, in place."""
    message, _ = await post(bot, here)
    pressed, asked = await press(bot, here, message)
    await asked.response.edit_message(content="pressed", view=None, attachments=[file()])
    assert pressed.response is message
    assert (message.content, message.buttons) == ("pressed", [])
    assert [a.filename for a in message.attachments] == ["a.png"]


async def test_a_button_is_answered_later(here: Playground, bot: Easel) -> None:
    """Callback type 6 shows nothing; the original is then the message with the button."""
    message, _ = await post(bot, here)
    _, asked = await press(bot, here, message)
    await asked.response.defer()
    assert message.content == "press"
    original = await asked.original_response()
    assert original.id == message.id
    await asked.edit_original_response(content="later")
    assert message.content == "later"
    await asked.followup.send("and more")
    assert here.messages()[-1].content == "and more"


async def test_an_update_of_a_deleted_message_is_unknown(here: Playground, bot: Easel) -> None:
    """When the message is gone, editing it by its button is 10008."""
    message, sent = await post(bot, here)
    _, asked = await press(bot, here, message)
    await sent.delete()
    with pytest.raises(discord.NotFound) as gone:
        await asked.response.edit_message(content="x")
    assert gone.value.code == 10008


async def test_answers_are_fetched_edited_and_deleted_by_the_webhook(
    here: Playground, bot: Easel
) -> None:
    """A followup has all the verbs that the original has; deleted, it is unknown."""
    message, _ = await post(bot, here)
    _, asked = await press(bot, here, message)
    await asked.response.send_message("first")
    follow = await asked.followup.send("second", wait=True)
    assert (await asked.followup.fetch_message(follow.id)).content == "second"
    await asked.followup.edit_message(follow.id, content="changed")
    assert here.messages()[-1].content == "changed"
    await asked.followup.delete_message(follow.id)
    with pytest.raises(discord.NotFound):
        await asked.followup.fetch_message(follow.id)


async def test_a_private_answer_is_not_found_by_its_channel(here: Playground, bot: Easel) -> None:
    """Ephemeral messages have no reactions and no channel edits."""
    message, _ = await post(bot, here)
    pressed, asked = await press(bot, here, message)
    await asked.response.send_message("for you", ephemeral=True)
    private = pressed.ephemerals[0]
    channel = bot.get_channel(here.channel.id)
    assert isinstance(channel, discord.TextChannel)
    with pytest.raises(discord.NotFound):
        await channel.get_partial_message(private.id).edit(content="x")
    with pytest.raises(NotPermitted):
        await here.person("Ada").react(private, "🔁")
    await here.person("Ada").delete(private)
    assert pressed.ephemerals == []


@pytest.mark.parametrize(
    "answer",
    [
        {"type": 99},
        {"type": 8, "data": {"choices": []}},
        {"type": 5, "data": {"flags": 1 << 15}},
        {"type": 9, "data": {"title": "x" * 46, "custom_id": "x", "components": [{"type": 1}]}},
        {"type": 9, "data": {"title": "x", "custom_id": "x", "components": []}},
        {"type": 4, "data": {"content": "x" * 2001}},
    ],
)
async def test_a_wrong_answer_leaves_the_interaction_open(
    here: Playground, bot: Easel, answer: dict[str, object]
) -> None:
    """A refused callback (50035) acknowledges nothing; a right one still can."""
    message, _ = await post(bot, here)
    _, asked = await press(bot, here, message)
    route = discord.http.Route(
        "POST",
        "/interactions/{interaction_id}/{interaction_token}/callback",
        interaction_id=asked.id,
        interaction_token=asked.token,
    )
    with pytest.raises(discord.HTTPException) as refused:
        await bot.http.request(route, json=answer)
    assert refused.value.code == 50035
    assert await bot.http.request(route, json={"type": 6}) == ""


async def test_a_reply_points_at_its_message(here: Playground, bot: Easel) -> None:
    """A reply carries its reference and rings its author only with leave."""
    said = await here.person("Ada").say("paint this")
    channel = bot.get_channel(here.channel.id)
    assert isinstance(channel, discord.TextChannel)
    partial = channel.get_partial_message(said.id)
    await partial.reply("done")
    reply = here.messages()[-1]
    assert reply.reference is said
    assert reply.pings == frozenset()
    await partial.reply("done", mention_author=True)
    assert here.messages()[-1].pings == {"Ada"}
    await here.person("Ada").delete(said)
    with pytest.raises(discord.HTTPException):
        await partial.reply("too late")
    lenient = discord.MessageReference.from_message(partial, fail_if_not_exists=False)
    await channel.send("still", reference=lenient)
    assert here.messages()[-1].content == "still"


async def test_reactions_are_listed_and_cleared(here: Playground, bot: Easel) -> None:
    """Who reacted can be asked; clearing them all needs a permission."""
    message, sent = await post(bot, here)
    await here.person("Ada").react(message, "🔁")
    await here.person("Ben").react(message, "🔁")
    await here.person("Ben").react(message, "🔁")
    fetched = await sent.fetch()
    assert [(str(r.emoji), r.count, r.me) for r in fetched.reactions] == [("🔁", 2, False)]
    assert {user.name async for user in fetched.reactions[0].users()} == {"ada", "ben"}
    with pytest.raises(discord.Forbidden):
        await sent.clear_reactions()
    here.channel.bot_permissions |= Permission.MANAGE_MESSAGES
    await sent.clear_reaction("🔁")
    await here.person("Ada").unreact(await _reacted(here, message), "❌")
    assert message.reactions == {}
    with pytest.raises(discord.HTTPException):
        await sent.add_reaction("not-an-emoji")


async def _reacted(here: Playground, message: Message) -> Message:
    await here.person("Ada").react(message, "❌")
    return message


async def test_a_bot_edits_only_its_own(here: Playground, bot: Easel) -> None:
    """Another's message cannot be edited (50005), nor deleted without the permission."""
    said = await here.person("Ada").say("mine")
    channel = bot.get_channel(here.channel.id)
    assert isinstance(channel, discord.TextChannel)
    partial = channel.get_partial_message(said.id)
    with pytest.raises(discord.Forbidden) as refused:
        await partial.edit(content="x")
    assert refused.value.code == 50005
    with pytest.raises(discord.Forbidden):
        await partial.delete()


async def test_a_hidden_channel_cannot_be_seen(here: Playground, bot: Easel) -> None:
    """Without VIEW_CHANNEL everything in it is a 403 (50001)."""
    here.restricted.bot_permissions &= ~Permission.VIEW_CHANNEL
    with pytest.raises(discord.Forbidden) as hidden:
        await bot.fetch_channel(here.restricted.id)
    assert hidden.value.code == 50001


async def test_commands_work_in_direct_messages(here: Playground, bot: Easel) -> None:
    """There the bot gets a user instead of a member, and answers in the same place."""
    bot.silent = False
    ada = here.person("Ada")
    asked = await ada.slash("imagine", where=ada.dm, prompt="x")
    await here.until(lambda: asked.response and asked.response.buttons)
    assert here.dms(ada) == [asked.response]
    assert isinstance(bot.asked[0].user, discord.User)
    assert bot.asked[0].context.dm_channel
