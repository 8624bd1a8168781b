"""The polls that have not ended."""

from collections.abc import Sequence
from typing import Final

from bot.db.deliveries import DeliveryStore
from bot.db.polls import PollStore
from bot.domain.polls import Poll
from bot.domain.votes import Favourite
from bot.errors import Refused
from bot.i18n import N_, _

MAX_OPEN: Final = 3
"""Polls of a user."""
_TOO_MANY: Final = N_(
    "You have {limit} polls that have not ended, and more are not allowed. End one by its button, "
    "or wait."
)


class PollService:
    """A poll is open until `close`, also across restarts."""

    def __init__(self, polls: PollStore, deliveries: DeliveryStore) -> None:
        self._polls = polls
        self._deliveries = deliveries

    async def check(self, user_id: int) -> None:
        """Raise Refused, with a sentence for the user, if they have MAX_OPEN open polls."""
        if len(await self._polls.of_user(user_id)) >= MAX_OPEN:
            raise Refused(_(_TOO_MANY).format(limit=MAX_OPEN))

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
