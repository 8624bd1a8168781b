"""Block and unblock a user in a guild, with the reply to the moderator."""

from bot.context import Interaction, services
from bot.domain.moderation import Block


async def block(interaction: Interaction, user_id: int, reason: str) -> str:
    """Refuse a user's requests in this guild, and cancel their unfinished jobs there."""
    guild_id = interaction.guild_id or 0
    new_block = Block(
        guild_id=guild_id,
        user_id=user_id,
        reason=reason,
        moderator_id=interaction.user.id,
        created_at=services(interaction).clock(),
    )
    if not await services(interaction).moderation.block(new_block):
        return f"<@{user_id}> is already blocked."
    cancelled = 0
    for job in await services(interaction).jobs.unfinished(user_id):
        if job.target.guild_id == guild_id:
            cancelled += await services(interaction).job_service.cancel(job)
    note = f" Cancelled their unfinished jobs ({cancelled})." if cancelled else ""
    return f"<@{user_id}> is blocked in this server.{note}"


async def unblock(interaction: Interaction, user_id: int) -> str:
    """Accept a user's requests in this guild again."""
    was_blocked = await services(interaction).moderation.unblock(
        interaction.guild_id or 0,
        user_id,
        actor_id=interaction.user.id,
        now=services(interaction).clock(),
    )
    return f"<@{user_id}> {'is no longer blocked here' if was_blocked else 'is not blocked here'}."
