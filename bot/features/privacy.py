"""/privacy: show, export and delete the data that the bot stores about a user."""

import re
from typing import Final

import discord
from discord import app_commands

from bot.context import Interaction, services
from bot.features import places
from bot.features.exports import Component, Exports
from bot.features.responses import defer_privately
from bot.i18n import _, pgettext
from bot.messages import components, privacy_text
from bot.messages.message_content import OutgoingFile
from bot.messages.upload_limits import REQUEST_LIMIT

DELETE: Final = "delete"
KEEP: Final = "keep"
_PATTERN: Final = rf"{components.VERSION}:privacy:(?P<action>{DELETE}|{KEEP})"


@app_commands.command(name="show", description="Show what I store about you, and get it as a file")
async def show_command(interaction: Interaction) -> None:
    """The response is ephemeral."""
    await defer_privately(interaction)
    retention, user_id = services(interaction).retention, interaction.user.id
    summary = await retention.summary(user_id)
    files = []
    if not summary.is_empty:
        limit = min(interaction.filesize_limit, REQUEST_LIMIT)
        name, data = await retention.export_file(user_id, limit)
        files = [OutgoingFile(name, data).as_file()]
    content = privacy_text.summary(summary, retention.policy)
    await interaction.edit_original_response(content=content, attachments=files)


@app_commands.command(name="delete", description="Delete everything that I store about you")
async def delete_command(interaction: Interaction) -> None:
    """Asks for confirmation."""
    await defer_privately(interaction)
    summary = await services(interaction).retention.summary(interaction.user.id)
    if summary.is_empty:
        await interaction.edit_original_response(content=_(privacy_text.NOTHING))
        return
    await interaction.edit_original_response(
        content=privacy_text.confirmation(summary), view=confirmation_view()
    )


async def _delete(interaction: Interaction) -> None:
    await interaction.response.defer()
    retention, user_id = services(interaction).retention, interaction.user.id
    before = await retention.summary(user_id)
    is_complete = await retention.erase_user(user_id)
    services(interaction).outbox.wake()  # posts in galleries are deleted too
    content = privacy_text.result(before, await retention.summary(user_id), is_complete)
    await interaction.edit_original_response(content=content, view=None)


async def _keep(interaction: Interaction) -> None:
    await interaction.response.edit_message(content=_("Nothing was deleted."), view=None)


_ACTIONS: Final = {DELETE: _delete, KEEP: _keep}


def custom_id(action: str) -> str:
    """The custom id of a button of the confirmation."""
    return f"{components.VERSION}:privacy:{action}"


def confirmation_view() -> discord.ui.View:
    """Delete or keep."""
    delete = components.button(pgettext("button", "Delete everything"), custom_id(DELETE))
    delete.style = discord.ButtonStyle.danger
    return components.stateless_view(
        [delete, components.button(pgettext("button", "Keep it"), custom_id(KEEP))]
    )


async def on_click(interaction: Interaction, match: re.Match[str]) -> None:
    """Delete or keep the data of the user who clicks."""
    await _ACTIONS[match["action"]](interaction)


def _group() -> app_commands.Group:
    group = app_commands.Group(
        name="privacy",
        description=_("What I store about you"),
        allowed_contexts=places.CONTEXTS,
        allowed_installs=places.INSTALLS,
    )
    group.add_command(show_command)
    group.add_command(delete_command)
    return group


exports: Final = Exports(
    commands=(_group(),),
    components=(Component(_PATTERN, on_click),),
    is_always_allowed=True,
)
