"""User commands, and modals with every kind of component, with discord.py."""

from typing import Any

import pytest

from bot.playground import InvalidOption, Playground, UnknownCommand, Upload
from tests.playground_bot import png, start_bot
from tests.playground_modals import agree, everything, greet


async def test_user_commands(playground: Playground) -> None:
    """The target is a member where it is one, and the response says whom it was used on."""
    ada, zoe = playground.person("Ada"), playground.person("Zoe")
    async with start_bot(playground, greet):
        message = await (await ada.use_on_user("Greet", zoe)).finished()
        assert message is not None and message.content == "zoe True"
        assert message.interaction_metadata is not None
        assert message.interaction_metadata.target_user is zoe.user
        zoe.leave(playground.world.default_guild)
        message = await (await ada.use_on_user("Greet", zoe)).finished()
        assert message is not None and message.content == "zoe False"
        with pytest.raises(UnknownCommand):
            await ada.use_on_user("Show recipe", zoe)


async def test_a_modal_with_every_component(playground: Playground) -> None:
    """discord.py gets files as attachments, users resolved, and texts of the chosen options."""
    ada = playground.person("Ada")
    async with start_bot(playground, everything):
        interaction = await ada.slash("everything")
        await interaction.acknowledged()
        picture = Upload("a.png", png())
        values: dict[str, Any] = {"size": "m", "extras": ["x", "y"], "who": ada}
        with pytest.raises(InvalidOption):
            await ada.submit(interaction, values)
        submission = await ada.submit(interaction, values | {"files": picture})
        parts = submission.data["components"]
        ids = [part["id"] for row in parts for part in (row, row.get("component", row))]
        assert sorted(set(ids)) == list(range(1, 10))
        message = await submission.finished()
        expected = ["a.png", len(picture.data), "m", ["x", "y"], "ada"]
        assert message is not None and message.content == repr(expected)


async def test_a_checkbox(playground: Playground) -> None:
    """It is submitted as true or false, by default as it was shown."""
    ada = playground.person("Ada")
    async with start_bot(playground, agree):
        for values, content in (({}, "False"), ({"box": True}, "True")):
            interaction = await ada.slash("agree")
            await interaction.acknowledged()
            message = await (await ada.submit(interaction, values)).finished()
            assert message is not None and message.content == content
