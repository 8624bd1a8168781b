"""The queues of the bots that use a cluster."""

from collections.abc import Hashable
from typing import Final

from engine.contract import Backlog

BACKLOG_SECONDS: Final = 30.0
"""A bot repeats its backlog every ten seconds while it has one; after this time it has gone."""


class Backlogs:
    """The latest backlog of each bot. `now` is in seconds, of any clock that does not go back."""

    def __init__(self) -> None:
        self._latest: dict[Hashable, tuple[Backlog, float]] = {}

    def update(self, bot: Hashable, backlog: Backlog, now: float) -> None:
        """Replace the backlog of a bot, whose name is unique among those that are connected."""
        self._latest[bot] = backlog, now

    def total(self, now: float, *, waiting: int) -> Backlog:
        """That of all bots together, with so many jobs that wait in the gateway."""
        recent = {
            bot: (backlog, at)
            for bot, (backlog, at) in self._latest.items()
            if backlog.jobs and now - at < BACKLOG_SECONDS
        }
        self._latest = recent
        backlogs = [backlog for backlog, _ in recent.values()]
        return Backlog(
            jobs=waiting + sum(backlog.jobs for backlog in backlogs),
            seconds=sum(backlog.seconds for backlog in backlogs),
            oldest=max((backlog.oldest for backlog in backlogs), default=0.0),
        )
