"""Polls about which pictures of a channel to cross; pure."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

MAX_ANSWERS: Final = 10
"""Of a poll, by Discord."""
MAX_HOURS: Final = 7 * 24


class Poll(msgspec.Struct, frozen=True, kw_only=True):
    """A poll whose winners are crossed when it ends."""

    message_id: int
    channel_id: int
    guild_id: int | None
    user_id: int
    """Who started it, and gets the new pictures."""
    winners: int
    """How many pictures are crossed."""
    picture_ids: tuple[str, ...]
    """The picture of each answer, in order."""
    options: Mapping[str, object]
    """Of the request, as the kind `imagine` parses them."""
    created_at: float
    """Seconds since 1970."""


class Winner(NamedTuple):
    """A picture that members voted for."""

    picture_id: str
    votes: int


def winners(picture_ids: Sequence[str], votes: Mapping[int, int], count: int) -> list[Winner]:
    """Up to `count` pictures with the most votes, which `votes` has by the number of the answer
    from 1; of equals, the earlier answers."""
    counted = [
        Winner(picture_id, votes.get(number, 0)) for number, picture_id in enumerate(picture_ids, 1)
    ]
    ranked = sorted(counted, key=lambda winner: -winner.votes)
    return [winner for winner in ranked if winner.votes][:count]
