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
)
from bot.features.restrictions import check_reaction
from bot.messages import channels

_STAR: Final = "⭐"
_NO_GUILD: Final = "A gallery belongs to a server, so ⭐ does nothing in direct messages."
_NO_GALLERY: Final = (
    "This server has no gallery for pictures with a ⭐. Members who manage it can choose a channel "
    "with /admin gallery."
)
_GONE: Final = (
    "The gallery of this server was deleted, or I cannot see it. Members who manage the server can "
    "choose another one with /admin gallery."
)
_AGE_RESTRICTED: Final = (
    "This channel is age-restricted and the gallery is not, so the picture is not posted there."
)
_HIDDEN: Final = (
    "More people see the gallery than this channel, so only the user of the picture can post it "
    "there."
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
        raise Refused(_NO_GUILD)
    check_reaction(client, reaction)
    await client.services.moderation.check_not_blocked(guild.id, reaction.user_id)
    gallery = _gallery(client, guild)
    place = guild.get_channel_or_thread(reaction.channel_id)
    if gallery.id in (reaction.channel_id, getattr(place, "parent_id", None)):
        return  # everybody sees it there
    _check_age_restriction(place, gallery)
    if result.job.user_id != reaction.user_id:
        _check_audience(place, gallery)
    check_not_timed_out(guild.me)
    check_can_show(gallery.permissions_for(guild.me), gallery)
    pictures = await client.services.job_finder.pictures(result)
    rules.check_any_finished(result.job, pictures)
    delivery = Delivery(
        kind=DeliveryKind.GALLERY,
        job_id=result.job.id,
        nth=pictures[0].nth if len(result.job.recipes) == 1 else result.nth,
        request=idempotency_key(reaction),
        recipient_id=reaction.user_id,
        target=ResponseTarget(channel_id=gallery.id, guild_id=guild.id),
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
        raise Refused(_NO_GALLERY)
    channel = guild.get_channel(settings.gallery_channel_id)
    if channel is None:
        raise Refused(_GONE)
    return channel


def _check_age_restriction(place: object, gallery: discord.abc.GuildChannel) -> None:
    """Raise Refused if everybody sees the gallery, but only adults the picture's channel, or it is
    not known."""
    channel, target = channels.from_channel(place).channel, channels.from_channel(gallery).channel
    is_target_restricted = target is not None and target.is_age_restricted
    if (channel is None or channel.is_age_restricted) and not is_target_restricted:
        raise Refused(_AGE_RESTRICTED)


def _check_audience(place: object, gallery: discord.abc.GuildChannel) -> None:
    """Raise Refused if more people see the gallery than the picture, whose user did not choose
    that."""
    everyone = gallery.guild.default_role
    channel = place.parent if isinstance(place, discord.Thread) else place
    is_private = isinstance(place, discord.Thread) and place.is_private()
    is_hidden = (
        isinstance(channel, discord.abc.GuildChannel)
        and not channel.permissions_for(everyone).view_channel
        and gallery.permissions_for(everyone).view_channel
    )
    if is_private or is_hidden:
        raise Refused(_HIDDEN)


exports: Final = Exports(
    reactions={_STAR: "Post it to the gallery of the server"}, on_reaction_add=(on_add,)
)
