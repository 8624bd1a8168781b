"""/admin limits: how much people with a role may ask for."""

import time
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
from bot.features.admin import group
from bot.features.responses import guarded, whisper

_EVERYBODY: Final = "Where a role says nothing"


def _ranged(name: str) -> RangeTransformer:
    allowed = ROLE_RANGES[name]
    return RangeTransformer(OptionType.integer, min=allowed.least, max=allowed.most)


Waiting = Annotated[int, _ranged("max_unfinished")]
Running = Annotated[int, _ranged("max_running")]
Daily = Annotated[int, _ranged("daily_seconds")]


@group.command(name="limits", description="How much a role may ask for; shows it if nothing is set")
@app_commands.describe(
    role="Whose limits; of several roles of one person, the most generous counts",
    waiting="Jobs that a person may have unfinished",
    running="Jobs that a person may have painted at once while others wait",
    daily="Seconds of painting in 24 hours",
    reset="The role has no limits of its own any more",
)
async def command(
    interaction: Interaction,
    role: discord.Role | None = None,
    waiting: Waiting | None = None,
    running: Running | None = None,
    daily: Daily | None = None,
    reset: bool = False,
) -> None:
    """Only those see the answer who asked."""
    values = {"max_unfinished": waiting, "max_running": running, "daily_seconds": daily}
    given = {name: value for name, value in values.items() if value is not None}
    await guarded(interaction, limits(interaction, role, given, reset=reset))


async def limits(
    interaction: Interaction, role: discord.Role | None, given: dict[str, int], *, reset: bool
) -> None:
    """Change what a role may, if anything is given, and show what is so then."""
    guild = interaction.guild_id
    if guild is None:
        raise Refused("There are roles on servers only.")
    if role is None and (given or reset):
        raise Refused("Say which role: @everyone is one too.")
    if reset and given:
        raise Refused("Either set limits or take them away with reset.")
    kept, everybodys = services(interaction).role_limits, services(interaction).limits
    if role is not None and reset:
        await kept.remove(guild, role.id)
        await _note(interaction, f"<@&{role.id}>: no limits of its own")
    elif role is not None and given:
        before = await kept.of(guild, [role.id])
        limit = before[0] if before else RoleLimit(role_id=role.id)
        limit = msgspec.structs.replace(limit, **given)
        check_role(RoleLimit(role_id=role.id, **given), everybodys)
        await kept.put(guild, limit)
        await _note(interaction, _line(f"<@&{role.id}>", limit))
    every = [clamp_to_operator_limit(each, everybodys) for each in await kept.all(guild)]
    lines = [_line(f"<@&{each.role_id}>", each) for each in every]
    await whisper(interaction, "\n".join([_line(_EVERYBODY, everybodys), *lines]))


async def _note(interaction: Interaction, detail: str) -> None:
    entry = AuditEntry(
        created_at=time.time(),
        guild_id=interaction.guild_id,
        actor_id=interaction.user.id,
        action=AuditAction.SET,
        detail=detail,
    )
    await services(interaction).audit_log.add(entry)


def _line(whose: str, limit: RoleLimit | Limits) -> str:
    parts = []
    if limit.max_unfinished is not None:
        parts.append(f"{limit.max_unfinished} waiting")
    if limit.max_running is not None:
        parts.append(f"{limit.max_running} running")
    if limit.daily_seconds is not None:
        parts.append(f"{limit.daily_seconds:g} seconds in 24 hours")
    return f"{whose}: {', '.join(parts)}"
