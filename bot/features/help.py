"""/help: what people can do, made from the features themselves."""

import re
from typing import Any, Final

import discord
from discord import app_commands

from bot.context import Interaction
from bot.errors import Refused
from bot.features.exports import Component, Exports
from bot.features.places import everywhere, is_offered
from bot.i18n import _, command_name
from bot.messages import captions, channels, help_pages
from bot.messages.help_pages import Contents, RootCommand, Topic

_MAX_CHOICES: Final = 25
_MAX_NAME: Final = 70


async def complete(interaction: Interaction, typed: str) -> list[app_commands.Choice[str]]:
    """The commands that contain what was typed."""
    part = typed.strip().lstrip("/").casefold()
    commands = _contents(interaction).commands
    names = {name: command_name(name) for name in commands}
    choices = [
        app_commands.Choice(name=f"/{shown}", value=name)
        for name, shown in names.items()
        if part in name or part in shown
    ]
    return choices[:_MAX_CHOICES]


@app_commands.command(name="help", description="Show what I can do, and the options of a command")
@app_commands.describe(command_name="Show the options of this command")
@app_commands.rename(command_name="command")
@app_commands.autocomplete(command_name=complete)
@everywhere
async def command(interaction: Interaction, command_name: str | None = None) -> None:
    """The response is private."""
    subject = Topic.COMMANDS.value
    if command_name is not None:
        subject = f"/{command_name.strip().lstrip('/').casefold()}"
    content, view = _page(_contents(interaction), subject, 0)
    await interaction.response.send_message(content, view=view, ephemeral=True)


async def on_use(interaction: Interaction, match: re.Match[str]) -> None:
    """Turn to another page, or show the topic or the command that was chosen in a menu."""
    subject, page = match["subject"], int(match["page"])
    if subject == help_pages.MENU:
        data: dict[str, Any] = dict(interaction.data or {})
        subject, page = str(next(iter(data.get("values") or ()), "")), 0
    content, view = _page(_contents(interaction), subject, page)
    await interaction.response.edit_message(content=content, view=view)


def _page(contents: Contents, subject: str, page: int) -> tuple[str, discord.ui.View]:
    """Raises Refused for an unknown subject."""
    pages = _pages(contents, subject)
    page = min(page, len(pages) - 1)
    return pages[page], help_pages.view(contents, subject, page, len(pages))


def _pages(contents: Contents, subject: str) -> list[str]:
    if subject in set(Topic):
        return help_pages.topic_pages(contents, Topic(subject))
    described = _command_named(contents, subject.removeprefix("/"))
    if described is None:
        name = captions.escape(subject, _MAX_NAME)
        raise Refused(
            _("There is no command {name} here. /help alone lists all.").format(name=name)
        )
    return help_pages.command_pages(described)


def _command_named(contents: Contents, name: str) -> app_commands.Command[Any, ..., Any] | None:
    """The command of this name, in English or in the user's language."""
    by_shown_name = {command_name(key): command for key, command in contents.commands.items()}
    return contents.commands.get(name) or by_shown_name.get(name)


def _contents(interaction: Interaction) -> Contents:
    client, permissions = interaction.client, interaction.permissions

    def may_use(command: RootCommand) -> bool:
        required = command.default_permissions
        is_allowed = required is None or permissions.administrator or required <= permissions
        return is_allowed and is_offered(interaction, command)

    is_reached = not channels.is_reached_by_token_only(interaction)
    reactions = client.reactions if is_reached else {}
    return help_pages.contents(client.tree, client.actions, reactions, may_use)


exports: Final = Exports(
    commands=(command,),
    components=(Component(help_pages.PATTERN, on_use),),
    is_always_allowed=True,
)
