"""Bans: the unfinished jobs of a banned user in the guild are cancelled."""

import logging
from typing import Final

from bot.context import BotClient
from bot.features.exports import Exports

log = logging.getLogger(__name__)


async def on_ban(client: BotClient, guild_id: int, user_id: int) -> None:
    """Cancel the jobs. What the user has made before stays, as all messages do."""
    cancelled = await client.services.job_service.cancel_in_guild(user_id, guild_id)
    if cancelled:
        log.info("jobs of a banned user cancelled", extra={"guild": guild_id, "jobs": cancelled})


exports: Final = Exports(on_ban=(on_ban,))
