"""Block and unblock a user in a guild, with the reply to the moderator."""

import time

from bot.context import Interaction, services
from bot.domain.moderation import Block


async def block(interaction: Interaction, person: int, reason: str) -> str:
    """Let nothing be painted for a person in this server, and stop what they have asked for."""
    guild = interaction.guild_id or 0
    studio, moderation = services(interaction).job_service, services(interaction).moderation
    wanted = Block(
        guild_id=guild,
        user_id=person,
        reason=reason,
        moderator_id=interaction.user.id,
        created_at=time.time(),
    )
    if not await moderation.block(wanted):
        return f"<@{person}> is blocked already."
    stopped = 0
    for job in await services(interaction).jobs.unfinished(person):
        if job.target.guild_id == guild:
            stopped += await studio.cancel(job)
    also = f" Their unfinished jobs are cancelled ({stopped})." if stopped else ""
    return f"<@{person}> is blocked in this server.{also}"


async def unblock(interaction: Interaction, person: int) -> str:
    """Let them ask again."""
    done = await services(interaction).moderation.unblock(
        interaction.guild_id or 0, person, actor_id=interaction.user.id, now=time.time()
    )
    return f"<@{person}> {'may use me here again' if done else 'is not blocked here'}."
