"""Select menus in messages and modals, which discord.py sends and reads."""

from collections.abc import AsyncIterator
from typing import Any

import discord
import pytest

from bot.playground import InvalidOption, Message, NoSuchButton, Playground
from bot.playground.client.modals import FieldValue
from bot.playground.client.selects import SelectValue
from tests.playground_bot import PlaygroundBot, channel_of, start_bot
from tests.playground_menus import Menus, choose, send_menus

Json = dict[str, Any]


@pytest.fixture
async def bot(playground: Playground) -> AsyncIterator[PlaygroundBot]:
    """A bot with the modal, which leaves the menus of messages to their view."""
    async with start_bot(playground, choose) as online:
        online.silent = True
        yield online


async def chosen(playground: Playground, message: Message, menu: str, *values: SelectValue) -> str:
    """The response to a choice of Ada."""
    interaction = await playground.person("Ada").choose(message, menu, *values)
    response = await interaction.finished()
    assert response is not None
    return response.content


async def test_entities_are_chosen_in_a_message(playground: Playground, bot: PlaygroundBot) -> None:
    """Objects, ids, names and mentions are choices; discord.py gets members, roles, channels."""
    ben, role = playground.person("Ben"), playground.add_role("Painters")
    message = await send_menus(playground, bot)
    for user in (ben, ben.id, str(ben.id), "Ben", f"<@{ben.id}>"):
        assert await chosen(playground, message, "user", user) == f"Member {ben.id}"
    assert await chosen(playground, message, "role", role) == f"Role {role.id}"
    assert await chosen(playground, message, "role") == "nothing"
    both = await chosen(playground, message, "both", ben, role)
    assert set(both.split(", ")) == {f"Member {ben.id}", f"Role {role.id}"}
    channel = playground.restricted
    assert (
        await chosen(playground, message, "channel", channel) == f"AppCommandChannel {channel.id}"
    )
    assert playground.violations == []


async def test_a_choice_has_resolved_data(playground: Playground, bot: PlaygroundBot) -> None:
    """It contains users, members and roles by id."""
    ben, role = playground.person("Ben"), playground.add_role("Painters")
    message = await send_menus(playground, bot)
    interaction = await playground.person("Ada").choose(message, "both", ben, role)
    assert interaction.data["component_type"] == 7
    assert interaction.data["values"] == [str(ben.id), str(role.id)]
    resolved = interaction.data["resolved"]
    assert {key: list(entities) for key, entities in resolved.items()} == {
        "users": [str(ben.id)],
        "members": [str(ben.id)],
        "roles": [str(role.id)],
    }
    nothing = await playground.person("Ada").choose(message, "role")
    assert "resolved" not in nothing.data


@pytest.mark.parametrize(
    ("menu", "values", "sentence"),
    [
        ("user", ["Nobody"], "takes a user, not “Nobody”"),
        ("user", ["Zoe"], "takes a user, not “Zoe”"),
        ("user", ["5"], "takes a user"),
        ("user", [], "takes 1 to 1 choices"),
        ("user", ["Ada", "Ben"], "takes 1 to 1 choices"),
        ("role", ["Ada"], "takes a role of this server"),
        ("both", ["Ada", "@ada"], "takes each choice once"),
        ("both", ["general"], "takes a user or a role"),
        ("channel", ["nowhere"], "takes a channel of this server"),
        ("channel", ["sketches"], "takes no channel like #sketches"),
    ],
)
async def test_other_choices_are_refused(
    playground: Playground, bot: PlaygroundBot, menu: str, values: list[str], sentence: str
) -> None:
    """A value that the menu does not offer raises InvalidOption, and nothing is sent."""
    ada, _ = playground.person("Ada"), playground.person("Ben")
    playground.world.default_guild.leave(playground.person("Zoe").user)
    playground.add_thread(playground.channel, "sketches")
    message = await send_menus(playground, bot)
    with pytest.raises(InvalidOption, match=sentence):
        await ada.choose(message, menu, *values)
    assert bot.interactions == []


async def test_options_are_chosen(playground: Playground, bot: PlaygroundBot) -> None:
    """A string select accepts only its options; a disabled menu accepts nothing."""
    ada = playground.person("Ada")
    view = discord.ui.View(timeout=None)
    options = [discord.SelectOption(label=label) for label in ("small", "large")]
    view.add_item(discord.ui.Select(custom_id="size", options=options, max_values=2))
    view.add_item(discord.ui.UserSelect(custom_id="off", disabled=True))
    await channel_of(bot, playground).send("Which?", view=view)
    message = playground.messages()[-1]
    interaction = await ada.choose(message, "size", "small", "large")
    assert interaction.data["values"] == ["small", "large"]
    for values, sentence in ((["huge"], "one of: large, small"), (["small"] * 2, "once")):
        with pytest.raises(InvalidOption, match=sentence):
            await ada.choose(message, "size", *values)
    with pytest.raises(NoSuchButton):
        await ada.choose(message, "off", ada)


async def test_users_are_chosen_in_a_dm(playground: Playground, bot: PlaygroundBot) -> None:
    """A DM channel has two users, and neither roles nor channels."""
    ada, ben = playground.person("Ada"), playground.person("Ben")
    await bot.get_partial_messageable(ada.dm.id).send("Choose", view=Menus())
    message = playground.dms(ada)[-1]
    assert await chosen(playground, message, "user", ada) == f"User {ada.id}"
    for menu, value in (("user", ben.name), ("channel", "general"), ("role", "Moderators")):
        with pytest.raises(InvalidOption):
            await ada.choose(message, menu, value)


async def submitted(playground: Playground, values: dict[str, FieldValue]) -> str:
    """The response to the modal that Ada submits with these values."""
    ada = playground.person("Ada")
    interaction = await ada.slash("choose")
    await interaction.acknowledged()
    response = await (await ada.submit(interaction, values)).finished()
    assert response is not None
    return response.content


async def test_entities_are_chosen_in_a_modal(playground: Playground, bot: PlaygroundBot) -> None:
    """discord.py gets members, roles and channels."""
    ben, role = playground.person("Ben"), playground.add_role("Painters")
    channel = playground.restricted
    assert await submitted(playground, {"user": ben}) == f"Member {ben.id}"
    text = await submitted(
        playground, {"user": "Ben", "role": [role], "both": [ben, role], "channel": channel}
    )
    assert set(text.split(", ")) == {
        f"Member {ben.id}",
        f"Role {role.id}",
        f"AppCommandChannel {channel.id}",
    }
    data: Json = playground.interactions.find(bot.interactions[-1].id).data  # type: ignore[union-attr] # it is
    assert set(data["resolved"]) == {"users", "members", "roles", "channels"}
    assert playground.violations == []


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({}, "The field User takes 1 to 1 choices"),
        ({"user": "Nobody"}, "The field User takes a user"),
        ({"user": "Ada", "role": "Nobody"}, "The field Role takes a role"),
        ({"user": "Ada", "channel": "sketches"}, "The field Channel takes no channel like"),
    ],
)
async def test_wrong_values_of_a_modal_are_refused(
    playground: Playground, bot: PlaygroundBot, values: dict[str, FieldValue], sentence: str
) -> None:
    """InvalidOption names the field, and nothing is sent."""
    playground.add_thread(playground.channel, "sketches")
    with pytest.raises(InvalidOption, match=sentence):
        await submitted(playground, values)
    assert len(bot.interactions) == 1
