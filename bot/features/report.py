"""🚩 Report: report a picture to the moderators of the server."""

import logging
import re
from typing import Final

import discord
from discord import app_commands

from bot.context import BotClient, Interaction
from bot.domain import rules
from bot.domain.moderation import MAX_REASON_CHARS
from bot.errors import Refused
from bot.features import report_cards
from bot.features.exports import Component, Exports
from bot.features.responses import defer_privately
from bot.i18n import N_, _, pgettext
from bot.messages import components, message_parser

_MODAL_PATTERN: Final = rf"{components.VERSION}:report:(?P<message>[0-9]{{1,20}})"
_REASON: Final = "reason"
_SHOWN: Final = N_("Thank you. The moderators of this server have received your report.")
_STORED: Final = N_(
    "Thank you. Your report is saved, but I could not show it to the moderators: "
    "this server has no channel for reports, or I cannot write to it. Its admins can "
    "see it in /admin audit."
)
log = logging.getLogger(__name__)


@app_commands.context_menu(name="🚩 Report")
@app_commands.allowed_contexts(guilds=True, dms=False, private_channels=False)
@app_commands.allowed_installs(guilds=True, users=False)
async def command(interaction: Interaction, message: discord.Message) -> None:
    """In the Apps menu of a message."""
    client = interaction.client
    deleted_job = await client.services.job_finder.deleted_job(message_parser.job_id_of(message))
    if deleted_job is not None:
        rules.check_not_deleted(deleted_job)
    await client.services.reports.build(interaction.guild_id, message.id, interaction.user.id)
    await interaction.response.send_modal(modal(message.id))


def custom_id(message_id: int) -> str:
    """The custom id of the modal about this message."""
    return f"{components.VERSION}:report:{message_id}"


def modal(message_id: int) -> discord.ui.Modal:
    """Asks for the reason. Its custom id is its only state, so it also works after a restart."""
    form = discord.ui.Modal(
        title=pgettext("title", "Report to the moderators"), custom_id=custom_id(message_id)
    )
    reason = discord.ui.TextInput[discord.ui.Modal](
        custom_id=_REASON,
        style=discord.TextStyle.paragraph,
        max_length=MAX_REASON_CHARS,
        placeholder=pgettext(
            "label description", "Only the moderators of this server can read this."
        ),
    )
    form.add_item(
        discord.ui.Label(text=pgettext("label", "What is wrong with it?"), component=reason)
    )
    form.stop()
    return form


async def on_modal_submit(interaction: Interaction, match: re.Match[str]) -> None:
    """Store the report and show it to the moderators."""
    client = interaction.client
    reason = components.submitted_text(interaction, _REASON)[:MAX_REASON_CHARS]
    report = await client.services.reports.submit(
        interaction.guild_id, int(match["message"]), interaction.user.id, reason
    )
    await defer_privately(interaction)
    is_shown = await report_cards.show(client, report.job_id, report.guild_id)
    await interaction.edit_original_response(content=_(_SHOWN if is_shown else _STORED))


async def on_reaction(client: BotClient, reaction: discord.RawReactionActionEvent) -> None:
    """Report without a reason. There is no reply, because everybody could read it."""
    try:
        report = await client.services.reports.submit(
            reaction.guild_id, reaction.message_id, reaction.user_id
        )
    except Refused as error:
        log.info(
            "The report of %d on %d is refused: %s", reaction.user_id, reaction.message_id, error
        )
        return
    await report_cards.show(client, report.job_id, report.guild_id)


exports: Final = Exports(
    commands=(command,),
    modals=(Component(_MODAL_PATTERN, on_modal_submit),),
    is_always_allowed=True,
)
