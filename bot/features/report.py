"""🚩 Report: anybody in a server may point its moderators at a picture."""

import logging
import re
import time
from typing import Any, Final

import discord
from discord import app_commands

from bot.context import BotClient, Interaction
from bot.domain.moderation import HOUR, MAX_REASON_CHARS, Report, check_report
from bot.errors import Refused
from bot.features import report_cards
from bot.features.responses import guarded
from bot.messages import components, message_parser

_REASON: Final = "reason"
_NO_RESULT: Final = "That message shows no pictures of mine, so there is nothing to report to me."
_THANKS: Final = "Thank you. The moderators of this server have your report."
_RECORDED: Final = (
    "Thank you. Your report is recorded. I could not show it to moderators: this server has no "
    "channel for reports, or I cannot write there. Its admins find the report in /admin audit."
)
log = logging.getLogger(__name__)


@app_commands.context_menu(name="🚩 Report")
@app_commands.allowed_contexts(guilds=True, dms=False, private_channels=False)
@app_commands.allowed_installs(guilds=True, users=False)
async def command(interaction: Interaction, message: discord.Message) -> None:
    """Of a message's Apps menu."""
    await guarded(interaction, _ask(interaction, message))


async def _ask(interaction: Interaction, message: discord.Message) -> None:
    await message_parser.check_not_deleted(interaction.client.services.jobs, message)
    await _drafted(interaction.client, interaction.guild_id, message.id, interaction.user.id, "")
    await interaction.response.send_modal(_form(message.id))


def _form(message: int) -> discord.ui.Modal:
    """All it has to remember is in its id, so it may also be sent in after a restart."""
    form = discord.ui.Modal(title="Report to the moderators", custom_id=components.form_id(message))
    reason = discord.ui.TextInput[discord.ui.Modal](
        custom_id=_REASON,
        style=discord.TextStyle.paragraph,
        max_length=MAX_REASON_CHARS,
        placeholder="Only the moderators of this server read this.",
    )
    form.add_item(discord.ui.Label(text="What is wrong with it?", component=reason))
    form.stop()
    return form


async def sent_in(interaction: discord.Interaction[Any]) -> None:
    """Somebody filled in a form, perhaps ours."""
    data: dict[str, Any] = dict(interaction.data or {})
    match = re.fullmatch(components.FORM_PATTERN, str(data.get("custom_id")))
    if interaction.type is discord.InteractionType.modal_submit and match is not None:
        await guarded(interaction, _file(interaction, int(match["message"]), _typed(data)))


def _typed(data: dict[str, Any]) -> str:
    """What stands in the form's one field, whatever it is wrapped in."""
    for part in data.get("components", ()):
        for field in [part.get("component"), *part.get("components", ())]:
            if field and field.get("custom_id") == _REASON:
                return str(field.get("value") or "").strip()[:MAX_REASON_CHARS]
    return ""


async def _file(interaction: Interaction, message: int, reason: str) -> None:
    reporter = interaction.user.id
    report = await _drafted(interaction.client, interaction.guild_id, message, reporter, reason)
    await interaction.client.services.reports.submit(report)
    await interaction.response.defer(ephemeral=True, thinking=True)
    shown = await report_cards.show(interaction.client, report.job_id)
    await interaction.edit_original_response(content=_THANKS if shown else _RECORDED)


async def by_reaction(client: BotClient, reaction: discord.RawReactionActionEvent) -> None:
    """Without a reason. It is answered in no way, for all could read that."""
    try:
        report = await _drafted(
            client, reaction.guild_id, reaction.message_id, reaction.user_id, ""
        )
    except Refused as error:
        log.info(
            "The flag of %d on %d counts not: %s", reaction.user_id, reaction.message_id, error
        )
        return
    await client.services.reports.submit(report)
    await report_cards.show(client, report.job_id)


async def _drafted(
    client: BotClient, guild: int | None, message: int, reporter: int, reason: str
) -> Report:
    """The report, not kept yet. Raises Refused."""
    now = time.time()
    found = await client.services.job_messages.find(message)
    if found is None or guild is None or found.job.target.guild_id != guild:
        raise Refused(_NO_RESULT)
    reports = client.services.reports
    before, lately = await reports.previous_reports(reporter, message, since=now - HOUR)
    check_report(already_reported=before, recent=lately)
    return Report(
        job_id=found.job.id,
        guild_id=guild,
        channel_id=found.job.target.channel_id,
        message_id=message,
        nth=found.nth,
        reporter_id=reporter,
        reason=reason,
        created_at=now,
    )
