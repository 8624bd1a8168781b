"""/privacy: what is kept of a person, handed out or deleted."""

import asyncio
import re
from typing import Any, Final

import discord
from discord import app_commands

from bot.context import Interaction, services
from bot.domain import user_data
from bot.features.responses import guarded
from bot.messages import components, privacy_text
from bot.messages.message_client import OutgoingFile
from bot.messages.picture_files import BYTES_LIMIT

group: Final = app_commands.Group(
    name="privacy",
    description="What I keep of you",
    allowed_contexts=app_commands.AppCommandContext(
        guild=True, dm_channel=True, private_channel=False
    ),
    allowed_installs=app_commands.AppInstallationType(guild=True, user=False),
)


@group.command(name="show", description="See what I keep of you, and get it as a file")
async def show_command(interaction: Interaction) -> None:
    """Nobody else sees the answer."""
    await guarded(interaction, _show(interaction))


async def _show(interaction: Interaction) -> None:
    await interaction.response.defer(ephemeral=True, thinking=True)
    kept = await services(interaction).retention.summary(interaction.user.id)
    files = []
    if kept.jobs:
        jobs = services(interaction).erasure.jobs(interaction.user.id)
        entries = [user_data.export_record(*each) async for each in jobs]
        name, data = await asyncio.to_thread(user_data.export_file, entries, BYTES_LIMIT)
        files = [OutgoingFile(name, data).as_file()]
    told = privacy_text.told(kept, services(interaction).retention_policy)
    await interaction.edit_original_response(content=told, attachments=files)


@group.command(name="delete", description="Delete all that I keep of you")
async def delete_command(interaction: Interaction) -> None:
    """Asks first."""
    await guarded(interaction, _ask(interaction))


async def _ask(interaction: Interaction) -> None:
    await interaction.response.defer(ephemeral=True, thinking=True)
    kept = await services(interaction).retention.summary(interaction.user.id)
    if not kept.jobs:
        await interaction.edit_original_response(content=privacy_text.NOTHING)
        return
    await interaction.edit_original_response(
        content=privacy_text.question(kept), view=components.privacy_view()
    )


async def _delete(interaction: Interaction) -> None:
    await interaction.response.defer()
    retention, person = services(interaction).retention, interaction.user.id
    before = await retention.summary(person)
    complete = await retention.erase_user(person)
    told = privacy_text.deleted(before, await retention.summary(person), complete)
    await interaction.edit_original_response(content=told, view=None)


async def _keep(interaction: Interaction) -> None:
    await interaction.response.edit_message(content="Nothing was deleted.", view=None)


_ACTIONS: Final = {components.DELETE: _delete, components.KEEP: _keep}


class PrivacyButton(
    discord.ui.DynamicItem[discord.ui.Button[discord.ui.View]],
    template=components.PRIVACY_PATTERN,
):
    """An answer to the question: it is about whoever presses it."""

    def __init__(self, action: str) -> None:
        super().__init__(discord.ui.Button(custom_id=components.privacy_id(action)))
        self._action = action

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: discord.ui.Item[Any], match: re.Match[str]
    ) -> "PrivacyButton":
        """All state is in the id and in the record."""
        return cls(match["action"])

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """Somebody pressed it."""
        await guarded(interaction, _ACTIONS[self._action](interaction))


items: Final = (PrivacyButton,)
