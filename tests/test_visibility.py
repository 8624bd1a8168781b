"""Pictures as the place where they are shown may see them."""

from itertools import product
from typing import Any

import pytest

from bot.domain.nsfw import NsfwPolicy
from bot.domain.picture import Picture
from bot.domain.visibility import visible_in
from engine.contract import Verdict
from tests.samples import picture

FLAGGED = (Verdict(checker="model", score=0.9, flagged=True),)
STATES: dict[str, dict[str, Any]] = {
    "passed": {},
    "restricted": {"is_flagged_but_kept": True, "verdicts": FLAGGED},
    "blocked": {"is_withheld": True, "path": None, "verdicts": FLAGGED},
    "failed": {"path": None, "sha256": None, "failure_reason": "Too bright."},
}


def pictures(states: tuple[str, ...]) -> list[Picture]:
    """One of each of these states, in order."""
    return [picture(nth=nth, **STATES[state]) for nth, state in enumerate(states, start=1)]


@pytest.mark.parametrize("level", NsfwPolicy)
@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_only_what_may_be_seen_keeps_its_file(level: NsfwPolicy, count: int) -> None:
    """For pictures of all states together; the others stand there as withheld."""
    for states in product(STATES, repeat=count):
        seen = visible_in(pictures(states), level)
        for state, one in zip(states, seen.pictures, strict=True):
            shown = state == "passed" or (state == "restricted" and level is not NsfwPolicy.BLOCK)
            assert (one.path is not None) == shown
            assert (one.unavailable_reason is None) == shown
            assert not (one.is_flagged_but_kept and level is NsfwPolicy.BLOCK)
        spoiled = "restricted" in states and level is NsfwPolicy.SPOILER
        assert seen.needs_spoiler == spoiled


@pytest.mark.parametrize("level", NsfwPolicy)
def test_what_passed_is_shown_as_it_is(level: NsfwPolicy) -> None:
    """Everywhere."""
    one = picture()
    assert visible_in([one], level).pictures == (one,)
