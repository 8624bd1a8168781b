"""Votes for pictures, and the favourites that they choose; pure."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from bot.domain.picture import Picture


class Vote(msgspec.Struct, frozen=True, kw_only=True):
    """A user's 👍 on a message. A user has one on each message, and counts once for a picture."""

    message_id: int
    user_id: int
    job_id: str
    """Of the job that the message shows."""
    nth: int | None
    """The number of the picture; None for all pictures of the job."""
    created_at: float
    """Seconds since 1970."""


class Favourite(NamedTuple):
    """A picture that users have voted for."""

    picture: Picture
    votes: int
    """Of how many users."""
    is_chosen: bool
    """Whether a user voted for this picture alone, and not for all pictures of its job."""


def favourites(ranked: Sequence[Favourite], count: int) -> list[Favourite]:
    """Up to `count` of these, which are sorted, best first: one of each job, and more of a job only
    if users voted for each of them."""
    first_of_jobs: dict[str, Favourite] = {}
    for favourite in ranked:
        first_of_jobs.setdefault(favourite.picture.job_id, favourite)
    best = list(first_of_jobs.values())[:count]
    siblings = [item for item in ranked if item.is_chosen and item not in best]
    return [*best, *siblings[: count - len(best)]]
