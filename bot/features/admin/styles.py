"""/admin style: the styles of a guild."""

from typing import Any, Final

import msgspec
from discord import app_commands

from bot.context import Interaction, services
from bot.domain import presets as changes
from bot.domain import rules
from bot.domain.presets import Preset, PresetKind
from bot.domain.styles import MAX_WORDS, NONE, Style
from bot.errors import Refused
from bot.features.admin import preset_changes
from bot.features.admin.options import Page
from bot.features.admin.preset_names import completing, completing_changed
from bot.features.exports import GroupCommand
from bot.features.permissions import managed_guild
from bot.features.responses import respond_ephemeral
from bot.i18n import _
from bot.messages import preset_texts
from engine.contract import MAX_GUIDANCE, MAX_STEPS

Name = app_commands.Range[str, 1, changes.MAX_NAME]
Words = app_commands.Range[str, 1, MAX_WORDS]
Steps = app_commands.Range[int, 1, MAX_STEPS]
Guidance = app_commands.Range[float, 0.0, MAX_GUIDANCE]
_describe: Final = app_commands.describe(
    name="Letters and digits, with hyphens between them",
    prompt="Words that follow the prompt, or stand around {prompt}; - for none",
    negative="Words for the negative prompt; - for none",
    steps="Steps of a request without this option",
    guidance="Guidance of a request without this option",
    sampler="Sampler of a request without this option",
)


@app_commands.command(name="add", description="Add a style to this server")
@_describe
async def add_command(
    interaction: Interaction,
    name: Name,
    prompt: Words | None = None,
    negative: Words | None = None,
    steps: Steps | None = None,
    guidance: Guidance | None = None,
    sampler: str | None = None,
) -> None:
    """The name is new here, or that of a built-in style that was removed here."""
    guild_id = managed_guild(interaction)
    values = _values(interaction, prompt, negative, steps, guidance, sampler)
    key = changes.key_of(PresetKind.STYLE, name)
    await preset_changes.make(interaction, guild_id, key, changes.add(key, Style(**values)))


@app_commands.command(name="change", description="Change a style of this server")
@_describe
@app_commands.autocomplete(name=completing(PresetKind.STYLE))
async def change_command(
    interaction: Interaction,
    name: Name,
    prompt: Words | None = None,
    negative: Words | None = None,
    steps: Steps | None = None,
    guidance: Guidance | None = None,
    sampler: str | None = None,
) -> None:
    """What is not given stays."""
    guild_id = managed_guild(interaction)
    values = _values(interaction, prompt, negative, steps, guidance, sampler)
    if not values:
        raise Refused(_("Give what to change: prompt, negative, steps, guidance or sampler."))

    def update(style: Preset) -> Preset:
        return msgspec.structs.replace(style, **values)

    key = changes.key_of(PresetKind.STYLE, name)
    await preset_changes.make(interaction, guild_id, key, changes.replace(key, update))


@app_commands.command(name="remove", description="Remove a style from this server")
@app_commands.autocomplete(name=completing(PresetKind.STYLE))
async def remove_command(interaction: Interaction, name: Name) -> None:
    """A built-in style can be brought back by reset."""
    guild_id = managed_guild(interaction)
    key = changes.key_of(PresetKind.STYLE, name)
    await preset_changes.make(interaction, guild_id, key, changes.remove(key))


@app_commands.command(name="reset", description="Bring a built-in style back as it was")
@app_commands.autocomplete(name=completing_changed(PresetKind.STYLE))
async def reset_command(interaction: Interaction, name: Name) -> None:
    """Also after it was removed."""
    guild_id = managed_guild(interaction)
    key = changes.key_of(PresetKind.STYLE, name)
    await preset_changes.make(interaction, guild_id, key, changes.reset(key))


@app_commands.command(name="list", description="List the styles of this server")
async def list_command(interaction: Interaction, page: Page = 1) -> None:
    """In alphabetical order."""
    presets = await services(interaction).presets.of(managed_guild(interaction))
    await respond_ephemeral(interaction, preset_texts.styles(presets, page))


def _values(
    interaction: Interaction,
    prompt: str | None,
    negative: str | None,
    steps: int | None,
    guidance: float | None,
    sampler: str | None,
) -> dict[str, Any]:
    """The fields that are given. Raises Refused for a sampler that no model here has."""
    models = services(interaction).planner.models
    samplers = list(dict.fromkeys(name.value for card in models for name in card.samplers))
    if sampler is not None and sampler not in samplers:
        raise Refused(
            _("There is no sampler “{sampler}”. Choose one of: {samplers}.").format(
                sampler=sampler[:50], samplers=", ".join(samplers)
            )
        )
    fields = {
        "prompt": _words(prompt),
        "negative": _words(negative),
        "steps": steps,
        "guidance": guidance,
        "sampler": sampler,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _words(text: str | None) -> str | None:
    if text is None:
        return None
    return "" if text.strip() in NONE else " ".join(rules.strip_invisible(text).split())


def _group() -> app_commands.Group:
    group = app_commands.Group(
        name="style", description="Words and settings that requests add by the option styles"
    )
    group.add_command(add_command)
    group.add_command(change_command)
    group.add_command(remove_command)
    group.add_command(reset_command)
    group.add_command(list_command)
    return group


commands: Final[tuple[GroupCommand, ...]] = (_group(),)
