"""⭐ posts a picture to the gallery of the guild, once for each picture.

The post stays when stars are taken back, because others may have replied to it. It is deleted by
❌ of the picture's user or a moderator, on the post or on the result, with the user's data, and
when moderators remove the picture.
"""

import logging
from typing import Final

import discord

from bot.context import BotClient
from bot.domain import rules
from bot.domain.delivery import Delivery, DeliveryKind
from bot.domain.job import ResponseTarget, ShownJob
from bot.errors import DeliveryFailed, PolicyViolation, Refused
from bot.features.exports import Exports
from bot.features.permissions import CannotReply, check_can_show, check_not_timed_out
from bot.features.reaction_events import (
    Reaction,
    answer_privately,
    emoji_of,
    handle_errors,
    idempotency_key,
    is_by_bot,
    request_context,
)
from bot.features.restrictions import check_reaction
from bot.i18n import N_, _
from bot.messages import gallery_access

_STAR: Final = "⭐"
_NO_GUILD: Final = N_("A gallery belongs to a server, so ⭐ does nothing in direct messages.")
_NO_GALLERY: Final = N_(
    "This server has no gallery for pictures with a ⭐. Members who manage it can "
    "choose a channel with /admin gallery."
)
_GONE: Final = N_(
    "The gallery of this server was deleted, or I cannot see it. Members who manage "
    "the server can choose another one with /admin gallery."
)
log = logging.getLogger(__name__)


async def on_add(client: BotClient, reaction: Reaction) -> None:
    """Post what a message shows, and tell only the user who reacted if that is impossible."""
    if emoji_of(reaction) != _STAR or is_by_bot(client, reaction):
        return
    result = await client.services.job_finder.by_message(reaction.message_id)
    if result is None:
        return
    async with handle_errors(client, reaction):
        try:
            await _post(client, reaction, result)
        except (PolicyViolation, CannotReply):
            raise
        except DeliveryFailed as error:
            log.warning("A picture is posted later: %s", error)
        except Refused as error:
            await answer_privately(client, reaction, str(error))


async def _post(client: BotClient, reaction: Reaction, result: ShownJob) -> None:
    guild = client.get_guild(reaction.guild_id or 0)
    if guild is None:
        raise Refused(_(_NO_GUILD))
    check_reaction(client, reaction)
    await client.services.moderation.check_not_blocked(guild.id, reaction.user_id)
    gallery = _gallery(client, guild)
    place = guild.get_channel_or_thread(reaction.channel_id)
    if gallery.id in (reaction.channel_id, getattr(place, "parent_id", None)):
        return  # everybody sees it there
    gallery_access.check_age_restriction(place, gallery)
    if result.job.user_id != reaction.user_id:
        gallery_access.check_audience(place, gallery)
    check_not_timed_out(guild.me)
    check_can_show(gallery.permissions_for(guild.me), gallery)
    context = request_context(client, reaction)
    await client.services.job_service.check_shown(result.job, context)
    pictures = await client.services.job_finder.pictures(result)
    rules.check_any_finished(result.job, pictures)
    delivery = Delivery(
        kind=DeliveryKind.GALLERY,
        job_id=result.job.id,
        nth=pictures[0].nth if len(result.job.recipes) == 1 else result.nth,
        request=idempotency_key(reaction),
        recipient_id=reaction.user_id,
        target=ResponseTarget(
            channel_id=gallery.id, guild_id=guild.id, reply_to_id=reaction.message_id
        ),
        created_at=discord.utils.utcnow().timestamp(),
    )

    async def refuse(reason: str) -> bool:
        await answer_privately(client, reaction, reason)
        return True

    await client.services.gallery.post(delivery, refuse)


def _gallery(client: BotClient, guild: discord.Guild) -> discord.abc.GuildChannel:
    """Raises Refused if the guild has none."""
    settings = client.services.preferences.of(guild.id, None, None)
    if settings.gallery_channel_id is None:
        raise Refused(_(_NO_GALLERY))
    channel = guild.get_channel(settings.gallery_channel_id)
    if channel is None:
        raise Refused(_GONE)
    return channel


exports: Final = Exports(
    reactions={_STAR: N_("Post it to the gallery of the server")}, on_reaction_add=(on_add,)
)
