"""Block and unblock a user in a guild, with the reply to the moderator."""

from bot.context import Interaction, services
from bot.i18n import _


async def block(interaction: Interaction, user_id: int, reason: str) -> str:
    """Refuse a user's requests in this guild, and cancel their unfinished jobs there."""
    guild_id = interaction.guild_id or 0
    moderation, actor_id = services(interaction).moderation, interaction.user.id
    if not await moderation.block(guild_id, user_id, reason, actor_id=actor_id):
        return _("<@{user_id}> is already blocked.").format(user_id=user_id)
    cancelled = await services(interaction).job_service.cancel_in_guild(user_id, guild_id)
    note = (
        _(" Cancelled their unfinished jobs ({cancelled}).").format(cancelled=cancelled)
        if cancelled
        else ""
    )
    return _("<@{user_id}> is blocked in this server.{note}").format(user_id=user_id, note=note)


async def unblock(interaction: Interaction, user_id: int) -> str:
    """Accept a user's requests in this guild again."""
    was_blocked = await services(interaction).moderation.unblock(
        interaction.guild_id or 0, user_id, actor_id=interaction.user.id
    )
    sentence = (
        _("<@{user_id}> is no longer blocked here.")
        if was_blocked
        else _("<@{user_id}> is not blocked here.")
    )
    return sentence.format(user_id=user_id)
