"""The styles and wildcards of guilds, in memory once they were read."""

from typing import Final

from bot.db.presets import PresetStore
from bot.domain.clock import Clock
from bot.domain.presets import BUILT_IN, Change, Presets, with_own

_MAX_GUILDS: Final = 2000
"""In memory."""


class PresetService:
    """Reads the presets of a guild once, so that suggestions are answered from memory."""

    def __init__(self, presets: PresetStore, clock: Clock) -> None:
        self._presets = presets
        self._clock = clock
        self._by_guild: dict[int, Presets] = {}

    async def of(self, guild_id: int | None) -> Presets:
        """The presets of this guild; without a guild, the built-in ones."""
        if guild_id is None:
            return BUILT_IN
        presets = self._by_guild.get(guild_id)
        if presets is None:
            own = await self._presets.own(guild_id)
            if guild_id not in self._by_guild:  # a change meanwhile has the newer ones
                self._remember(guild_id, with_own(own) if own else BUILT_IN)
            presets = self._by_guild[guild_id]
        return presets

    async def change(self, guild_id: int, change: Change, *, actor_id: int) -> Presets:
        """The presets after a change by this user. Raises Refused as `change` does."""
        own = await self._presets.change(guild_id, change, actor_id=actor_id, now=self._clock())
        self._remember(guild_id, with_own(own))
        return self._by_guild[guild_id]

    def _remember(self, guild_id: int, presets: Presets) -> None:
        self._by_guild[guild_id] = presets
        if len(self._by_guild) > _MAX_GUILDS:
            del self._by_guild[next(iter(self._by_guild))]
