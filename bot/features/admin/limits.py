"""/admin limits: the limits of members with a role."""

from typing import Annotated, Final

import discord
from discord import AppCommandOptionType as OptionType
from discord import app_commands
from discord.app_commands.transformers import RangeTransformer

from bot.context import Interaction, services
from bot.domain.limits import ROLE_RANGES, RoleLimit, summary
from bot.errors import Refused
from bot.features.exports import GroupCommand
from bot.features.permissions import managed_guild
from bot.features.responses import respond_ephemeral
from bot.i18n import _


def _option(name: str) -> RangeTransformer:
    allowed = ROLE_RANGES[name]
    return RangeTransformer(OptionType.integer, min=allowed.least, max=allowed.most)


Waiting = Annotated[int, _option("max_unfinished")]
Running = Annotated[int, _option("max_running")]
Daily = Annotated[int, _option("daily_seconds")]


@app_commands.command(name="limits", description="Show or change the limits of a role")
@app_commands.describe(
    role="The role; a member with several roles gets the most generous limits",
    waiting="Unfinished jobs of a member",
    running="Jobs of a member that run at once while others wait",
    daily="Engine seconds of a member in 24 hours",
    reset="Remove the limits of this role",
)
async def command(
    interaction: Interaction,
    role: discord.Role | None = None,
    waiting: Waiting | None = None,
    running: Running | None = None,
    daily: Daily | None = None,
    reset: bool = False,
) -> None:
    """Change what is given, then show all limits."""
    options = {"max_unfinished": waiting, "max_running": running, "daily_seconds": daily}
    values = {name: value for name, value in options.items() if value is not None}
    guild_id = managed_guild(interaction)
    if role is None and (values or reset):
        raise Refused(_("Choose a role (it can be @everyone)."))
    if reset and values:
        raise Refused(_("Either set limits, or remove them with reset, but not both."))
    if role is not None and reset:
        await _reset(interaction, guild_id, role.id)
    elif role is not None and values:
        await _set(interaction, guild_id, RoleLimit(role_id=role.id, **values))
    await respond_ephemeral(interaction, await _format_limits(interaction, guild_id))


async def _reset(interaction: Interaction, guild_id: int, role_id: int) -> None:
    await services(interaction).moderation.remove_role_limit(
        guild_id, role_id, actor_id=interaction.user.id
    )


async def _set(interaction: Interaction, guild_id: int, changes: RoleLimit) -> None:
    await services(interaction).moderation.change_role_limit(
        guild_id, changes, actor_id=interaction.user.id
    )


async def _format_limits(interaction: Interaction, guild_id: int) -> str:
    moderation = services(interaction).moderation
    limits = await moderation.role_limits(guild_id)
    lines = [f"<@&{limit.role_id}>: {summary(limit)}" for limit in limits]
    return "\n".join(
        [_("Default: {summary}").format(summary=summary(moderation.default_limits)), *lines]
    )


commands: Final[tuple[GroupCommand, ...]] = (command,)
