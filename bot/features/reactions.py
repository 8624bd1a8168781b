"""Reactions to a result: 🔁 or a number varies, 🔄 paints again with other seeds, ❌ deletes, ✉️
sends a DM, 🚩 reports."""

from typing import Final

import discord

from bot.context import BotClient
from bot.domain import rules
from bot.domain.delivery import Delivery, DeliveryKind
from bot.domain.job import RequestContext, ResponseTarget, ShownJob
from bot.domain.kinds import variation
from bot.domain.plan import JobKind, Plan
from bot.errors import Refused
from bot.features import report
from bot.features.delete import withdraw
from bot.features.exports import Exports, ReactionClear
from bot.features.permissions import check_can_reply, is_moderator_by_reaction
from bot.features.reaction_events import (
    Reaction,
    emoji_of,
    handle_errors,
    idempotency_key,
    is_by_bot,
    reply_temporarily,
    request_context,
)
from bot.features.restrictions import check_reaction
from bot.i18n import N_, _
from bot.messages import message_parser

_VARY: Final = "🔁"
_REROLL: Final = "🔄"
_DELETE: Final = "❌"
_DM: Final = "✉"
_REPORT: Final = "🚩"
_NUMBERS: Final = {f"{n}\u20e3": n for n in range(1, 10)} | {"\U0001f51f": 10}
"""The keycap emoji, of which the last is 🔟; a reaction cannot name later pictures."""
_ALWAYS_ALLOWED: Final = frozenset({_DELETE, _REPORT})
"""Where the guild does not allow the bot, too."""
_EMOJI: Final = frozenset({_VARY, _REROLL, _DELETE, _DM, _REPORT, *_NUMBERS})


async def on_add(client: BotClient, reaction: Reaction) -> None:
    """Handle a reaction to a result."""
    emoji = emoji_of(reaction)
    if emoji not in _EMOJI or is_by_bot(client, reaction):
        return
    result = await client.services.job_finder.by_message(reaction.message_id)
    async with handle_errors(client, reaction):
        if emoji not in _ALWAYS_ALLOWED:
            check_reaction(client, reaction)
        if result is None:
            await _handle_on_deleted(client, reaction, emoji)
        else:
            await _handle(client, reaction, emoji, result)


async def on_remove(client: BotClient, reaction: Reaction) -> None:
    """Allow a reaction that was taken back to be repeated."""
    if emoji_of(reaction) in _EMOJI:
        await client.services.job_service.free_key(idempotency_key(reaction))


async def on_clear(client: BotClient, event: ReactionClear) -> None:
    """Allow reactions that were removed together to be repeated."""
    prefix = f"reaction:{event.message_id}:"
    if isinstance(event, discord.RawReactionClearEvent):
        await client.services.job_service.free_keys(prefix)
    elif emoji_of(event) in _EMOJI:
        await client.services.job_service.free_keys(prefix, f":{emoji_of(event)}")


async def _handle(client: BotClient, reaction: Reaction, emoji: str, result: ShownJob) -> None:
    if emoji == _DELETE:
        await _delete(client, reaction, result)
    elif emoji == _REPORT:
        await report.on_reaction(client, reaction)
    elif emoji == _DM:
        await client.services.moderation.check_not_blocked(reaction.guild_id, reaction.user_id)
        await _send_directly(client, reaction, result)
    elif emoji == _REROLL:
        await _reroll(client, reaction, result)
    else:
        await _vary(client, reaction, result, _NUMBERS.get(emoji))


async def _vary(client: BotClient, reaction: Reaction, result: ShownJob, nth: int | None) -> None:
    pictures = await client.services.job_finder.pictures(result)
    if nth is not None and result.nth is None:
        pictures = [picture for picture in pictures if picture.nth == nth]
    if not pictures:
        raise Refused(_("There is no such picture here."))
    check_can_reply(client, reaction)
    context = request_context(client, reaction)
    plan_context = await client.services.planner.context(context, pictures)
    plan = variation.plan(variation.VariationRequest(), plan_context)
    await _start(client, variation.KIND, plan, context)


async def _reroll(client: BotClient, reaction: Reaction, result: ShownJob) -> None:
    if not result.job.has_ended:
        raise Refused(_("This is not finished yet."))
    check_can_reply(client, reaction)
    context = request_context(client, reaction)
    kind, plan = await client.services.planner.replan(result.job, context, result.nth)
    await _start(client, kind, plan, context)


async def _start(client: BotClient, kind: JobKind, plan: Plan, context: RequestContext) -> None:
    job = await client.services.job_service.submit(kind, plan, context)
    if job is not None:
        client.services.job_service.start(job)


async def _send_directly(client: BotClient, reaction: Reaction, result: ShownJob) -> None:
    async def refuse(reason: str) -> bool:
        await reply_temporarily(client, reaction, reason)
        return True

    delivery = Delivery(
        kind=DeliveryKind.DIRECT,
        job_id=result.job.id,
        nth=result.nth,
        request=idempotency_key(reaction),
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
    await withdraw(client, result.job, reaction.message_id)
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


exports: Final = Exports(
    reactions={
        _VARY: N_("Vary all pictures"),
        "1️⃣ – 🔟": N_("Vary this picture"),
        _REROLL: N_("Paint the same again with other seeds"),
        "✉️": N_("Get the pictures by direct message"),
        _DELETE: N_("Delete the message, for its author and for moderators"),
        _REPORT: N_("Report the pictures to the moderators"),
    },
    on_reaction_add=(on_add,),
    on_reaction_remove=(on_remove,),
    on_reaction_clear=(on_clear,),
)
