"""The galleries of guilds: each picture is posted once, however many users want it there."""

from bot.db.deliveries import DeliveryStore
from bot.domain.clock import Clock
from bot.domain.delivery import Delivery
from bot.services.outbox import Outbox, Refuse


class Gallery:
    """Posts pictures, and deletes posts, by way of the outbox."""

    def __init__(self, deliveries: DeliveryStore, outbox: Outbox, clock: Clock) -> None:
        self._deliveries = deliveries
        self._outbox = outbox
        self._clock = clock

    async def post(self, delivery: Delivery, refuse: Refuse) -> bool:
        """Post a picture unless it is in the gallery, or was; False if nothing was posted.

        `refuse` is called with the reason if it cannot be there. Raises as
        `Outbox.deliver_now` does; then it is attempted again later.
        """
        async with self._outbox.adding(delivery):
            if await self._deliveries.current(delivery) is None:
                return False
            return await self._outbox.deliver_now(delivery, refuse)

    async def withdraw(self, job_id: str) -> None:
        """Delete the posts of a job soon."""
        await self._deliveries.withdraw(job_id, now=self._clock())
        self._outbox.wake()
