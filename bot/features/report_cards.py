"""The cards that show reports to the moderators, with their buttons."""

import logging
from typing import Final, NamedTuple

import discord

from bot.context import BotClient
from bot.domain.delivery import Delivery, DeliveryKind
from bot.domain.job import ResponseTarget
from bot.domain.moderation import CaseState
from bot.errors import DeliveryFailed
from bot.i18n import _, pgettext
from bot.messages import components, moderation_cards
from bot.messages.discord_errors import (
    DISCORD_ERRORS,
    Meaning,
    describe,
    is_text_blocked,
    meaning,
)
from bot.services.reports import CaseDetails

REMOVE: Final = "remove"
BLOCK: Final = "block"
UNBLOCK: Final = "unblock"
DISMISS: Final = "dismiss"
PATTERN: Final = (
    rf"{components.VERSION}:case:(?P<action>{REMOVE}|{BLOCK}|{UNBLOCK}|{DISMISS})"
    r":(?P<job>[0-9a-z]{1,24})"
)
log = logging.getLogger(__name__)


def custom_id(action: str, job_id: str) -> str:
    """The custom id of a button on the card of a job."""
    return f"{components.VERSION}:case:{action}:{job_id}"


def case_view(job_id: str, *, is_open: bool, is_removed: bool, is_blocked: bool) -> discord.ui.View:
    """The buttons of the actions that are still possible."""
    buttons = [
        (REMOVE, _("Remove"), not is_removed),
        (BLOCK, _("Block user"), not is_blocked),
        (UNBLOCK, _("Unblock user"), is_blocked),
        (DISMISS, _("Dismiss"), is_open),
    ]
    return components.stateless_view(
        components.button(label, custom_id(action, job_id))
        for action, label, is_available in buttons
        if is_available
    )


def deleted_case_view(job_id: str, *, is_open: bool) -> discord.ui.View:
    """The buttons if the job was deleted."""
    dismiss = components.button(pgettext("button", "Dismiss"), custom_id(DISMISS, job_id))
    return components.stateless_view([dismiss] if is_open else [])


class Card(NamedTuple):
    """The message to the moderators about a case."""

    content: str
    view: discord.ui.View


class CardSender:
    """A sender of cards, for the outbox."""

    def __init__(self, client: BotClient) -> None:
        self._client = client

    async def send(self, delivery: Delivery, *, is_first: bool = False) -> bool:
        """Post or update the card of a case; False if the moderators cannot see it.

        Raises DeliveryFailed if a later attempt may succeed.
        """
        guild_id = delivery.target.guild_id or 0
        details = await self._client.services.reports.details(delivery.job_id, guild_id)
        if details is None:
            return False
        try:
            return await _edit_or_post(self._client, details)
        except DISCORD_ERRORS as error:
            reason = describe(error)
            log.warning(
                "The moderators of %d do not see case %s: %s", guild_id, delivery.job_id, reason
            )
            if meaning(error) is Meaning.RETRY:
                raise DeliveryFailed(reason) from error
            return False

    async def explain(self, delivery: Delivery, reason: str) -> bool:  # a Sender's
        """False: a card has no other text."""
        return False


async def show(client: BotClient, job_id: str, guild_id: int) -> bool:
    """Post or update the card of a case; False if the moderators do not see it yet."""
    details = await client.services.reports.details(job_id, guild_id)
    if details is None:
        return False
    target = ResponseTarget(channel_id=details.mod_channel_id or 0, guild_id=guild_id)
    created_at = discord.utils.utcnow().timestamp()
    delivery = Delivery(kind=DeliveryKind.CARD, job_id=job_id, target=target, created_at=created_at)
    outbox = client.services.outbox
    async with outbox.adding(delivery):
        try:
            return await outbox.deliver_now(delivery, refuse=_cannot_refuse)
        except DeliveryFailed:
            return False


async def _cannot_refuse(_: str) -> bool:
    return True


async def _edit_or_post(client: BotClient, details: CaseDetails) -> bool:
    """Without what people wrote if the server blocks it; False if there is no channel for cards."""
    card = _card(details)
    try:
        return await _edit(client, details, card) or await _post(client, details, card)
    except DISCORD_ERRORS as error:
        if not is_text_blocked(error):
            raise
    card = _card(details, has_texts=False)
    return await _edit(client, details, card) or await _post(client, details, card)


async def _edit(client: BotClient, details: CaseDetails, card: Card) -> bool:
    """False if there is no card that the bot can edit."""
    case = details.case
    if case.card_message_id is None or case.card_channel_id is None:
        return False
    channel = client.get_partial_messageable(case.card_channel_id)
    message = channel.get_partial_message(case.card_message_id)
    try:
        await message.edit(content=card.content, view=card.view)
    except DISCORD_ERRORS as error:
        if meaning(error) not in (Meaning.GONE, Meaning.NO_ACCESS):
            raise
        return False
    return True


async def _post(client: BotClient, details: CaseDetails, card: Card) -> bool:
    """False if there is no channel for cards.

    Two simultaneous reports may post two cards; the later one is deleted again.
    """
    case, channel_id = details.case, details.mod_channel_id
    if channel_id is None or case.state is not CaseState.OPEN:
        return False
    nonce = f"case:{len(case.reports)}:{case.job_id}"
    channel = client.get_partial_messageable(channel_id)
    message = await channel.send(card.content, view=card.view, nonce=nonce)
    if not await client.services.reports.set_card(case, channel_id, message.id):
        await client.services.message_client.delete(channel_id, message.id)
    return True


def _card(details: CaseDetails, *, has_texts: bool = True) -> Card:
    case, job = details.case, details.job
    is_open = case.state is CaseState.OPEN
    if job.deletion_reason is not None:
        content = moderation_cards.deleted_case(case, job.deletion_reason, has_texts=has_texts)
        return Card(content, deleted_case_view(case.job_id, is_open=is_open))
    view = case_view(
        case.job_id,
        is_open=is_open,
        is_removed=case.state is CaseState.REMOVED,
        is_blocked=details.block_reason is not None,
    )
    content = moderation_cards.case(
        case, job, details.pictures, details.block_reason, has_texts=has_texts
    )
    return Card(content, view)
