"""Select menus of each type, in a message and in a modal, for the tests of the playground."""

from typing import Any

import discord
from discord import app_commands

from bot.playground import Message, Playground
from tests.playground_bot import PlaygroundBot, channel_of

TEXT = discord.ChannelType.text


class Menus(discord.ui.View):
    """One menu of each type, which respond with the types and ids of their values."""

    def __init__(self) -> None:
        super().__init__(timeout=None)

    @discord.ui.select(cls=discord.ui.UserSelect, custom_id="user")
    async def users(
        self, interaction: discord.Interaction, select: "discord.ui.UserSelect[Menus]"
    ) -> None:
        """Respond."""
        await show(interaction, select)

    @discord.ui.select(cls=discord.ui.RoleSelect, custom_id="role", min_values=0, max_values=2)
    async def roles(
        self, interaction: discord.Interaction, select: "discord.ui.RoleSelect[Menus]"
    ) -> None:
        """Respond."""
        await show(interaction, select)

    @discord.ui.select(cls=discord.ui.MentionableSelect, custom_id="both", max_values=2)
    async def both(
        self, interaction: discord.Interaction, select: "discord.ui.MentionableSelect[Menus]"
    ) -> None:
        """Respond."""
        await show(interaction, select)

    @discord.ui.select(cls=discord.ui.ChannelSelect, custom_id="channel", channel_types=[TEXT])
    async def channels(
        self, interaction: discord.Interaction, select: "discord.ui.ChannelSelect[Menus]"
    ) -> None:
        """Respond."""
        await show(interaction, select)


async def show(interaction: discord.Interaction, select: Any) -> None:  # noqa: ANN401 # any select menu
    """Respond with the type and id of each value."""
    values = [f"{type(value).__name__} {value.id}" for value in select.values]
    await interaction.response.send_message(", ".join(values) or "nothing")


class EntityForm(discord.ui.Modal, title="Choose"):
    """A modal with a menu of each type; only the user is required."""

    user = discord.ui.Label["EntityForm"](
        text="User", component=discord.ui.UserSelect(custom_id="user", required=True)
    )
    role = discord.ui.Label["EntityForm"](
        text="Role", component=discord.ui.RoleSelect(custom_id="role", required=False)
    )
    both = discord.ui.Label["EntityForm"](
        text="Both",
        component=discord.ui.MentionableSelect(custom_id="both", max_values=2, required=False),
    )
    channel = discord.ui.Label["EntityForm"](
        text="Channel",
        component=discord.ui.ChannelSelect(
            custom_id="channel", channel_types=[TEXT], required=False
        ),
    )

    async def on_submit(self, interaction: discord.Interaction) -> None:
        """Respond with the type and id of each value."""
        labels: list[Any] = [self.user, self.role, self.both, self.channel]
        values = [value for label in labels for value in label.component.values]
        text = ", ".join(f"{type(value).__name__} {value.id}" for value in values)
        await interaction.response.send_message(text)


@app_commands.command(name="choose", description="Choose")
async def choose(interaction: discord.Interaction[PlaygroundBot]) -> None:
    """Respond with the modal."""
    await interaction.response.send_modal(EntityForm(custom_id="entities"))


async def send_menus(playground: Playground, bot: PlaygroundBot) -> Message:
    """A message with the menus."""
    await channel_of(bot, playground).send("Choose", view=Menus())
    return playground.messages()[-1]
