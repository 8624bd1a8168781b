"""How large a file of a message may be: by the interaction, or else by the server's boosts.

https://docs.discord.com/developers/reference#uploading-files
"""

from collections import OrderedDict
from typing import Any, Final

import discord

from bot.domain.job import ResponseTarget

BYTES_LIMIT: Final = 10 * 1024 * 1024
"""Discord's size limit of a file if neither the server nor the user has a higher one."""
REQUEST_LIMIT: Final = 24 * 1024 * 1024
"""Discord's size limit of a request, less some room for the message's text."""
_TOKENS_LIMIT: Final = 10_000


class UploadLimits:
    """The limits of interactions whose tokens may be valid, and of channels."""

    def __init__(self, client: discord.Client) -> None:
        self._client = client
        self._by_token: OrderedDict[str, int] = OrderedDict()
        self._default = BYTES_LIMIT

    def remember(self, interaction: discord.Interaction[Any]) -> None:
        """Store the limit of an interaction for the response to it.

        No limit is lower than the default: if this one is, Discord has lowered the default.
        """
        self._by_token[interaction.token] = interaction.filesize_limit
        self._default = min(self._default, interaction.filesize_limit)
        if len(self._by_token) > _TOKENS_LIMIT:
            self._by_token.popitem(last=False)

    def limit(self, target: ResponseTarget) -> int:
        """Bytes that a file may have in a message at this target, and that fit in a request."""
        limit = None if target.token is None else self._by_token.get(target.token)
        return min(self._channel_limit(target) if limit is None else limit, REQUEST_LIMIT)

    def _channel_limit(self, target: ResponseTarget) -> int:
        """The limit of a boosted server whose channel is in the cache, otherwise the default."""
        guild = getattr(self._client.get_channel(target.channel_id), "guild", None)
        limit = guild.filesize_limit if isinstance(guild, discord.Guild) else 0
        return limit if limit > BYTES_LIMIT else self._default
