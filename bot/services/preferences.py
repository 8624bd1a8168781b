"""What guilds, channels and users prefer, in memory, so that no command waits for the database."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from bot.db.audit_log import decision
from bot.db.preferences import PreferenceStore
from bot.domain.clock import Clock
from bot.domain.job import Job, RequestContext
from bot.domain.moderation import AuditAction, AuditEntry
from bot.domain.nsfw import ChannelKind
from bot.domain.preference_settings import Setting, stored_value
from bot.domain.preferences import Layer, Owner, Preferences, Values, resolve
from bot.domain.setting_values import Offer


class PreferenceService:
    """`load` comes first. A value of a guild or channel is changed by a manager."""

    def __init__(self, store: PreferenceStore, *, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._values: dict[Owner, Values] = {}
        self._changing = asyncio.Lock()
        """The database and the memory change in the same order."""

    async def load(self) -> None:
        """Read all values from the database."""
        for owner, name, value in await self._store.all():
            self._replace(owner, {**self.values(owner), **stored_value(owner, name, value)})

    def of(self, guild_id: int | None, channel_id: int | None, user_id: int | None) -> Preferences:
        """What counts for this user in this channel, which is the parent of a thread.

        Each of them may be None; without a guild, only the user's own values count.
        """
        ids = {Layer.GUILD: guild_id, Layer.CHANNEL: guild_id and channel_id, Layer.USER: user_id}
        return resolve({layer: self.values(Owner(layer, id)) for layer, id in ids.items() if id})

    def of_request(self, context: RequestContext) -> Preferences:
        """What counts for a request."""
        channel, target = context.channel.channel, context.target
        channel_id = target.channel_id if channel is None else channel.id
        is_guest = context.is_token_only and context.channel.kind is ChannelKind.USER_INSTALL
        return self.of(None if is_guest else target.guild_id, channel_id, context.user_id)

    def wants_copy(self, job: Job) -> bool:
        """Whether the result of a job is also sent to its user as a direct message."""
        is_elsewhere = job.target.guild_id is not None or job.plan.is_token_only
        return is_elsewhere and self.of(None, None, job.user_id).direct

    def values(self, owner: Owner) -> Values:
        """What this owner has set."""
        return self._values.get(owner, {})

    async def set(
        self,
        owner: Owner,
        setting: Setting,
        value: object,
        offer: Offer,
        *,
        guild_id: int | None,
        actor_id: int,
    ) -> bool:
        """Set a value; False if it was so before."""
        async with self._changing:
            values = self.values(owner)
            if setting.name in values and values[setting.name] == value:
                return False
            detail = f"{setting.title}: {setting.label(value, offer)}"
            entry = self._entry(owner, detail, guild_id, actor_id)
            await self._store.set(owner, setting.name, value, entry)
            self._replace(owner, {**values, setting.name: value})
            return True

    async def reset(
        self, owner: Owner, setting: Setting, *, guild_id: int | None, actor_id: int
    ) -> bool:
        """Let the value of the earlier layers count again; False if it did."""
        async with self._changing:
            values = dict(self.values(owner))
            if setting.name not in values:
                return False
            entry = self._entry(owner, f"{setting.title}: reset", guild_id, actor_id)
            await self._store.reset(owner, setting.name, entry)
            del values[setting.name]
            self._replace(owner, values)
            return True

    @asynccontextmanager
    async def erasing(self, user_id: int) -> AsyncIterator[None]:
        """Forget what a user has set, which the body deletes from the database."""
        async with self._changing:
            yield
            self._values.pop(Owner(Layer.USER, user_id), None)

    def _replace(self, owner: Owner, values: Mapping[str, object]) -> None:
        if values:
            self._values[owner] = values
        else:
            self._values.pop(owner, None)

    def _entry(
        self, owner: Owner, detail: str, guild_id: int | None, actor_id: int
    ) -> AuditEntry | None:
        """The audit entry of a change; None for a change by a user for themselves."""
        if owner.layer is Layer.USER or guild_id is None:
            return None
        return decision(
            AuditAction.SET,
            guild_id,
            detail,
            actor_id=actor_id,
            now=self._clock(),
            channel_id=owner.id if owner.layer is Layer.CHANNEL else None,
        )
