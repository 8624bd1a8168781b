"""The command tree takes as many menu commands as Discord does."""

import aiohttp
import discord
import pytest
from discord import app_commands

from bot.client import Client
from bot.context import Interaction
from bot.errors import FatalError
from bot.features.exports import Exports
from bot.gateway.command_tree import MAX_MENU_COMMANDS


def menu(name: str) -> app_commands.ContextMenu:
    """A command of the Apps menu of messages."""

    async def callback(interaction: Interaction, message: discord.Message) -> None:
        await interaction.response.send_message(f"{name}: {message.id}", ephemeral=True)

    return app_commands.ContextMenu(name=name, callback=callback)


def client(count: int) -> Client:
    """A client with so many menu commands."""
    menus = tuple(menu(f"Menu {nth}") for nth in range(1, count + 1))
    return Client(aiohttp.TraceConfig(), features=(Exports(commands=menus),))


async def test_fifteen_menu_commands_can_be_registered() -> None:
    """In the order in which they were added, and each is the one that its name stands for."""
    tree = client(MAX_MENU_COMMANDS).tree
    menus = tree.get_commands(type=discord.AppCommandType.message)
    assert [item.name for item in menus] == [f"Menu {nth}" for nth in range(1, 16)]
    tree.add_command(menu("Menu 6"), override=True)
    assert len(tree.get_commands(type=discord.AppCommandType.message)) == MAX_MENU_COMMANDS
    with pytest.raises(app_commands.CommandAlreadyRegistered):
        tree.add_command(menu("Menu 6"))


async def test_a_sixteenth_is_refused_with_a_sentence() -> None:
    """`python -m bot` writes it and ends."""
    with pytest.raises(FatalError, match="at most 15 commands; “Menu 16” is one too many"):
        client(MAX_MENU_COMMANDS + 1)


async def test_the_tree_counts_other_commands_as_discord_py_does() -> None:
    """Commands of the menu of users, and those of one guild, are in scopes of their own."""
    tree = client(MAX_MENU_COMMANDS).tree
    tree.add_command(menu("Elsewhere"), guild=discord.Object(1))

    async def on_user(interaction: Interaction, user: discord.User) -> None:
        await interaction.response.send_message(user.name)

    tree.add_command(app_commands.ContextMenu(name="Menu 1", callback=on_user))
    assert len(tree.get_commands(type=discord.AppCommandType.user)) == 1
