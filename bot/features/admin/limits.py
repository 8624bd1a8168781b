"""/admin limits: the limits of members with a role."""

from typing import Annotated, Final

import discord
import msgspec
from discord import AppCommandOptionType as OptionType
from discord import app_commands
from discord.app_commands.transformers import RangeTransformer

from bot.context import Interaction, services
from bot.domain.limits import ROLE_RANGES, Limits, RoleLimit, check_role, clamp_to_operator_limit
from bot.domain.moderation import AuditAction, AuditEntry
from bot.errors import Refused
from bot.features.exports import GroupCommand
from bot.features.permissions import managed_guild
from bot.features.responses import respond_ephemeral

_DEFAULT_LABEL: Final = "Default"


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
        raise Refused("Choose a role (it can be @everyone).")
    if reset and values:
        raise Refused("Either set limits, or remove them with reset, but not both.")
    if role is not None and reset:
        await _reset(interaction, guild_id, role.id)
    elif role is not None and values:
        await _set(interaction, guild_id, role.id, values)
    await respond_ephemeral(interaction, await _format_limits(interaction, guild_id))


async def _reset(interaction: Interaction, guild_id: int, role_id: int) -> None:
    await services(interaction).role_limits.remove(guild_id, role_id)
    await _audit(interaction, f"<@&{role_id}>: no limits of its own")


async def _set(
    interaction: Interaction, guild_id: int, role_id: int, values: dict[str, int]
) -> None:
    role_limits, default = services(interaction).role_limits, services(interaction).limits
    current = await role_limits.of(guild_id, [role_id])
    limit = current[0] if current else RoleLimit(role_id=role_id)
    limit = msgspec.structs.replace(limit, **values)
    check_role(RoleLimit(role_id=role_id, **values), default)
    await role_limits.put(guild_id, limit)
    await _audit(interaction, _line(f"<@&{role_id}>", limit))


async def _format_limits(interaction: Interaction, guild_id: int) -> str:
    default = services(interaction).limits
    limits = [
        clamp_to_operator_limit(limit, default)
        for limit in await services(interaction).role_limits.all(guild_id)
    ]
    lines = [_line(f"<@&{limit.role_id}>", limit) for limit in limits]
    return "\n".join([_line(_DEFAULT_LABEL, default), *lines])


async def _audit(interaction: Interaction, detail: str) -> None:
    entry = AuditEntry(
        created_at=services(interaction).clock(),
        guild_id=interaction.guild_id,
        actor_id=interaction.user.id,
        action=AuditAction.SET,
        detail=detail,
    )
    await services(interaction).audit_log.add(entry)


def _line(label: str, limit: RoleLimit | Limits) -> str:
    parts = []
    if limit.max_unfinished is not None:
        parts.append(f"{limit.max_unfinished} unfinished")
    if limit.max_running is not None:
        parts.append(f"{limit.max_running} running")
    if limit.daily_seconds is not None:
        parts.append(f"{limit.daily_seconds:g} seconds in 24 hours")
    return f"{label}: {', '.join(parts)}"


commands: Final[tuple[GroupCommand, ...]] = (command,)
