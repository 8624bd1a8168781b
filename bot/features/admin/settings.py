"""/admin settings: the settings that have one of a few values, made from their fields."""

from typing import Final

from discord import app_commands

from bot.context import Interaction, services
from bot.domain.guild_settings import SETTINGS, GuildSettings
from bot.errors import Refused
from bot.features.exports import GroupCommand
from bot.features.permissions import managed_guild
from bot.features.responses import respond_ephemeral


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
        change = SETTINGS[setting].change(value)
        await moderation.change(guild_id, change, actor_id=interaction.user.id)
    settings = await moderation.settings(guild_id)
    names = SETTINGS if setting is None else [setting]
    await respond_ephemeral(interaction, "\n".join(_line(settings, name) for name in names))


def _line(settings: GuildSettings, name: str) -> str:
    setting = SETTINGS[name]
    allowed = ", ".join(setting.labels)
    title, label = setting.title.capitalize(), setting.label(settings)
    return f"{title}: **{label}**. {setting.description} ({allowed})."


@command.autocomplete("value")
async def complete(interaction: Interaction, typed: str) -> list[app_commands.Choice[str]]:
    """The values of the chosen setting."""
    setting = SETTINGS.get(str(interaction.namespace.setting))
    labels = setting.labels if setting is not None else ()
    return [
        app_commands.Choice(name=label, value=label)
        for label in labels
        if label.startswith(typed.strip().lower())
    ]


commands: Final[tuple[GroupCommand, ...]] = (command,)
