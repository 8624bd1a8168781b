"""Reactions that are removed together, with discord.py's events and requests."""

import asyncio

import discord
import pytest

from bot.playground import NotPermitted, Permission, Playground
from tests.playground_bot import PlaygroundBot, channel_of


async def test_a_moderator_clears_reactions(playground: Playground, bot: PlaygroundBot) -> None:
    """One event covers all reactions, or all with one emoji; single removals have no event."""
    ada, ben = playground.person("Ada"), playground.person("Ben")
    mod = playground.person("Mod", moderator=True)
    events: list[str] = []
    playground.world.event_listeners.append(lambda event: events.append(event.name))
    message = await ada.say("look")
    for emoji in ("🔁", "❌", "🚩"):
        for person in (ada, ben):
            await person.react(message, emoji)
    emoji_cleared = asyncio.create_task(bot.wait_for("raw_reaction_clear_emoji", timeout=10))
    cleared = asyncio.create_task(bot.wait_for("raw_reaction_clear", timeout=10))
    await asyncio.sleep(0)
    await mod.clear_reactions(message, "🔁")
    emoji_event = await emoji_cleared
    assert (emoji_event.message_id, str(emoji_event.emoji)) == (message.id, "🔁")
    assert set(message.reactions) == {"❌", "🚩"}
    await mod.clear_reactions(message)
    event = await cleared
    assert (event.message_id, event.guild_id) == (message.id, playground.guild_id)
    assert message.reactions == {}
    await mod.clear_reactions(message)
    assert events[-2:] == ["MESSAGE_REACTION_REMOVE_EMOJI", "MESSAGE_REACTION_REMOVE_ALL"]
    assert "MESSAGE_REACTION_REMOVE" not in events


async def test_others_cannot_clear_reactions(playground: Playground) -> None:
    """It needs MANAGE_MESSAGES."""
    ada = playground.person("Ada")
    message = await ada.say("look")
    await ada.react(message, "🔁")
    with pytest.raises(NotPermitted, match="Only moderators"):
        await ada.clear_reactions(message)
    assert message.reactions


@pytest.mark.parametrize("emoji", [None, "🔁"])
async def test_a_bot_clears_reactions(
    playground: Playground, bot: PlaygroundBot, emoji: str | None
) -> None:
    """discord.py's requests remove them together, and the bot receives the event itself."""
    playground.channel.bot_permissions |= Permission.MANAGE_MESSAGES
    ada = playground.person("Ada")
    message = await ada.say("look")
    await ada.react(message, "🔁")
    event = "raw_reaction_clear" if emoji is None else "raw_reaction_clear_emoji"
    cleared = asyncio.create_task(bot.wait_for(event, timeout=10))
    partial = channel_of(bot, playground).get_partial_message(message.id)
    await (partial.clear_reactions() if emoji is None else partial.clear_reaction(emoji))
    assert (await cleared).message_id == message.id
    assert message.reactions == {}


async def test_reactions_in_dms_cannot_be_cleared(
    playground: Playground, bot: PlaygroundBot
) -> None:
    """A DM channel has no moderators (50003)."""
    ada = playground.person("Ada")
    message = await ada.say("look", where=ada.dm)
    await ada.react(message, "🔁")
    dm = bot.get_partial_messageable(ada.dm.id)
    with pytest.raises(discord.Forbidden) as error:
        await dm.get_partial_message(message.id).clear_reactions()
    assert error.value.code == 50003
    assert message.reactions
    with pytest.raises(NotPermitted):
        await ada.clear_reactions(message)
