"""Reactions to a result: 🔁 or a number varies, ❌ deletes, ✉️ sends a DM, 🚩 reports."""

import logging
from typing import Final

import discord

from bot.context import BotClient
from bot.domain import rules
from bot.domain.delivery import Delivery, DeliveryKind
from bot.domain.job import RequestContext, ResponseTarget, ShownJob
from bot.domain.kinds import variation
from bot.errors import BotError, PolicyViolation, Refused
from bot.features import report
from bot.features.exports import Exports, ReactionClear
from bot.features.permissions import CannotReply, check_can_reply, is_moderator_by_reaction
from bot.features.responses import role_ids
from bot.features.restrictions import check_reaction
from bot.messages import channels, message_parser
from bot.messages.discord_errors import DISCORD_ERRORS, describe

Reaction = discord.RawReactionActionEvent

_VARY: Final = "🔁"
_DELETE: Final = "❌"
_DM: Final = "✉"
_REPORT: Final = "🚩"
_NUMBERS: Final = {f"{n}\u20e3": n for n in range(1, 10)} | {"\U0001f51f": 10}
"""The keycap emoji, of which the last is 🔟; a reaction cannot name later pictures."""
_ALWAYS_ALLOWED: Final = frozenset({_DELETE, _REPORT})
"""Where the guild does not allow the bot, too."""
_EMOJI: Final = frozenset({_VARY, _DELETE, _DM, _REPORT, *_NUMBERS})
_VARIATION_SELECTOR: Final = "\ufe0f"
"""Selects the colour form of an emoji; some clients send it and some do not."""
_POLICY_VIOLATION: Final = "This is not allowed here."
"""Shown in public instead of the message of a PolicyViolation, which is for its user alone."""
log = logging.getLogger(__name__)


async def on_add(client: BotClient, reaction: Reaction) -> None:
    """Handle a reaction to a result."""
    emoji = _emoji(reaction)
    is_own = client.user is not None and reaction.user_id == client.user.id
    if is_own or emoji not in _EMOJI:
        return
    result = await client.services.job_finder.by_message(reaction.message_id)
    if reaction.member is not None and reaction.member.bot:
        return
    try:
        if emoji not in _ALWAYS_ALLOWED:
            check_reaction(client, reaction)
        if result is None:
            await _handle_on_deleted(client, reaction, emoji)
        else:
            await _handle(client, reaction, emoji, result)
    except PolicyViolation as error:
        log.info("The reaction %s of %d is refused: %s", emoji, reaction.user_id, error)
        await _reply_temporarily(client, reaction, _POLICY_VIOLATION)
    except CannotReply as error:
        await client.services.message_client.notify(reaction.user_id, str(error))
    except BotError as error:
        await _reply_temporarily(client, reaction, str(error))
    except DISCORD_ERRORS as error:
        log.warning("The reaction %s failed: %s", emoji, describe(error))


async def on_remove(client: BotClient, reaction: Reaction) -> None:
    """Allow a reaction that was taken back to be repeated."""
    if _emoji(reaction) in _EMOJI:
        await client.services.job_service.free_key(_idempotency_key(reaction))


async def on_clear(client: BotClient, event: ReactionClear) -> None:
    """Allow reactions that were removed together to be repeated."""
    prefix = f"reaction:{event.message_id}:"
    if isinstance(event, discord.RawReactionClearEvent):
        await client.services.job_service.free_keys(prefix)
    elif _emoji(event) in _EMOJI:
        await client.services.job_service.free_keys(prefix, f":{_emoji(event)}")


async def _handle(client: BotClient, reaction: Reaction, emoji: str, result: ShownJob) -> None:
    if emoji == _DELETE:
        await _delete(client, reaction, result)
    elif emoji == _REPORT:
        await report.on_reaction(client, reaction)
    elif emoji == _DM:
        await client.services.moderation.check_not_blocked(reaction.guild_id, reaction.user_id)
        await _send_directly(client, reaction, result)
    else:
        await _vary(client, reaction, result, _NUMBERS.get(emoji))


async def _vary(client: BotClient, reaction: Reaction, result: ShownJob, nth: int | None) -> None:
    pictures = await client.services.job_finder.pictures(result)
    if nth is not None and result.nth is None:
        pictures = [picture for picture in pictures if picture.nth == nth]
    if not pictures:
        raise Refused("There is no such picture here.")
    check_can_reply(client, reaction)
    context = RequestContext(
        idempotency_key=_idempotency_key(reaction),
        user_id=reaction.user_id,
        channel=channels.from_channel(client.get_channel(reaction.channel_id)),
        target=ResponseTarget(
            channel_id=reaction.channel_id,
            guild_id=reaction.guild_id,
            reply_to_id=reaction.message_id,
        ),
        role_ids=role_ids(reaction.member),
    )
    service = client.services.job_service
    plan_context = await client.services.planner.context(context, pictures)
    plan = variation.plan(variation.VariationRequest(), plan_context)
    job = await service.submit(variation.KIND, plan, context)
    if job is not None:
        service.start(job)


async def _send_directly(client: BotClient, reaction: Reaction, result: ShownJob) -> None:
    async def refuse(reason: str) -> bool:
        await _reply_temporarily(client, reaction, reason)
        return True

    delivery = Delivery(
        kind=DeliveryKind.DIRECT,
        job_id=result.job.id,
        nth=result.nth,
        request=_idempotency_key(reaction),
        recipient_id=reaction.user_id,
        target=ResponseTarget(channel_id=0),
        created_at=discord.utils.utcnow().timestamp(),
    )
    async with client.services.outbox.adding(delivery):
        await client.services.outbox.deliver_now(delivery, refuse)


async def _delete(client: BotClient, reaction: Reaction, result: ShownJob) -> None:
    if not rules.can_cancel(result.job, user_id=reaction.user_id, is_moderator=False) and not (
        await is_moderator_by_reaction(client, reaction)
    ):
        return  # only the job's user and moderators can delete it
    await client.services.job_service.cancel(result.job)
    await client.services.message_client.delete(reaction.channel_id, reaction.message_id)


async def _handle_on_deleted(client: BotClient, reaction: Reaction, emoji: str) -> None:
    """Handle a reaction to a message of a deleted job, which only the message itself identifies."""
    if client.user is None or reaction.message_author_id != client.user.id:
        return
    channel = client.get_partial_messageable(reaction.channel_id)
    message = await channel.get_partial_message(reaction.message_id).fetch()
    job = await client.services.job_finder.deleted_job(message_parser.job_id_of(message))
    if emoji == _REPORT or job is None:
        return
    if emoji != _DELETE:
        rules.check_not_deleted(job)
        return
    is_owner = reaction.user_id == message_parser.owner_of(message)
    if is_owner or await is_moderator_by_reaction(client, reaction):
        await client.services.message_client.delete(reaction.channel_id, reaction.message_id)


async def _reply_temporarily(client: BotClient, reaction: Reaction, text: str) -> None:
    await client.services.message_client.temporary_replies.send(
        reaction.channel_id, reaction.message_id, reaction.user_id, text
    )


def _emoji(reaction: Reaction | discord.RawReactionClearEmojiEvent) -> str:
    return reaction.emoji.name.replace(_VARIATION_SELECTOR, "")


def _idempotency_key(reaction: Reaction) -> str:
    return f"reaction:{reaction.message_id}:{reaction.user_id}:{_emoji(reaction)}"


exports: Final = Exports(
    on_reaction_add=(on_add,), on_reaction_remove=(on_remove,), on_reaction_clear=(on_clear,)
)
