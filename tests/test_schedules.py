"""A picture's bits depend on its recipe alone: over a thousand random schedules."""

import random
from collections.abc import Sequence
from functools import cache
from typing import Any

import pytest
import torch

from engine.contract import Paint, Recipe, Sampler
from engine.core.engine_core import Painter
from engine.core.postprocess import Finisher
from engine.core.request import Ticket
from engine.imaging.encode import png, sha256
from tests.engine_parts import painter, recipe, sketch

SCHEDULES = 1000
PARTS = 10
"""In so many tests."""
SKETCH = png(sketch())


class Keeper(Finisher):
    """Keeps the latents of finished jobs, and makes nothing of them: that is quicker."""

    def __init__(self) -> None:
        super().__init__()
        self.finished: dict[Ticket, list[torch.Tensor]] = {}

    def finish(self, ticket: Ticket) -> None:
        """Remember it."""
        self.finished[ticket] = [place.canvas.latents for place in ticket.places]

    def look(self, ticket: Ticket) -> None:
        """Nobody looks."""


def keeping() -> tuple[Painter, Keeper]:
    """A painter whose finished jobs are kept."""
    keeper = Keeper()
    return Painter([painter().model], keeper), keeper


def some_recipe(rng: random.Random) -> Recipe:
    """Any sampler, size, row class, steps, guidance; one in three over a sketch."""
    over: dict[str, Any] = {"source": sha256(SKETCH), "strength": rng.choice([0.5, 1.0])}
    variation: dict[str, Any] = {"subseed": 3, "subseed_strength": 0.2}
    return recipe(
        sampler=rng.choice(list(Sampler)),
        steps=rng.choice([2, 2, 3]),
        width=rng.choice([64, 72]),
        row_class=rng.choice([2, 8, 8]),
        guidance=rng.choice([1.0, 5.0, 5.0]),
        prompt=rng.choice(["a boat", "a red house", "night"]),
        negative=rng.choice(["", "grey"]),
        seed=rng.randrange(100),
        **(over if rng.random() < 0.3 else {}),
        **(variation if rng.random() < 0.3 else {}),
    )


@cache
def recipes() -> tuple[Recipe, ...]:
    """What is asked for, in all schedules: enough of each kind to meet all others."""
    rng = random.Random(12)
    return tuple(some_recipe(rng) for _ in range(48))


@cache
def alone(wanted: Recipe) -> torch.Tensor:
    """The latents of this picture when it is painted alone."""
    by, keeper = keeping()
    ticket = admitted(by, [wanted])
    while by.tickets:
        by.tick()
    by.close()
    return keeper.finished[ticket][0]


def admitted(by: Painter, wanted: Sequence[Recipe]) -> Ticket:
    """A job of these pictures that is at work."""
    ticket = Ticket(
        Paint(job="a", attempt=1, recipes=tuple(wanted), source=SKETCH), lambda event: None
    )
    by.admit(ticket)
    return ticket


@pytest.mark.parametrize("part", range(PARTS))
def test_company_changes_no_bit(part: int) -> None:
    """Jobs join, leave and are cancelled between any two ticks; no picture shows it."""
    finished = 0
    for nth in range(SCHEDULES // PARTS):
        rng = random.Random(f"{part}/{nth}")
        by, keeper = keeping()
        left = rng.randint(2, 3)
        while left or by.tickets:
            if left and rng.random() < 0.5:
                admitted(by, rng.choices(recipes(), k=rng.choice([1, 1, 2, 3])))
                left -= 1
            if by.tickets and rng.random() < 0.05:
                rng.choice(by.tickets).cancel()
            by.tick()
        by.close()
        for ticket, found in keeper.finished.items():
            for wanted, one in zip(ticket.job.recipes, found, strict=True):
                assert torch.equal(one, alone(wanted)), wanted
                finished += 1
    assert finished > SCHEDULES // PARTS
