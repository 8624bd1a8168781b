"""Where flagged pictures may be shown; pure. In doubt, nowhere."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import msgspec


class Level(StrEnum):
    """What becomes of pictures that the safety check flagged."""

    BLOCK = "block"
    """They are withheld."""
    SPOILER = "spoiler"
    """They are blurred until somebody clicks on them."""
    ALLOW = "allow"
    """They are shown."""


class Kind(StrEnum):
    """What a place is."""

    SERVER = "server"
    """A channel, thread or post of a server that invited the bot."""
    DIRECT = "direct"
    """Direct messages with one person."""
    GROUP = "group"
    """Direct messages of several people."""
    GUEST = "guest"
    """Anywhere at all, brought along by a person who installed the bot for themselves."""
    UNKNOWN = "unknown"


class Room(msgspec.Struct, frozen=True):
    """A channel of a server."""

    id: int
    age_restricted: bool


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a message stands, as far as that is known."""

    kind: Kind = Kind.UNKNOWN
    server: int | None = None
    room: Room | None = None
    """The channel; of a thread or a forum's post, the channel that it is in."""


UNKNOWN: Final = Place()


class Choices(msgspec.Struct, frozen=True):
    """What those who manage a server chose for it as a whole, and for some of its channels."""

    server: Level = Level.BLOCK
    rooms: Mapping[int, Level] = {}


def level(place: Place, choices: Choices) -> Level:
    """What a place makes of flagged pictures: what was chosen counts in the age-restricted channels
    of a server alone."""
    if place.kind is not Kind.SERVER or place.server is None or place.room is None:
        return Level.BLOCK
    if place.room.age_restricted is not True:
        return Level.BLOCK
    return choices.rooms.get(place.room.id, choices.server)
