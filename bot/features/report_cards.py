"""What moderators do about pictures: the card of a report with its buttons, and Remove picture."""

import asyncio
import logging
import re
import time
from typing import Any, Final

import discord
import msgspec
from discord import app_commands

from bot.context import BotClient, Interaction, is_moderator, services
from bot.db.connection import DatabaseUnavailable
from bot.domain import rules
from bot.domain.job import Job
from bot.domain.moderation import AuditAction, AuditEntry, Case, CaseState
from bot.errors import NETWORK_ERRORS, Refused
from bot.features.blocking import block, unblock
from bot.features.responses import guarded
from bot.messages import components, message_parser, moderation_cards

_FOR_MODERATORS: Final = "Only moderators, who may manage messages, can do this."
_UNKNOWN: Final = "I know nothing of this report any more."
_NO_RESULT: Final = "That message shows no pictures of mine."
_REASON: Final = "a picture was reported"
_ONLY_MESSAGE: Final = (
    "Removed: this message. The pictures were deleted before; I do not know their other messages."
)
log = logging.getLogger(__name__)


# Cards


async def show(client: BotClient, job: str) -> bool:
    """Show the newest state of a case to the moderators; False if they cannot be reached."""
    case = await client.services.reports.case(job)
    if case is None:
        return False
    try:
        return await _edit(client, case) or await _post(client, case)
    except (discord.HTTPException, *NETWORK_ERRORS) as error:
        log.warning("The moderators of %d do not see case %s: %r", case.guild_id, job, error)
        return False


async def catch_up(client: BotClient) -> None:
    """Show what was reported while the moderators could not be reached, and take away what a bot
    that was killed had no time for."""
    reports = client.services.reports
    for job in await reports.without_card():
        await show(client, job)
    for variation in await reports.unfinished_variations_of_removed():
        await client.services.job_service.cancel(variation)
    for channel, message in await client.services.job_messages.of_removed_pictures():
        await _delete(client, channel, message)


async def _edit(client: BotClient, case: Case) -> bool:
    """False if there is no card (any more)."""
    if case.card_message_id is None or case.card_channel_id is None:
        return False
    content, view = await _draft(client, case)
    card = client.get_partial_messageable(case.card_channel_id).get_partial_message(
        case.card_message_id
    )
    try:
        await card.edit(content=content, view=view)
    except discord.NotFound:
        return False
    return True


async def _post(client: BotClient, case: Case) -> bool:
    """Two reports at the same moment may make two cards: the first one stays."""
    channel = await client.services.mod_channels.get(case.guild_id)
    if channel is None or case.state is not CaseState.OPEN:
        return False
    content, view = await _draft(client, case)
    nonce = f"case:{len(case.reports)}:{case.job_id}"
    card = await client.get_partial_messageable(channel).send(content, view=view, nonce=nonce)
    reports = client.services.reports
    if not await reports.set_card(case.job_id, channel, card.id, replacing=case.card_message_id):
        await card.delete()
    return True


async def _draft(client: BotClient, case: Case) -> tuple[str, discord.ui.View]:
    job = await client.services.jobs.job(case.job_id)
    if job is None:
        raise RuntimeError(f"Case {case.job_id} has no job.")
    pictures = await client.services.jobs.pictures(case.job_id)
    standing = await client.services.moderation.rules_for(case.guild_id, job.user_id)
    if job.deletion_reason is not None:
        return moderation_cards.deleted_case(
            case, job.deletion_reason
        ), components.deleted_case_view(case.job_id, is_open=case.state is CaseState.OPEN)
    view = components.case_view(
        case.job_id,
        is_open=case.state is CaseState.OPEN,
        is_removed=case.state is CaseState.REMOVED,
        is_blocked=standing.block_reason is not None,
    )
    return moderation_cards.case(case, job, pictures, standing.block_reason), view


# What moderators do; each returns what was done, in words


async def remove(interaction: Interaction, job: Job) -> str:
    """Take the pictures of a job away, and all messages that show one; what is being painted from
    them is stopped, and what was painted from them is named."""
    await services(interaction).job_service.cancel(job)
    reports = services(interaction).reports
    await reports.remove(job.id, _entry(interaction, AuditAction.REMOVED, job))
    await asyncio.to_thread(services(interaction).storage.delete_pictures, job.id)
    messages = await services(interaction).job_messages.of_job(job.id)
    left = [one for one in messages if not await _delete(interaction.client, *one)]
    stay = await _variations(interaction, job)
    if left:
        return f"The pictures are removed, but not {len(left)} of {len(messages)} messages.{stay}"
    return f"Removed: the pictures, and every message that showed them.{stay}"


async def _variations(interaction: Interaction, job: Job) -> str:
    """Stop those of a removed picture that are not finished; the others, in words."""
    stay = []
    for each in await services(interaction).reports.variations(job.id):
        if not await services(interaction).job_service.cancel(each):
            stay.append(each)
    return moderation_cards.variations(stay)


async def _delete(client: BotClient, channel: int, message: int) -> bool:
    place = client.get_partial_messageable(channel)
    try:
        await place.get_partial_message(message).delete()
    except discord.NotFound:
        pass
    except (discord.HTTPException, *NETWORK_ERRORS) as error:
        log.warning("Message %d is not deleted: %r", message, error)
        return False
    try:
        await client.services.job_messages.forget(message)
    except DatabaseUnavailable as error:
        log.warning("Message %d will be deleted again: %s", message, error)
    return True


async def _dismiss(interaction: Interaction, job: Job) -> str:
    entry = _entry(interaction, AuditAction.DISMISSED, job)
    done = await services(interaction).reports.close(job.id, CaseState.DISMISSED, entry)
    return "Dismissed." if done else "This is closed already."


async def _block_owner(interaction: Interaction, job: Job) -> str:
    return await block(interaction, job.user_id, _REASON)


async def _unblock_owner(interaction: Interaction, job: Job) -> str:
    return await unblock(interaction, job.user_id)


_ACTIONS: Final = {
    components.REMOVE: remove,
    components.BLOCK: _block_owner,
    components.UNBLOCK: _unblock_owner,
    components.DISMISS: _dismiss,
}


def _entry(interaction: Interaction, action: AuditAction, job: Job) -> AuditEntry:
    return AuditEntry(
        created_at=time.time(),
        guild_id=interaction.guild_id,
        channel_id=interaction.channel_id,
        actor_id=interaction.user.id,
        action=action,
        target_id=job.user_id,
        job_id=job.id,
    )


class CaseButton(
    discord.ui.DynamicItem[discord.ui.Button[discord.ui.View]], template=components.CASE_PATTERN
):
    """A button on a card, found by its custom id, so also on cards from before a restart."""

    def __init__(self, action: str, job: str) -> None:
        super().__init__(discord.ui.Button(custom_id=components.case_id(action, job)))
        self._action = action
        self._job = job

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: discord.ui.Item[Any], match: re.Match[str]
    ) -> "CaseButton":
        """All state is in the id and in the record."""
        return cls(match["action"], match["job"])

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """Somebody pressed it."""
        await guarded(interaction, self._act(interaction))

    async def _act(self, interaction: Interaction) -> None:
        check_moderator(interaction)
        await interaction.response.defer(ephemeral=True, thinking=True)
        case = await services(interaction).reports.case(self._job)
        job = await services(interaction).jobs.job(self._job)
        if case is None or job is None or case.guild_id != interaction.guild_id:
            raise Refused(_UNKNOWN)
        if self._action != components.DISMISS:
            rules.check_not_deleted(job)
        told = await _ACTIONS[self._action](interaction, job)
        await show(interaction.client, self._job)
        await interaction.edit_original_response(content=told)


def check_moderator(interaction: Interaction) -> None:
    """Raise Refused unless they may delete other people's messages here."""
    if not is_moderator(interaction):
        raise Refused(_FOR_MODERATORS)


@app_commands.context_menu(name="Remove picture")
@app_commands.default_permissions(manage_messages=True)
@app_commands.allowed_contexts(guilds=True, dms=False, private_channels=False)
@app_commands.allowed_installs(guilds=True, users=False)
async def remove_command(interaction: Interaction, message: discord.Message) -> None:
    """Of a message's Apps menu."""
    await guarded(interaction, _remove_shown(interaction, message))


async def _remove_shown(interaction: Interaction, message: discord.Message) -> None:
    check_moderator(interaction)
    await interaction.response.defer(ephemeral=True, thinking=True)
    gone = await message_parser.deleted_job(interaction.client.services.jobs, message)
    if gone is not None:
        await message.delete()
        entry = msgspec.structs.replace(
            _entry(interaction, AuditAction.REMOVED, gone), target_id=None
        )
        await services(interaction).audit_log.add(entry)
        await interaction.edit_original_response(content=_ONLY_MESSAGE)
        return
    found = await services(interaction).job_messages.find(message.id)
    if found is None or found.job.target.guild_id != interaction.guild_id:
        raise Refused(_NO_RESULT)
    told = await remove(interaction, found.job)
    await show(interaction.client, found.job.id)
    await interaction.edit_original_response(content=told)


items: Final = (CaseButton,)
