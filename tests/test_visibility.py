"""Pictures as the place where they are shown may see them."""

from itertools import product
from typing import Any

import pytest

from bot.domain.nsfw import Level
from bot.domain.picture import Picture
from bot.domain.visibility import showing
from engine.contract import Verdict
from tests.samples import picture

FLAGGED = (Verdict(checker="model", score=0.9, flagged=True),)
STATES: dict[str, dict[str, Any]] = {
    "passed": {},
    "restricted": {"restricted": True, "verdicts": FLAGGED},
    "blocked": {"blocked": True, "path": None, "verdicts": FLAGGED},
    "failed": {"path": None, "sha256": None, "failed": "Too bright."},
}


def pictures(states: tuple[str, ...]) -> list[Picture]:
    """One of each of these states, in order."""
    return [picture(nth=nth, **STATES[state]) for nth, state in enumerate(states, start=1)]


@pytest.mark.parametrize("level", Level)
@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_only_what_may_be_seen_keeps_its_file(level: Level, count: int) -> None:
    """For pictures of all states together; the others stand there as withheld."""
    for states in product(STATES, repeat=count):
        seen = showing(pictures(states), level)
        for state, one in zip(states, seen.pictures, strict=True):
            shown = state == "passed" or (state == "restricted" and level is not Level.BLOCK)
            assert (one.path is not None) == shown
            assert (one.absence is None) == shown
            assert not (one.restricted and level is Level.BLOCK)
        spoiled = "restricted" in states and level is Level.SPOILER
        assert seen.spoiler == spoiled


@pytest.mark.parametrize("level", Level)
def test_what_passed_is_shown_as_it_is(level: Level) -> None:
    """Everywhere."""
    one = picture()
    assert showing([one], level).pictures == (one,)
