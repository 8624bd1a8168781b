"""The polls that have not ended."""

from bot.db.polls import PollStore
from bot.domain.polls import Poll


class PollService:
    """A poll is open until `close`, also across restarts."""

    def __init__(self, polls: PollStore) -> None:
        self._polls = polls

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
