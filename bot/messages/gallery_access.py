"""Who sees a gallery, compared with the channel in which a picture got a ⭐."""

from typing import Final

import discord

from bot.errors import Refused
from bot.i18n import N_, _
from bot.messages import channels

_AGE_RESTRICTED: Final = N_(
    "This channel is age-restricted and the gallery is not, so the picture is not posted there."
)
_HIDDEN: Final = N_(
    "More people see the gallery than this channel, so only the user of the picture "
    "can post it there."
)


def check_age_restriction(place: object, gallery: object) -> None:
    """Raise Refused if everybody sees the gallery, but only adults the picture's channel, or it is
    not known."""
    channel, target = channels.from_channel(place).channel, channels.from_channel(gallery).channel
    is_target_restricted = target is not None and target.is_age_restricted
    if (channel is None or channel.is_age_restricted) and not is_target_restricted:
        raise Refused(_(_AGE_RESTRICTED))


def check_audience(place: object, gallery: discord.abc.GuildChannel) -> None:
    """Raise Refused if more people see the gallery than the picture, whose user did not choose
    that: all members, or those of a role."""
    channel = place.parent if isinstance(place, discord.Thread) else place
    is_private = isinstance(place, discord.Thread) and place.is_private()
    is_hidden = isinstance(channel, discord.abc.GuildChannel) and any(
        gallery.permissions_for(role).view_channel
        and not channel.permissions_for(role).view_channel
        for role in gallery.guild.roles
        if not role.is_bot_managed()
    )
    if is_private or is_hidden:
        raise Refused(_(_HIDDEN))
