"""/admin wildcard: the wildcards of a guild."""

from typing import Final

from discord import app_commands

from bot.context import Interaction, services
from bot.domain import presets as changes
from bot.domain import rules
from bot.domain.presets import PresetKind
from bot.domain.wildcards import MAX_TEXT, read
from bot.features.admin import preset_changes
from bot.features.admin.options import Page
from bot.features.admin.preset_names import completing, completing_changed
from bot.features.exports import GroupCommand
from bot.features.permissions import managed_guild
from bot.features.responses import respond_ephemeral
from bot.messages import preset_texts

Name = app_commands.Range[str, 1, changes.MAX_NAME]
Entries = app_commands.Range[str, 1, MAX_TEXT]
_describe: Final = app_commands.describe(
    name="Letters and digits, with hyphens between them; prompts use it as __name__",
    entries="The words of which one is drawn, with commas between them",
)


@app_commands.command(name="add", description="Add a wildcard to this server")
@_describe
async def add_command(interaction: Interaction, name: Name, entries: Entries) -> None:
    """The name is new here, or that of a built-in wildcard that was removed here."""
    guild_id, key = managed_guild(interaction), changes.key_of(PresetKind.WILDCARD, name)
    wildcard = read(rules.strip_invisible(entries))
    await preset_changes.make(interaction, guild_id, key, changes.add(key, wildcard))


@app_commands.command(name="change", description="Give a wildcard of this server other entries")
@_describe
@app_commands.autocomplete(name=completing(PresetKind.WILDCARD))
async def change_command(interaction: Interaction, name: Name, entries: Entries) -> None:
    """The entries take the place of those before."""
    guild_id, key = managed_guild(interaction), changes.key_of(PresetKind.WILDCARD, name)
    wildcard = read(rules.strip_invisible(entries))
    await preset_changes.make(interaction, guild_id, key, changes.replace(key, lambda _: wildcard))


@app_commands.command(name="remove", description="Remove a wildcard from this server")
@app_commands.autocomplete(name=completing(PresetKind.WILDCARD))
async def remove_command(interaction: Interaction, name: Name) -> None:
    """A built-in wildcard can be brought back by reset."""
    guild_id, key = managed_guild(interaction), changes.key_of(PresetKind.WILDCARD, name)
    await preset_changes.make(interaction, guild_id, key, changes.remove(key))


@app_commands.command(name="reset", description="Bring a built-in wildcard back as it was")
@app_commands.autocomplete(name=completing_changed(PresetKind.WILDCARD))
async def reset_command(interaction: Interaction, name: Name) -> None:
    """Also after it was removed."""
    guild_id, key = managed_guild(interaction), changes.key_of(PresetKind.WILDCARD, name)
    await preset_changes.make(interaction, guild_id, key, changes.reset(key))


@app_commands.command(name="list", description="List the wildcards of this server")
async def list_command(interaction: Interaction, page: Page = 1) -> None:
    """In alphabetical order."""
    presets = await services(interaction).presets.of(managed_guild(interaction))
    await respond_ephemeral(interaction, preset_texts.wildcards(presets, page))


def _group() -> app_commands.Group:
    group = app_commands.Group(
        name="wildcard", description="Lists of words of which prompts draw one by __name__"
    )
    group.add_command(add_command)
    group.add_command(change_command)
    group.add_command(remove_command)
    group.add_command(reset_command)
    group.add_command(list_command)
    return group


commands: Final[tuple[GroupCommand, ...]] = (_group(),)
