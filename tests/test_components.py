"""Buttons and their ids."""

import re

import pytest

from bot.messages import components


async def rows(count: int) -> list[list[str]]:
    """The labels of a result's buttons."""
    view = components.result_view("j1", count)
    return [[button["label"] for button in row["components"]] for row in view.to_components()]


async def test_a_result_has_the_buttons_that_people_know() -> None:
    """U1 to U4 and re-roll above V1 to V4."""
    assert await rows(4) == [["U1", "U2", "U3", "U4", "🔄"], ["V1", "V2", "V3", "V4"]]


async def test_fewer_pictures_have_fewer_buttons() -> None:
    """No button for a picture that is not there."""
    assert await rows(1) == [["U1", "🔄"], ["V1"]]


async def test_views_are_not_kept_by_the_library() -> None:
    """Else a press would be handled twice, and memory would grow."""
    assert components.result_view("j1", 4).is_finished()
    assert components.cancel_view("j1").is_finished()


def test_an_id_can_be_read_back() -> None:
    """Action, job and picture."""
    found = re.fullmatch(components.PATTERN, components.custom_id("vary", "0123456789abcdef", 3))
    assert found is not None
    assert found.groupdict() == {"action": "vary", "job": "0123456789abcdef", "nth": "3"}


@pytest.mark.parametrize(
    "junk", ["", "v0:vary:a:1", "v1:steal:a:1", "v1:vary:A';--:1", "v1:vary:a:9"]
)
def test_other_ids_are_none_of_ours(junk: str) -> None:
    """Junk and other versions do not match."""
    assert not re.fullmatch(components.PATTERN, junk)
