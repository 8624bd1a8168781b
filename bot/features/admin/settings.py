"""/admin settings: the settings that have one of a few values, made from their fields."""

from collections.abc import Sequence
from typing import Final

from discord import app_commands

from bot.context import Interaction, services
from bot.domain.guild_settings import SETTINGS, GuildSettings, Setting
from bot.domain.model_names import MAX_CHOICES
from bot.errors import Refused
from bot.features.exports import GroupCommand
from bot.features.permissions import managed_guild
from bot.features.responses import respond_ephemeral
from engine.contract import ModelCard


@app_commands.command(name="settings", description="Show or change other settings of this server")
@app_commands.describe(
    setting="Leave it out to see all of them", value="Leave it out to see the allowed values"
)
@app_commands.choices(
    setting=[
        app_commands.Choice(name=setting.title, value=name) for name, setting in SETTINGS.items()
    ]
)
async def command(
    interaction: Interaction, setting: str | None = None, value: str | None = None
) -> None:
    """Change what is given, then show the settings."""
    guild_id = managed_guild(interaction)
    if setting is not None and setting not in SETTINGS:
        raise Refused(
            f"There is no setting “{setting[:50]}”. Choose one of: {', '.join(SETTINGS)}."
        )
    moderation = services(interaction).moderation
    if value is not None:
        if setting is None:
            raise Refused("Choose a setting.")
        change = SETTINGS[setting].change(value, services(interaction).planner.models)
        await moderation.change(guild_id, change, actor_id=interaction.user.id)
    settings = await moderation.settings(guild_id)
    names = SETTINGS if setting is None else [setting]
    models = services(interaction).planner.models
    await respond_ephemeral(
        interaction, "\n".join(_line(settings, SETTINGS[name], models) for name in names)
    )


def _line(settings: GuildSettings, setting: Setting, models: Sequence[ModelCard]) -> str:
    allowed = ", ".join(setting.labels(models))
    title, label = setting.title.capitalize(), setting.label(settings, models)
    parts = [
        f"{title}: **{label}**.",
        setting.warning(settings, models),
        f"{setting.description} ({allowed}).",
    ]
    return " ".join(part for part in parts if part)


@command.autocomplete("value")
async def complete(interaction: Interaction, typed: str) -> list[app_commands.Choice[str]]:
    """The values of the chosen setting."""
    setting = SETTINGS.get(str(interaction.namespace.setting))
    models = services(interaction).planner.models
    labels = setting.labels(models) if setting is not None else ()
    choices = [
        app_commands.Choice(name=label, value=label)
        for label in labels
        if label.casefold().startswith(typed.strip().casefold())
    ]
    return choices[:MAX_CHOICES]


commands: Final[tuple[GroupCommand, ...]] = (command,)
