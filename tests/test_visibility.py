"""Which pictures are visible in a channel."""

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
    """One picture of each of these states, in order."""
    return [picture(nth=nth, **STATES[state]) for nth, state in enumerate(states, start=1)]


@pytest.mark.parametrize("policy", NsfwPolicy)
@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_only_visible_pictures_keep_their_files(policy: NsfwPolicy, count: int) -> None:
    """This holds for all combinations of states; the others become withheld."""
    for states in product(STATES, repeat=count):
        visible = visible_in(pictures(states), policy)
        for state, result in zip(states, visible.pictures, strict=True):
            is_visible = state == "passed" or (
                state == "restricted" and policy is not NsfwPolicy.BLOCK
            )
            assert (result.path is not None) == is_visible
            assert (result.unavailable_reason is None) == is_visible
            assert not (result.is_flagged_but_kept and policy is NsfwPolicy.BLOCK)
        needs_spoiler = "restricted" in states and policy is NsfwPolicy.SPOILER
        assert visible.needs_spoiler == needs_spoiler


@pytest.mark.parametrize("policy", NsfwPolicy)
def test_unflagged_pictures_are_unchanged(policy: NsfwPolicy) -> None:
    """This holds for every policy."""
    result = picture()
    assert visible_in([result], policy).pictures == (result,)
