"""The database: one connection, and a store for each group of tables."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Self

from bot.db.artifacts import ArtifactStore
from bot.db.audit_log import AuditLog
from bot.db.connection import SqliteConnection
from bot.db.deliveries import DeliveryStore
from bot.db.erasure import ErasureStore
from bot.db.file_deletions import FileDeletionStore
from bot.db.guild_settings import GuildSettingsStore
from bot.db.history import HistoryStore
from bot.db.job_inputs import JobInputStore
from bot.db.jobs import JobStore, OnTransition
from bot.db.lineage import LineageStore
from bot.db.moderation import ModerationStore
from bot.db.polls import PollStore
from bot.db.preferences import PreferenceStore
from bot.db.presets import PresetStore
from bot.db.reports import ReportStore
from bot.db.stats import StatsStore
from bot.db.store import Store
from bot.db.usage import UsageStore
from bot.db.votes import VoteStore

FILENAME: Final = "imagine.db"
"""In the data folder."""


class Database:
    """Use as `async with Database(path)`, on a migrated database.

    The methods of the stores raise DatabaseUnavailable, with a sentence for the user, if the disk
    or a lock prevents them; then nothing was changed. They raise FatalError if the database is
    damaged. `on_transition` is called with each job that has ended or was delivered.
    """

    def __init__(self, path: Path, on_transition: OnTransition = lambda _: None) -> None:
        self._connection = SqliteConnection(path)
        self.jobs = JobStore(self._connection, on_transition)
        self.history = HistoryStore(self._connection)
        self.lineage = LineageStore(self._connection)
        self.job_inputs = JobInputStore(self._connection)
        self.artifacts = ArtifactStore(self._connection)
        self.deliveries = DeliveryStore(self._connection)
        self.usage = UsageStore(self._connection)
        self.stats = StatsStore(self._connection)
        self.reports = ReportStore(self._connection)
        self.moderation = ModerationStore(self._connection)
        self.audit_log = AuditLog(self._connection)
        self.guild_settings = GuildSettingsStore(self._connection)
        self.preferences = PreferenceStore(self._connection)
        self.presets = PresetStore(self._connection)
        self.votes = VoteStore(self._connection)
        self.polls = PollStore(self._connection)
        self.file_deletions = FileDeletionStore(self._connection)
        stores = [store for store in vars(self).values() if isinstance(store, Store)]
        self.erasure = ErasureStore(self._connection, stores)
        self.stores: Sequence[Store] = [*stores, self.erasure]

    async def __aenter__(self) -> Self:
        await self._connection.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._connection.__aexit__(*error)
