"""Where flagged pictures may be shown."""

from itertools import product

import pytest

from bot.domain.nsfw import UNKNOWN, Choices, Kind, Level, Place, Room, level

ROOMS = [None, Room(10, False), Room(10, True)]
SERVERS = [None, 1]
CHOSEN = [{}, *({10: each} for each in Level), *({11: each} for each in Level)]
EVERYTHING = list(product(Kind, SERVERS, ROOMS, Level, CHOSEN))


@pytest.mark.parametrize(("kind", "server", "room", "whole", "rooms"), EVERYTHING)
def test_flagged_pictures_are_shown_where_an_admin_chose_so_and_nowhere_else(
    kind: Kind, server: int | None, room: Room | None, whole: Level, rooms: dict[int, Level]
) -> None:
    """In an age-restricted channel of a known server; its own choice counts before the server's."""
    place = Place(kind=kind, server=server, room=room)
    found = level(place, Choices(whole, rooms))
    if kind is Kind.SERVER and server is not None and room is not None and room.age_restricted:
        assert found is rooms.get(10, whole)
    else:
        assert found is Level.BLOCK


def test_without_a_choice_they_are_withheld() -> None:
    """Also where the channel is age-restricted."""
    place = Place(kind=Kind.SERVER, server=1, room=Room(10, True))
    assert level(place, Choices()) is Level.BLOCK


def test_what_is_not_known_is_withheld() -> None:
    """Whatever was chosen."""
    assert level(UNKNOWN, Choices(Level.ALLOW)) is Level.BLOCK
