"""The polls that have not ended."""

from collections.abc import Sequence

from bot.db.deliveries import DeliveryStore
from bot.db.polls import PollStore
from bot.domain.polls import Poll
from bot.domain.votes import Favourite


class PollService:
    """A poll is open until `close`, also across restarts."""

    def __init__(self, polls: PollStore, deliveries: DeliveryStore) -> None:
        self._polls = polls
        self._deliveries = deliveries

    async def add_ballot(
        self, channel_id: int, message_id: int, favourites: Sequence[Favourite]
    ) -> None:
        """Record which pictures a message is about to show, so that it goes when moderators remove
        one of them."""
        job_ids = {favourite.picture.job_id for favourite in favourites}
        await self._deliveries.add_ballot(channel_id, message_id, job_ids)

    async def open(self, poll: Poll) -> None:
        """Store a poll."""
        await self._polls.add(poll)

    async def close(self, poll: Poll) -> None:
        """Forget a poll, which was evaluated or cannot be."""
        await self._polls.remove(poll.message_id)

    async def find(self, message_id: int) -> Poll | None:
        """The open poll of a message."""
        return await self._polls.find(message_id)

    async def all(self) -> list[Poll]:
        """All open polls."""
        return await self._polls.all()
