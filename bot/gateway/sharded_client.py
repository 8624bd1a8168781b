"""discord.py's client with as many shards as Discord recommends, which run independently."""

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

import discord
import msgspec
from discord.http import Route
from discord.state import AutoShardedConnectionState

from bot.gateway.identify_limit import IDENTIFY_SECONDS, GatewayBot, IdentifyLimit
from bot.gateway.shard import CONNECTION_ERRORS, GatewayUnreachable, Shard
from bot.monitoring.metrics import ShardStatus

SHARDING_REQUIRED: Final = 4011
"""The close code of a shard that would have too many guilds."""
log = logging.getLogger(__name__)


if TYPE_CHECKING:
    _State = AutoShardedConnectionState["ShardedClient"]
else:
    _State = AutoShardedConnectionState


class _ShardedState(_State):
    """What the client knows of its guilds."""

    def parse_ready(self, data: Any) -> None:  # noqa: ANN401 # as discord.py
        """Begin the session of a shard without the guilds of its last session.

        The bot may have left some meanwhile. discord.py forgets them only without shards.
        """
        shard_id = data["shard"][0]
        for guild in [guild for guild in self.guilds if guild.shard_id == shard_id]:
            self._remove_guild(guild)
        self._ready_task = None  # else discord.py cancels the tasks of other shards with it
        super().parse_ready(data)


class ShardedClient(discord.AutoShardedClient):
    """Starts shards as fast as Discord allows; discord.py starts one every five seconds.

    A shard that loses its connection resumes by itself, and no other shard waits for it.
    """

    def __init__(
        self,
        *,
        identify_interval: float = IDENTIFY_SECONDS,
        **options: Any,  # noqa: ANN401 # as discord.py
    ) -> None:
        """`identify_interval` is in seconds, and shorter than Discord's in tests only."""
        super().__init__(**options)
        self._limit = IdentifyLimit(self._fetch_gateway, identify_interval)
        self._shards_by_id: dict[int, Shard] = {}
        # discord.py's methods use these shards too: to close them, and to list latencies
        vars(self)["_AutoShardedClient__shards"] = self._shards_by_id

    def _get_state(self, **options: Any) -> _ShardedState:  # noqa: ANN401 # as discord.py
        return _ShardedState(
            dispatch=self.dispatch,
            handlers=self._handlers,
            hooks=self._hooks,
            http=self.http,
            **options,
        )

    @property
    def online(self) -> bool:
        """Whether all shards are connected and ready."""
        shards = self._shards_by_id.values()
        return len(shards) > 0 and all(shard.is_ready for shard in shards)

    @property
    def latencies(self) -> list[tuple[int, float]]:
        """Id and latency in seconds of each shard; it is infinite before the first heartbeat."""
        return [(shard.id, shard.latency) for shard in self._shards_by_id.values()]

    @property
    def shard_statuses(self) -> tuple[ShardStatus, ...]:
        """The shards in order; none before the first connection."""
        return tuple(
            ShardStatus(id=shard.id, is_up=shard.is_ready, latency=shard.latency)
            for shard in self._shards_by_id.values()
        )

    def mark_ready(self, shard_id: int) -> None:
        """The session of a shard has begun, or goes on after an interruption."""
        self._shards_by_id[shard_id].mark_ready()

    async def show_presence(self, activity: discord.BaseActivity, status: discord.Status) -> None:
        """Show on all shards what the bot does; those that are not ready show it the next time."""
        for shard in list(self._shards_by_id.values()):
            await shard.show_presence(activity, status)

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """Do not wait: a shard has waited before it connected."""

    async def connect(self, *, reconnect: bool = True) -> None:
        """Run the shards that Discord recommends, until the client is closed.

        If Discord demands more shards (close code 4011), they start anew with its new number.
        `reconnect` must be True. Raises GatewayUnreachable if the gateway cannot be reached, and
        discord.ConnectionClosed with a close code after which Discord forbids to reconnect.
        """
        refusal: discord.ConnectionClosed | None = None
        try:
            while not self.is_closed():
                count = await self._shard_count()
                if refusal is not None and self.shard_count and count <= self.shard_count:
                    raise refusal
                try:
                    await self._run_shards(count)
                except discord.ConnectionClosed as error:
                    if error.code != SHARDING_REQUIRED:
                        raise
                    refusal = error
                    log.warning("The bot is in too many servers for %d shards (4011).", count)
                    await self._close_shards()
        except discord.ConnectionClosed:
            await self.close()
            raise

    async def _shard_count(self) -> int:
        """As recommended. Raises GatewayUnreachable."""
        try:
            gateway = await self._fetch_gateway()
        except CONNECTION_ERRORS as error:
            raise GatewayUnreachable from error
        self._limit.update(gateway.session_start_limit)
        return gateway.shards

    async def _fetch_gateway(self) -> GatewayBot:
        data = await self.http.request(Route("GET", "/gateway/bot"))
        try:
            return msgspec.convert(data, GatewayBot)
        except msgspec.ValidationError as error:
            raise discord.GatewayNotFound from error

    async def _run_shards(self, count: int) -> None:
        """Run all shards until the client is closed, or raise the error of the first that fails."""
        self.shard_count = self._connection.shard_count = count
        self._connection.shard_ids = range(count)
        for task in self._connection._ready_tasks.values():
            task.cancel()  # of the shards before these
        self._connection._ready_tasks.clear()
        self._shards_by_id.clear()
        first, *others = (
            Shard(self, id, self._limit, is_first=id == 0) for id in self._connection.shard_ids
        )
        self._shards_by_id.update({shard.id: shard for shard in (first, *others)})
        if others:
            log.info("Connecting %d shards.", count)
        tasks = [asyncio.create_task(first.run())]
        tasks += [asyncio.create_task(_run_after(first, shard)) for shard in others]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _close_shards(self) -> None:
        await asyncio.gather(*(shard.close() for shard in self._shards_by_id.values()))


async def _run_after(first: Shard, shard: Shard) -> None:
    """Run a shard once the first one has connected, so that a bad token is tried only once."""
    await first.connected.wait()
    await shard.run()
