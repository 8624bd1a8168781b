"""Which limit for uploaded files applies to a request."""

from bot.playground.model.interactions import Interactions
from bot.playground.model.state import World
from bot.playground.model.upload_limits import guild_limit, interaction_limit
from bot.playground.rest.http import Request

TOKENS = ("interaction_token", "webhook_token")


class UploadLimits:
    """Finds the interaction or channel that a request uploads files to."""

    def __init__(self, world: World, interactions: Interactions) -> None:
        self._world = world
        self._interactions = interactions

    def limit(self, request: Request) -> int:
        """Return the bytes that each file may have; the default if the path has neither."""
        for name in TOKENS:
            interaction = self._interactions.find_by_token(request.params.get(name, ""))
            if interaction:
                return interaction_limit(interaction)
        channel_id = request.params.get("channel_id", "")
        channel = self._world.channels.get(int(channel_id)) if channel_id.isdecimal() else None
        return guild_limit(self._world, channel.guild if channel else None)
