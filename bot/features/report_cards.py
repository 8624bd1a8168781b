"""The moderators' side of reports: the card of a case with its buttons, and Remove picture."""

import asyncio
import logging
import re
from collections.abc import Sequence
from typing import Any, Final

import discord
import msgspec
from discord import app_commands

from bot.context import BotClient, Interaction, services
from bot.db.connection import DatabaseUnavailable
from bot.domain import rules
from bot.domain.job import Job
from bot.domain.moderation import AuditAction, AuditEntry, Case, CaseState
from bot.errors import NETWORK_ERRORS, Refused
from bot.features.blocking import block, unblock
from bot.features.exports import Exports
from bot.features.permissions import check_moderator
from bot.features.responses import handle_errors
from bot.messages import components, message_parser, moderation_cards

REMOVE: Final = "remove"
BLOCK: Final = "block"
UNBLOCK: Final = "unblock"
DISMISS: Final = "dismiss"
_PATTERN: Final = (
    rf"{components.VERSION}:case:(?P<action>{REMOVE}|{BLOCK}|{UNBLOCK}|{DISMISS})"
    r":(?P<job>[0-9a-z]{1,24})"
)
_UNKNOWN_REPORT: Final = "This report no longer exists."
_NO_RESULT: Final = "That message shows no picture of mine."
_BLOCK_REASON: Final = "a picture was reported"
_ONLY_MESSAGE: Final = (
    "Removed this message. Its pictures were already deleted, so I no longer know of other "
    "messages that show them."
)
log = logging.getLogger(__name__)


def custom_id(action: str, job_id: str) -> str:
    """The custom id of a button on the card of a job."""
    return f"{components.VERSION}:case:{action}:{job_id}"


def case_view(job_id: str, *, is_open: bool, is_removed: bool, is_blocked: bool) -> discord.ui.View:
    """The buttons of the actions that are still possible."""
    buttons = [
        (REMOVE, "Remove", not is_removed),
        (BLOCK, "Block user", not is_blocked),
        (UNBLOCK, "Unblock user", is_blocked),
        (DISMISS, "Dismiss", is_open),
    ]
    return components.stateless_view(
        components.button(label, custom_id(action, job_id))
        for action, label, is_available in buttons
        if is_available
    )


def deleted_case_view(job_id: str, *, is_open: bool) -> discord.ui.View:
    """The buttons if the job was deleted."""
    dismiss = components.button("Dismiss", custom_id(DISMISS, job_id))
    return components.stateless_view([dismiss] if is_open else [])


# Cards


async def show(client: BotClient, job_id: str) -> bool:
    """Post or update the card of a case; False if the moderators cannot see it."""
    case = await client.services.reports.case(job_id)
    if case is None:
        return False
    try:
        return await _edit(client, case) or await _post(client, case)
    except (discord.HTTPException, *NETWORK_ERRORS) as error:
        log.warning("The moderators of %d do not see case %s: %r", case.guild_id, job_id, error)
        return False


async def catch_up(client: BotClient) -> None:
    """Post the cards that are missing, and finish removals that a crash interrupted."""
    reports = client.services.reports
    for job_id in await reports.without_card():
        await show(client, job_id)
    for variation in await reports.unfinished_variations_of_removed():
        await client.services.job_service.cancel(variation)
    for channel_id, message_id in await client.services.job_messages.of_removed_pictures():
        await _delete(client, channel_id, message_id)


async def _edit(client: BotClient, case: Case) -> bool:
    """False if there is no card."""
    if case.card_message_id is None or case.card_channel_id is None:
        return False
    content, view = await _card(client, case)
    channel = client.get_partial_messageable(case.card_channel_id)
    card = channel.get_partial_message(case.card_message_id)
    try:
        await card.edit(content=content, view=view)
    except discord.NotFound:
        return False
    return True


async def _post(client: BotClient, case: Case) -> bool:
    """False if there is no channel for cards.

    Two simultaneous reports may post two cards; the later one is deleted again.
    """
    channel_id = await client.services.mod_channels.get(case.guild_id)
    if channel_id is None or case.state is not CaseState.OPEN:
        return False
    content, view = await _card(client, case)
    nonce = f"case:{len(case.reports)}:{case.job_id}"
    card = await client.get_partial_messageable(channel_id).send(content, view=view, nonce=nonce)
    reports = client.services.reports
    if not await reports.set_card(case.job_id, channel_id, card.id, replacing=case.card_message_id):
        await card.delete()
    return True


async def _card(client: BotClient, case: Case) -> tuple[str, discord.ui.View]:
    job = await client.services.jobs.job(case.job_id)
    if job is None:
        raise RuntimeError(f"Case {case.job_id} has no job.")
    is_open = case.state is CaseState.OPEN
    if job.deletion_reason is not None:
        content = moderation_cards.deleted_case(case, job.deletion_reason)
        return content, deleted_case_view(case.job_id, is_open=is_open)
    pictures = await client.services.jobs.pictures(case.job_id)
    rules_for_user = await client.services.moderation.rules_for(case.guild_id, job.user_id)
    view = case_view(
        case.job_id,
        is_open=is_open,
        is_removed=case.state is CaseState.REMOVED,
        is_blocked=rules_for_user.block_reason is not None,
    )
    return moderation_cards.case(case, job, pictures, rules_for_user.block_reason), view


# Actions; each returns the response to the moderator


async def remove(interaction: Interaction, job: Job) -> str:
    """Delete the pictures of a job and all messages that show one.

    Unfinished variations of them are cancelled; finished ones are listed in the response.
    """
    await services(interaction).job_service.cancel(job)
    reports = services(interaction).reports
    await reports.remove(job.id, _audit_entry(interaction, AuditAction.REMOVED, job))
    await asyncio.to_thread(services(interaction).storage.delete_pictures, job.id)
    messages = await services(interaction).job_messages.of_job(job.id)
    remaining = [message for message in messages if not await _delete(interaction.client, *message)]
    variations = moderation_cards.variations(await _finished_variations(interaction, job))
    if remaining:
        count = f"{len(remaining)} of {len(messages)}"
        return f"Removed the pictures, but could not delete {count} messages.{variations}"
    return f"Removed the pictures and all messages that showed them.{variations}"


async def _finished_variations(interaction: Interaction, job: Job) -> Sequence[Job]:
    """Cancel the unfinished variations of a job's pictures, and return the others."""
    variations = await services(interaction).reports.variations(job.id)
    return [job for job in variations if not await services(interaction).job_service.cancel(job)]


async def _delete(client: BotClient, channel_id: int, message_id: int) -> bool:
    if not await client.services.message_client.delete(channel_id, message_id):
        return False
    try:
        await client.services.job_messages.forget(message_id)
    except DatabaseUnavailable as error:
        log.warning("Message %d will be deleted again: %s", message_id, error)
    return True


async def _dismiss(interaction: Interaction, job: Job) -> str:
    entry = _audit_entry(interaction, AuditAction.DISMISSED, job)
    is_closed = await services(interaction).reports.close(job.id, CaseState.DISMISSED, entry)
    return "Dismissed." if is_closed else "This report is already closed."


async def _block_owner(interaction: Interaction, job: Job) -> str:
    return await block(interaction, job.user_id, _BLOCK_REASON)


async def _unblock_owner(interaction: Interaction, job: Job) -> str:
    return await unblock(interaction, job.user_id)


_ACTIONS: Final = {
    REMOVE: remove,
    BLOCK: _block_owner,
    UNBLOCK: _unblock_owner,
    DISMISS: _dismiss,
}


def _audit_entry(interaction: Interaction, action: AuditAction, job: Job) -> AuditEntry:
    return AuditEntry(
        created_at=services(interaction).clock(),
        guild_id=interaction.guild_id,
        channel_id=interaction.channel_id,
        actor_id=interaction.user.id,
        action=action,
        target_id=job.user_id,
        job_id=job.id,
    )


class CaseButton(discord.ui.DynamicItem[discord.ui.Button[discord.ui.View]], template=_PATTERN):
    """A button on a card; also works on cards from before a restart."""

    def __init__(self, action: str, job_id: str) -> None:
        super().__init__(discord.ui.Button(custom_id=custom_id(action, job_id)))
        self._action = action
        self._job_id = job_id

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: discord.ui.Item[Any], match: re.Match[str]
    ) -> "CaseButton":
        """The button with this custom id, which has all of its state."""
        return cls(match["action"], match["job"])

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """Handle a click."""
        async with handle_errors(interaction):
            await self._handle(interaction)

    async def _handle(self, interaction: Interaction) -> None:
        check_moderator(interaction)
        await interaction.response.defer(ephemeral=True, thinking=True)
        case = await services(interaction).reports.case(self._job_id)
        job = await services(interaction).jobs.job(self._job_id)
        if case is None or job is None or case.guild_id != interaction.guild_id:
            raise Refused(_UNKNOWN_REPORT)
        if self._action != DISMISS:
            rules.check_not_deleted(job)
        response = await _ACTIONS[self._action](interaction, job)
        await show(interaction.client, self._job_id)
        await interaction.edit_original_response(content=response)


@app_commands.context_menu(name="Remove picture")
@app_commands.default_permissions(manage_messages=True)
@app_commands.allowed_contexts(guilds=True, dms=False, private_channels=False)
@app_commands.allowed_installs(guilds=True, users=False)
async def remove_command(interaction: Interaction, message: discord.Message) -> None:
    """In the Apps menu of a message."""
    check_moderator(interaction)
    await interaction.response.defer(ephemeral=True, thinking=True)
    jobs = services(interaction).jobs
    deleted_job = await message_parser.deleted_job(jobs, message)
    if deleted_job is not None:
        await message.delete()
        entry = _audit_entry(interaction, AuditAction.REMOVED, deleted_job)
        entry = msgspec.structs.replace(entry, target_id=None)
        await services(interaction).audit_log.add(entry)
        await interaction.edit_original_response(content=_ONLY_MESSAGE)
        return
    result = await services(interaction).job_messages.find(message.id)
    if result is None or result.job.target.guild_id != interaction.guild_id:
        raise Refused(_NO_RESULT)
    response = await remove(interaction, result.job)
    await show(interaction.client, result.job.id)
    await interaction.edit_original_response(content=response)


exports: Final = Exports(commands=(remove_command,), buttons=(CaseButton,), on_ready=(catch_up,))
