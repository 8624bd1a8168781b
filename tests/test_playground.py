"""discord.py connected to the playground: commands, responses, buttons, reactions, messages."""

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
from tests.playground_bot import PlaygroundBot, channel_of, file, png


async def test_the_bot_comes_online_and_knows_its_guild(
    playground: Playground, bot: PlaygroundBot
) -> None:
    """After login and command sync, the bot's cache has its user, guild and channels."""
    assert playground.online
    assert [guild.id for guild in bot.guilds] == [playground.guild_id]
    assert [c.name for c in bot.guilds[0].text_channels] == ["general", "after-dark"]
    assert channel_of(bot, playground).permissions_for(bot.guilds[0].me).attach_files
    assert playground.violations == []


async def test_a_command_is_deferred_and_edited_into_a_picture(
    playground: Playground, bot: PlaygroundBot
) -> None:
    """The original response is edited from loading to a preview, then to the final picture."""
    ada = playground.person("Ada")
    interaction = await ada.slash("imagine", prompt="a red house", seed=7)
    await interaction.acknowledged()
    await playground.until(
        lambda: interaction.response and interaction.response.buttons, why="the picture is posted"
    )
    message = interaction.response
    assert message is not None
    assert playground.messages() == [message]
    assert [edit.filenames for edit in message.edits] == [(), ("half.png",), ("grid.png",)]
    assert message.attachments[0].data == png("steelblue", 256)
    assert message.buttons == ["U1", "🔄", "V1"]
    assert "seed 7" in message.content
    assert playground.violations == []


async def test_a_mention_that_is_not_allowed_pings_nobody(
    playground: Playground, bot: PlaygroundBot
) -> None:
    """AllowedMentions.none() suppresses mentions in the content; all() does not."""
    ada = playground.person("Ada")
    interaction = await ada.slash("imagine", prompt="x")
    await playground.until(lambda: interaction.response and interaction.response.buttons)
    assert interaction.response is not None
    assert interaction.response.pings == frozenset()
    playground.channel.bot_permissions |= Permission.MENTION_EVERYONE
    await channel_of(bot, playground).send(
        f"<@{ada.id}> @everyone", allowed_mentions=discord.AllowedMentions.all()
    )
    assert playground.messages()[-1].pings == {"Ada", "everyone"}


async def test_a_file_option_reaches_the_bot(playground: Playground, bot: PlaygroundBot) -> None:
    """The bot downloads the file of an attachment option from its CDN URL."""
    sketch = Upload("sketch.png", png("gold"))
    interaction = await playground.person("Ada").slash("imagine", prompt="x", sketch=sketch)
    await playground.until(lambda: interaction.response and interaction.response.buttons)
    assert interaction.response is not None
    assert f"{len(sketch.data)} bytes" in interaction.response.content


async def test_a_button_responds_ephemerally(playground: Playground, bot: PlaygroundBot) -> None:
    """An ephemeral response is visible only to the user who clicked."""
    ada, ben = playground.person("Ada"), playground.person("Ben")
    await channel_of(bot, playground).send("press", view=_view())
    interaction = await ben.click(playground.messages()[0], "Go")
    await interaction.finished()
    assert [message.content for message in interaction.ephemerals] == ["pressed go"]
    assert len(playground.messages()) == 1
    assert len(playground.messages(to=ben)) == 2
    assert playground.messages(to=ada) == playground.messages()
    with pytest.raises(NotPermitted, match="does not see"):
        await ada.click(interaction.ephemerals[0], "Go")


def _view() -> discord.ui.View:
    view = discord.ui.View(timeout=None)
    view.add_item(discord.ui.Button(label="Go", custom_id="go"))
    view.add_item(discord.ui.Button(label="Off", custom_id="off", disabled=True))
    return view


async def test_unknown_and_disabled_buttons_cannot_be_clicked(
    playground: Playground, bot: PlaygroundBot
) -> None:
    """Clicking an unknown or disabled button raises NoSuchButton."""
    await channel_of(bot, playground).send("press", view=_view())
    message = playground.messages()[0]
    with pytest.raises(NoSuchButton, match="the buttons are: Go, Off"):
        await playground.person("Ada").click(message, "Stop")
    with pytest.raises(NoSuchButton, match="disabled"):
        await playground.person("Ada").click(message, "Off")


async def test_followups_are_sent_and_deleted(playground: Playground, bot: PlaygroundBot) -> None:
    """A followup is a separate message; after the original is deleted it may be ephemeral."""
    ada = playground.person("Ada")
    interaction = await ada.slash("imagine", prompt="x")
    await playground.until(lambda: interaction.response and interaction.response.buttons)
    followup = await bot.interactions[0].followup.send("more", wait=True)
    assert playground.messages()[-1].content == "more"
    await followup.delete()
    await bot.interactions[0].delete_original_response()
    await bot.interactions[0].followup.send("That is no picture.", ephemeral=True)
    assert playground.messages() == []
    assert interaction.response is not None
    assert interaction.response.deleted
    assert [m.content for m in interaction.ephemerals] == ["That is no picture."]


async def test_the_first_followup_replaces_the_loading_response(
    playground: Playground, bot: PlaygroundBot
) -> None:
    """The first followup after a deferral edits the loading response and keeps its visibility."""
    bot.silent = True
    interaction = await playground.person("Ada").slash("imagine", prompt="x")
    await playground.until(lambda: bot.interactions)
    await bot.interactions[0].response.defer(thinking=True)
    assert interaction.response is not None
    assert interaction.response.loading
    await bot.interactions[0].followup.send("here", ephemeral=True)
    assert [m.content for m in playground.messages()] == ["here"]
    assert not interaction.response.loading


async def test_an_edit_keeps_only_the_attachments_it_lists(
    playground: Playground, bot: PlaygroundBot
) -> None:
    """An attachment missing from `attachments` is removed; without the field all are kept."""
    message = await channel_of(bot, playground).send(files=[file("a.png"), file("b.png")])
    await message.edit(content="kept")
    stored = playground.messages()[0]
    assert [a.filename for a in stored.attachments] == ["a.png", "b.png"]
    await message.edit(attachments=[message.attachments[1], file("c.png")])
    assert [a.filename for a in stored.attachments] == ["b.png", "c.png"]


async def test_reactions_reach_the_bot_with_the_author(
    playground: Playground, bot: PlaygroundBot
) -> None:
    """A reaction event has the message author and the member's permissions."""
    await channel_of(bot, playground).send("look")
    message = playground.messages()[0]
    await playground.person("Ada").react(message, "🔁")
    await playground.person("Mod", moderator=True).react(message, "❌")
    await playground.until(lambda: len(bot.reactions) == 2)
    first, second = bot.reactions
    assert bot.user is not None
    assert (str(first.emoji), first.message_author_id) == ("🔁", bot.user.id)
    assert first.member is not None
    assert second.member is not None
    assert not first.member.guild_permissions.manage_messages
    assert second.member.guild_permissions.manage_messages


async def test_the_bot_adds_and_removes_a_reaction(
    playground: Playground, bot: PlaygroundBot
) -> None:
    """The bot removes its own reactions; removing others needs MANAGE_MESSAGES."""
    bot_message = await channel_of(bot, playground).send("look")
    message = playground.messages()[0]
    await bot_message.add_reaction("✉️")
    assert list(message.reactions) == ["✉️"]
    await bot_message.remove_reaction("✉️", bot.guilds[0].me)
    assert message.reactions == {}
    ada = playground.person("Ada")
    await ada.react(message, "❌")
    with pytest.raises(discord.Forbidden):
        await bot_message.remove_reaction("❌", discord.Object(ada.id))
    playground.channel.bot_permissions |= Permission.MANAGE_MESSAGES
    await bot_message.remove_reaction("❌", discord.Object(ada.id))
    assert message.reactions == {}


async def test_a_client_refuses_what_the_command_does_not_allow(
    playground: Playground, bot: PlaygroundBot
) -> None:
    """Types, ranges, choices and required options are validated before an interaction is sent."""
    ada = playground.person("Ada")
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
    assert bot.interactions == []


async def test_an_unchecked_client_sends_anything(
    playground: Playground, bot: PlaygroundBot
) -> None:
    """With `checked=False` the values reach the bot without validation."""
    await playground.person("Ada").slash("imagine", checked=False, prompt="x" * 5000, seed=-1)
    await playground.until(lambda: bot.interactions)
    assert bot.option_values(0) == {"prompt": "x" * 5000, "seed": -1}


async def test_only_the_author_and_moderators_delete(
    playground: Playground, bot: PlaygroundBot
) -> None:
    """A member cannot delete another user's message; a moderator can."""
    await channel_of(bot, playground).send("mine")
    message = playground.messages()[0]
    with pytest.raises(NotPermitted, match="Only its author and moderators"):
        await playground.person("Ada").delete(message)
    await playground.person("Mod", moderator=True).delete(message)
    assert playground.messages() == []


async def test_two_users_invoke_at_once(playground: Playground, bot: PlaygroundBot) -> None:
    """Each user gets a separate response."""
    people = [playground.person("Ada"), playground.person("Ben")]
    interactions = await asyncio.gather(
        *(person.slash("imagine", prompt=person.name) for person in people)
    )
    await playground.until(lambda: all(i.response and i.response.buttons for i in interactions))
    assert {m.content.split("**")[1] for m in playground.messages()} == {"Ada", "Ben"}


async def test_options_are_autocompleted(playground: Playground, bot: PlaygroundBot) -> None:
    """The bot's autocomplete result is in the interaction's choices."""
    interaction = await playground.person("Ada").complete("describe", "model", "sta")
    await interaction.acknowledged()
    assert interaction.choices is not None
    assert [choice["value"] for choice in interaction.choices] == ["starter", "stable"]


async def test_a_select_menu_is_used(playground: Playground, bot: PlaygroundBot) -> None:
    """Choosing from a select menu sends a component interaction."""
    ada = playground.person("Ada")
    interaction = await ada.slash("describe", model="starter")
    message = await interaction.finished()
    assert message is not None
    selection = await ada.choose(message, "size", "large")
    await selection.finished()
    assert [m.content for m in selection.ephemerals] == ["pressed size"]
    with pytest.raises(NoSuchButton, match="no menu"):
        await ada.choose(message, "colour", "red")


async def test_a_modal_is_submitted(playground: Playground, bot: PlaygroundBot) -> None:
    """A modal is a response; submitting it is another interaction."""
    ada = playground.person("Ada")
    interaction = await ada.slash("form")
    await interaction.acknowledged()
    submission = await ada.submit(interaction, {"prompt": "a blue boat"})
    message = await submission.finished()
    assert message is not None
    assert message.content == "now: a blue boat"


async def test_a_message_command_gets_its_message(
    playground: Playground, bot: PlaygroundBot
) -> None:
    """A message command receives its target message."""
    ada = playground.person("Ada")
    interaction = await ada.use("Show recipe", await ada.say("red house"))
    await interaction.finished()
    assert [m.content for m in interaction.ephemerals] == ["of: red house"]
