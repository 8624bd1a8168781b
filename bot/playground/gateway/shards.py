"""Which guilds and events a session receives.

https://docs.discord.com/developers/events/gateway#sharding
"""

from collections.abc import Iterable
from dataclasses import dataclass

from bot.playground.model.guild import Guild

GUILDS_LIMIT = 2_500  # guilds on a shard


@dataclass(frozen=True)
class Shard:
    """One of `count` shards; a session without `shard` in its IDENTIFY has the only one."""

    id: int = 0
    count: int = 1

    def includes(self, guild: Guild | None) -> bool:
        """Return whether events of the guild, or of DMs if it is None, are sent to this shard."""
        return self.id == (0 if guild is None else (guild.id >> 22) % self.count)

    def is_too_large(self, guilds: Iterable[Guild]) -> bool:
        """Return whether the shard would have to handle too many of the bot's guilds."""
        count = sum(self.includes(guild) for guild in guilds)
        return count > GUILDS_LIMIT or (self.count == 1 and count >= GUILDS_LIMIT)


def parse_shard(value: object) -> Shard | None:
    """Return the shard of an IDENTIFY, which is the only one by default; None if it is invalid."""
    if value is None:
        return Shard()
    match value:
        case [int(shard_id), int(count)] if 0 <= shard_id < count:
            return Shard(shard_id, count)
    return None
