"""What Discord says of the place where a message stands."""

import logging
from collections.abc import Sequence

import discord

from bot.db.guild_settings import NsfwLevels
from bot.domain.nsfw import UNKNOWN, Kind, Level, Place, Room, level
from bot.domain.picture import Picture
from bot.domain.visibility import Showing, showing
from bot.errors import NETWORK_ERRORS

log = logging.getLogger(__name__)


def of_interaction(interaction: discord.Interaction[discord.Client]) -> Place:
    """Where this was asked, by what is known at once."""
    if interaction.guild_id is not None and not interaction.is_guild_integration():
        return Place(kind=Kind.GUEST)
    return of_channel(interaction.channel)


def of_channel(channel: object) -> Place:
    """This channel of discord.py's as a place."""
    if isinstance(channel, discord.DMChannel):
        return Place(kind=Kind.DIRECT)
    if isinstance(channel, discord.GroupChannel):
        return Place(kind=Kind.GROUP)
    if isinstance(channel, discord.Thread):
        return _server(channel.guild, channel.parent)
    if isinstance(channel, discord.abc.GuildChannel):
        return _server(channel.guild, channel)
    return UNKNOWN


def _server(guild: discord.Guild, channel: discord.abc.GuildChannel | None) -> Place:
    restricted = getattr(channel, "nsfw", None)
    if channel is None or not isinstance(restricted, bool):
        return UNKNOWN
    return Place(kind=Kind.SERVER, server=guild.id, room=Room(channel.id, restricted))


class Whereabouts:
    """Asks Discord anew each time: what was true when a job was accepted may have changed."""

    def __init__(self, client: discord.Client, levels: NsfwLevels) -> None:
        self._client = client
        self._levels = levels

    async def level(self, channel: int) -> Level:
        """What becomes of flagged pictures in this channel, as of now."""
        place = await self._place(channel)
        return level(place, await self._levels.of(place.server))

    async def showing(self, pictures: Sequence[Picture], channel: int) -> Showing:
        """What this channel may see of these pictures, as of now. Nobody is asked in vain."""
        restricted = any(picture.restricted for picture in pictures)
        return showing(pictures, await self.level(channel) if restricted else Level.BLOCK)

    async def _place(self, channel: int) -> Place:
        try:
            found = await self._client.fetch_channel(channel)
            if isinstance(found, discord.Thread):
                parent = await self._client.fetch_channel(found.parent_id)
                return of_channel(parent) if _same_guild(found, parent) else UNKNOWN
            return of_channel(found)
        except (discord.DiscordException, *NETWORK_ERRORS) as error:
            log.warning("What kind of channel %d is, is not known: %r", channel, error)
            return UNKNOWN


def _same_guild(thread: discord.Thread, parent: object) -> bool:
    return isinstance(parent, discord.abc.GuildChannel) and parent.guild == thread.guild
