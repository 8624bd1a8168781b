"""Votes for pictures, and the favourites that they choose."""

import asyncio
from collections.abc import Collection
from weakref import WeakValueDictionary

from bot.db.votes import VoteStore
from bot.domain.clock import DAY, Clock
from bot.domain.job import ShownJob
from bot.domain.votes import Favourite, Vote, favourites


class VotingService:
    """Users vote on messages; a user counts once for a picture, on however many messages."""

    def __init__(self, votes: VoteStore, clock: Clock) -> None:
        self._votes = votes
        self._clock = clock
        self._locks: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()
        self.running: WeakValueDictionary[int, asyncio.Task[None]] = WeakValueDictionary()
        """Those that read the votes of a channel, one for each."""

    def lock(self, message_id: int) -> asyncio.Lock:
        """Held while a reaction to this message is handled, so that the last one counts."""
        return self._locks.setdefault(message_id, asyncio.Lock())

    async def counts(self, message_ids: Collection[int]) -> dict[int, int]:
        """How many votes those of these messages have that have any."""
        return await self._votes.counts(message_ids)

    async def voters(self, message_id: int) -> set[int]:
        """The users who voted on this message."""
        return await self._votes.voters(message_id)

    async def add(
        self, result: ShownJob, message_id: int, user_id: int, at: float | None = None
    ) -> None:
        """Store a user's vote of this time, by default now, for what a message shows; again, it
        changes nothing."""
        vote = Vote(
            message_id=message_id,
            user_id=user_id,
            job_id=result.job.id,
            nth=result.nth,
            created_at=self._clock() if at is None else at,
        )
        await self._votes.add(vote)

    async def remove(self, message_id: int, user_id: int | None = None) -> None:
        """Take back the vote of a user on a message, or those of all users."""
        await self._votes.remove(message_id, user_id)

    async def favourites(self, channel_id: int, days: int, count: int) -> list[Favourite]:
        """Up to so many pictures of a channel with the most votes of the last days."""
        ranked = await self._votes.ranked(channel_id, since=self._clock() - days * DAY)
        return favourites(ranked, count)
