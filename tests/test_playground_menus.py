"""User commands, and modals with every kind of component, with discord.py."""

from typing import Any

import discord
import pytest
from discord import app_commands, ui

from bot.playground import InvalidOption, Playground, UnknownCommand, Upload
from tests.playground_bot import png, start_bot


@app_commands.context_menu(name="Greet")
async def greet(interaction: discord.Interaction, user: discord.User | discord.Member) -> None:
    """Respond with the user's name and whether it is a member here."""
    await interaction.response.send_message(f"{user.name} {isinstance(user, discord.Member)}")


class Everything(ui.Modal, title="Everything"):
    """A modal with one component of each kind, in labels."""

    note: Any = ui.TextDisplay("Read this.")
    files: Any = ui.Label(text="Files", component=ui.FileUpload(custom_id="files", max_values=2))
    size: Any = ui.Label(
        text="Size",
        component=ui.RadioGroup(
            custom_id="size",
            options=[discord.RadioGroupOption(label=size, value=size) for size in ("s", "m")],
        ),
    )
    extras: Any = ui.Label(
        text="Extras",
        component=ui.CheckboxGroup(
            custom_id="extras",
            options=[discord.CheckboxGroupOption(label=name, value=name) for name in ("x", "y")],
        ),
    )
    person: Any = ui.Label(text="Who", component=ui.UserSelect(custom_id="who"))

    async def on_submit(self, interaction: discord.Interaction) -> None:
        """Respond with all values."""
        [file] = self.files.component.values
        values = [file.filename, len(await file.read()), self.size.component.value]
        values += [self.extras.component.values, self.person.component.values[0].name]
        await interaction.response.send_message(repr(values))


class Agreement(ui.Modal, title="Agreement"):
    """A modal with a checkbox."""

    box: Any = ui.Label(text="I agree", component=ui.Checkbox(custom_id="box"))

    async def on_submit(self, interaction: discord.Interaction) -> None:
        """Respond with the value."""
        await interaction.response.send_message(repr(self.box.component.value))


@app_commands.command(name="everything", description="Ask for everything")
async def everything(interaction: discord.Interaction) -> None:
    """Show the modal."""
    await interaction.response.send_modal(Everything())


@app_commands.command(name="agree", description="Ask for agreement")
async def agree(interaction: discord.Interaction) -> None:
    """Show the modal."""
    await interaction.response.send_modal(Agreement())


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
