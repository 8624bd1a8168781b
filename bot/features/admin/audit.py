"""/admin audit: what was refused, reported and decided in a server."""

from typing import Final

from discord import app_commands

from bot.context import Interaction, services
from bot.features.admin import Page, group, managed_guild
from bot.features.responses import guarded, whisper
from bot.messages import moderation_cards

_AUDIT_LINES: Final = 6


@group.command(name="audit", description="What was refused, reported and decided here")
@app_commands.describe(page="1 is the newest")
async def audit(interaction: Interaction, page: Page = 1) -> None:
    """Only the one who asks sees it."""
    await guarded(interaction, _audit(interaction, page))


async def _audit(interaction: Interaction, page: int) -> None:
    log = services(interaction).audit_log
    found = await log.page(managed_guild(interaction), page, _AUDIT_LINES)
    lines = (
        "\n".join(moderation_cards.audit(found)) or "There is nothing in the log, or no such page."
    )
    more = f"\nolder: /admin audit page:{page + 1}" if len(found) == _AUDIT_LINES else ""
    await whisper(interaction, lines + more)
