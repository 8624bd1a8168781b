"""/admin audit: what was refused, reported and decided in a guild."""

from typing import Final

from discord import app_commands

from bot.context import Interaction, services
from bot.features.admin.options import Page
from bot.features.exports import GroupCommand
from bot.features.permissions import moderated_guild
from bot.features.responses import respond_ephemeral
from bot.i18n import _
from bot.messages import moderation_cards

_PAGE_ENTRIES: Final = 6


@app_commands.command(name="audit", description="Show what was refused, reported and decided here")
@app_commands.describe(page="1 is the newest")
async def command(interaction: Interaction, page: Page = 1) -> None:
    """One page of the audit log."""
    moderation = services(interaction).moderation
    entries = await moderation.audit_page(moderated_guild(interaction), page, _PAGE_ENTRIES)
    text = "\n".join(moderation_cards.audit(entries)) or _("The audit log has no entries here.")
    more = (
        _("\nolder: /admin audit page:{page}").format(page=page + 1)
        if len(entries) == _PAGE_ENTRIES
        else ""
    )
    await respond_ephemeral(interaction, text + more)


commands: Final[tuple[GroupCommand, ...]] = (command,)
