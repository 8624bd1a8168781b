"""The real discord.py on the local Discord: commands, answers, buttons, reactions, messages."""

import asyncio

import discord
import pytest

from bot.playground import (
    InvalidOption,
    NoSuchButton,
    NotPermitted,
    Permission,
    Playground,
    UnknownCommand,
    Upload,
)
from tests.playground_bot import Easel, channel_of, file, png


async def test_the_bot_comes_online_and_knows_its_guild(here: Playground, bot: Easel) -> None:
    """Login, command sync and gateway give the bot its user, its guild and its channels."""
    assert here.online
    assert [guild.id for guild in bot.guilds] == [here.guild]
    assert [c.name for c in bot.guilds[0].text_channels] == ["general", "after-dark"]
    assert channel_of(bot, here).permissions_for(bot.guilds[0].me).attach_files
    assert here.violations == []


async def test_a_command_is_deferred_and_edited_into_a_picture(
    here: Playground, bot: Easel
) -> None:
    """One message goes from thinking over half done to the picture with its buttons."""
    ada = here.person("Ada")
    asked = await ada.slash("imagine", prompt="a red house", seed=7)
    await asked.acknowledged()
    await here.until(lambda: asked.response and asked.response.buttons, why="the picture is there")
    message = asked.response
    assert message is not None
    assert here.messages() == [message]
    assert [edit.filenames for edit in message.edits] == [(), ("half.png",), ("grid.png",)]
    assert message.attachments[0].data == png("steelblue", 256)
    assert message.buttons == ["U1", "🔄", "V1"]
    assert "seed 7" in message.content
    assert here.violations == []


async def test_a_mention_without_leave_pings_nobody(here: Playground, bot: Easel) -> None:
    """AllowedMentions.none() keeps a mention in the text from ringing; without it, it rings."""
    ada = here.person("Ada")
    asked = await ada.slash("imagine", prompt="x")
    await here.until(lambda: asked.response and asked.response.buttons)
    assert asked.response is not None
    assert asked.response.pings == frozenset()
    await channel_of(bot, here).send(
        f"<@{ada.id}> @everyone", allowed_mentions=discord.AllowedMentions.all()
    )
    assert here.messages()[-1].pings == {"Ada", "everyone"}


async def test_a_file_option_reaches_the_bot(here: Playground, bot: Easel) -> None:
    """The bot reads the bytes of an uploaded sketch from the CDN address it was given."""
    sketch = Upload("sketch.png", png("gold"))
    asked = await here.person("Ada").slash("imagine", prompt="x", sketch=sketch)
    await here.until(lambda: asked.response and asked.response.buttons)
    assert asked.response is not None
    assert f"{len(sketch.data)} bytes" in asked.response.content


async def test_a_button_answers_privately(here: Playground, bot: Easel) -> None:
    """Only who pressed sees an ephemeral answer, and it is no message of the channel."""
    ada, ben = here.person("Ada"), here.person("Ben")
    await channel_of(bot, here).send("press", view=_view())
    pressed = await ben.click(here.messages()[0], "Go")
    await pressed.finished()
    assert [message.content for message in pressed.ephemerals] == ["pressed go"]
    assert len(here.messages()) == 1
    assert len(here.messages(to=ben)) == 2
    assert here.messages(to=ada) == here.messages()
    with pytest.raises(NotPermitted, match="does not see"):
        await ada.click(pressed.ephemerals[0], "Go")


def _view() -> discord.ui.View:
    view = discord.ui.View(timeout=None)
    view.add_item(discord.ui.Button(label="Go", custom_id="go"))
    view.add_item(discord.ui.Button(label="Off", custom_id="off", disabled=True))
    return view


async def test_a_button_that_is_not_there_cannot_be_pressed(here: Playground, bot: Easel) -> None:
    """Unknown and disabled buttons are refused in words, as a client has nothing to press."""
    await channel_of(bot, here).send("press", view=_view())
    message = here.messages()[0]
    with pytest.raises(NoSuchButton, match="the buttons are: Go, Off"):
        await here.person("Ada").click(message, "Stop")
    with pytest.raises(NoSuchButton, match="disabled"):
        await here.person("Ada").click(message, "Off")


async def test_followups_come_after_and_can_go(here: Playground, bot: Easel) -> None:
    """A followup is a message of its own; once the original is deleted it may be private."""
    ada = here.person("Ada")
    asked = await ada.slash("imagine", prompt="x")
    await here.until(lambda: asked.response and asked.response.buttons)
    follow = await bot.asked[0].followup.send("more", wait=True)
    assert here.messages()[-1].content == "more"
    await follow.delete()
    await bot.asked[0].delete_original_response()
    await bot.asked[0].followup.send("That is no picture.", ephemeral=True)
    assert here.messages() == []
    assert asked.response is not None
    assert asked.response.deleted
    assert [m.content for m in asked.ephemerals] == ["That is no picture."]


async def test_the_first_followup_replaces_thinking(here: Playground, bot: Easel) -> None:
    """After a deferral the first followup edits the placeholder, and its privacy wins."""
    bot.silent = True
    asked = await here.person("Ada").slash("imagine", prompt="x")
    await here.until(lambda: bot.asked)
    await bot.asked[0].response.defer(thinking=True)
    assert asked.response is not None
    assert asked.response.loading
    await bot.asked[0].followup.send("here", ephemeral=True)
    assert [m.content for m in here.messages()] == ["here"]
    assert not asked.response.loading


async def test_an_edit_keeps_only_the_attachments_it_lists(here: Playground, bot: Easel) -> None:
    """Omitting a file in `attachments` removes it; an edit without the field keeps all."""
    message = await channel_of(bot, here).send(files=[file("a.png"), file("b.png")])
    await message.edit(content="kept")
    seen = here.messages()[0]
    assert [a.filename for a in seen.attachments] == ["a.png", "b.png"]
    await message.edit(attachments=[message.attachments[1], file("c.png")])
    assert [a.filename for a in seen.attachments] == ["b.png", "c.png"]


async def test_reactions_reach_the_bot_with_the_author(here: Playground, bot: Easel) -> None:
    """A raw reaction tells who, on what, and whether they moderate."""
    await channel_of(bot, here).send("look")
    message = here.messages()[0]
    await here.person("Ada").react(message, "🔁")
    await here.person("Mod", moderator=True).react(message, "❌")
    await here.until(lambda: len(bot.reactions) == 2)
    first, second = bot.reactions
    assert bot.user is not None
    assert (str(first.emoji), first.message_author_id) == ("🔁", bot.user.id)
    assert first.member is not None
    assert second.member is not None
    assert not first.member.guild_permissions.manage_messages
    assert second.member.guild_permissions.manage_messages


async def test_the_bot_reacts_and_takes_it_back(here: Playground, bot: Easel) -> None:
    """The bot's own reactions come and go; taking away another's needs a permission it lacks."""
    sent = await channel_of(bot, here).send("look")
    message = here.messages()[0]
    await sent.add_reaction("✉️")
    assert list(message.reactions) == ["✉️"]
    await sent.remove_reaction("✉️", bot.guilds[0].me)
    assert message.reactions == {}
    ada = here.person("Ada")
    await ada.react(message, "❌")
    with pytest.raises(discord.Forbidden):
        await sent.remove_reaction("❌", discord.Object(ada.id))
    here.channel.bot_permissions |= Permission.MANAGE_MESSAGES
    await sent.remove_reaction("❌", discord.Object(ada.id))
    assert message.reactions == {}


async def test_a_client_refuses_what_the_command_does_not_allow(
    here: Playground, bot: Easel
) -> None:
    """Types, ranges, choices and required options are checked before anything is sent."""
    ada = here.person("Ada")
    with pytest.raises(InvalidOption, match="prompt is required"):
        await ada.slash("imagine")
    with pytest.raises(InvalidOption, match="seed takes a number from 0 to 4294967295"):
        await ada.slash("imagine", prompt="x", seed=-1)
    with pytest.raises(InvalidOption, match="aspect takes one of: square, wide"):
        await ada.slash("imagine", prompt="x", aspect="round")
    with pytest.raises(InvalidOption, match="1 to 1000 characters"):
        await ada.slash("imagine", prompt="x" * 1001)
    with pytest.raises(InvalidOption, match="no option called colour"):
        await ada.slash("imagine", prompt="x", colour="red")
    with pytest.raises(UnknownCommand, match="no command called /paint"):
        await ada.slash("paint", prompt="x")
    assert bot.asked == []


async def test_an_unchecked_client_sends_anything(here: Playground, bot: Easel) -> None:
    """A foreign client's values reach the bot as they are."""
    await here.person("Ada").slash("imagine", checked=False, prompt="x" * 5000, seed=-1)
    await here.until(lambda: bot.asked)
    assert bot.option_values(0) == {"prompt": "x" * 5000, "seed": -1}


async def test_only_the_author_and_moderators_delete(here: Playground, bot: Easel) -> None:
    """A member cannot delete another's message; a moderator can."""
    await channel_of(bot, here).send("mine")
    message = here.messages()[0]
    with pytest.raises(NotPermitted, match="Only its author and moderators"):
        await here.person("Ada").delete(message)
    await here.person("Mod", moderator=True).delete(message)
    assert here.messages() == []


async def test_two_people_ask_at_once(here: Playground, bot: Easel) -> None:
    """Each gets their own message."""
    people = [here.person("Ada"), here.person("Ben")]
    asked = await asyncio.gather(*(p.slash("imagine", prompt=p.name) for p in people))
    await here.until(lambda: all(a.response and a.response.buttons for a in asked))
    assert {m.content.split("**")[1] for m in here.messages()} == {"Ada", "Ben"}


async def test_options_complete_themselves(here: Playground, bot: Easel) -> None:
    """What the bot offers for a half-typed option comes back as choices."""
    typed = await here.person("Ada").complete("describe", "model", "sta")
    await typed.acknowledged()
    assert typed.choices is not None
    assert [choice["value"] for choice in typed.choices] == ["starter", "stable"]


async def test_a_menu_is_chosen_from(here: Playground, bot: Easel) -> None:
    """A select menu tells the bot what was chosen."""
    ada = here.person("Ada")
    asked = await ada.slash("describe", model="starter")
    message = await asked.finished()
    assert message is not None
    chosen = await ada.choose(message, "size", "large")
    await chosen.finished()
    assert [m.content for m in chosen.ephemerals] == ["pressed size"]
    with pytest.raises(NoSuchButton, match="no menu"):
        await ada.choose(message, "colour", "red")


async def test_a_form_is_filled_in(here: Playground, bot: Easel) -> None:
    """A modal is an answer; what is typed into it is an interaction of its own."""
    ada = here.person("Ada")
    asked = await ada.slash("form")
    await asked.acknowledged()
    sent = await ada.submit(asked, {"prompt": "a blue boat"})
    message = await sent.finished()
    assert message is not None
    assert message.content == "now: a blue boat"


async def test_a_message_command_gets_its_message(here: Playground, bot: Easel) -> None:
    """The Apps menu of a message hands the bot that message."""
    ada = here.person("Ada")
    asked = await ada.use("Show recipe", await ada.say("red house"))
    await asked.finished()
    assert [m.content for m in asked.ephemerals] == ["of: red house"]
