"""Interactions that were deferred but not answered yet."""

import msgspec


class PendingInteraction(msgspec.Struct, frozen=True, kw_only=True):
    """A click on a U button: a user wants to see the nth picture of a job in this channel."""

    interaction_id: int
    application_id: int
    token: str
    channel_id: int
    job_id: str
    nth: int
    created_at: float
    """Seconds since 1970, by Discord's clock."""

    def __repr__(self) -> str:
        name = type(self).__name__
        return f"{name}(interaction_id={self.interaction_id}, job_id={self.job_id}, nth={self.nth})"
