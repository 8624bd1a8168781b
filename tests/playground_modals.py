"""A user command, and modals with every kind of component, for the tests of the playground."""

from typing import Any

import discord
from discord import app_commands, ui


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
