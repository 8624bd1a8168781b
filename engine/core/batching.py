"""Which pictures share the next forward pass: pure, so facts come in as arguments."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from engine.contract import Recipe


class Lane(NamedTuple):
    """What pictures must have in common to share a batch."""

    model: str
    """Which weights: a recipe's model and revision."""
    width: int
    height: int
    capacity: int
    """Rows of the batch, always: their row class."""
    apart: int = 0
    """Of a job that must be alone, its number; else 0."""


class Waiting(Protocol):
    """A picture that waits for its next evaluation."""

    @property
    def lane(self) -> Lane: ...

    @property
    def rows(self) -> int:
        """In each batch: 2 if it is guided, else 1."""

    @property
    def served(self) -> int:
        """The tick that it was in last; of those that were in none, 0."""

    @property
    def order(self) -> int:
        """Its number; pictures that came earlier have lower ones."""

    @property
    def owner(self) -> str:
        """Whose it is."""


class Credit(NamedTuple):
    """An owner's lane in the round, and the seconds that it may still use."""

    owner: str
    lane: Lane
    seconds: float


Round = tuple[Credit, ...]
"""The lanes in the order of their turns. It starts empty and is handed from tick to tick."""
NOBODY: Final[Mapping[str, float]] = {}


@dataclass(frozen=True)
class Turn:
    """The next forward pass, and the round after it."""

    batch: tuple[int, ...]
    """Which of the pictures, by their places in what was given."""
    lane: Lane
    after: Round


def lane(recipe: Recipe, apart: int = 0) -> Lane:
    """The lane of this picture."""
    model = f"{recipe.model} {recipe.revision}"
    return Lane(model, recipe.width, recipe.height, recipe.row_class, apart)


def next_turn(
    waiting: Sequence[Waiting],
    before: Round,
    cost: Callable[[Lane], float],
    had: Mapping[str, float] = NOBODY,
    *,
    in_hand: Collection[Lane] = (),
) -> Turn:
    """The next batch: of a lane of the owner who had least, and their pictures first.

    `waiting` must not be empty. `cost` is the seconds that a batch of a lane takes, above 0. `had`
    is the seconds that each owner has had; among equals, who waited longest goes first. An owner's
    lanes take turns by deficit round-robin (Shreedhar and Varghese 1996,
    https://doi.org/10.1109/90.502236). A lane gets credit for as many batches as its pictures need
    for one step each; within it, the pictures that have waited longest go first. So every picture
    of that owner is served again and again, and time is shared between the pictures and not
    between the sizes. Lanes all of whose pictures are `in_hand` right now keep their credit and
    their turn.
    """
    line = sorted(
        range(len(waiting)),
        key=lambda place: (had.get(waiting[place].owner, 0.0), *_seniority(waiting[place])),
    )
    lanes: dict[Lane, list[int]] = {}
    for place in line:
        lanes.setdefault(waiting[place].lane, []).append(place)
    owner = waiting[line[0]].owner
    demands = _demands(each for each in waiting if each.owner == owner)
    turns, others = [], []
    for credit in before:
        if credit.owner == owner and credit.lane in demands:
            turns.append(credit)
        elif credit.lane in in_hand or (credit.owner != owner and credit.lane in lanes):
            others.append(credit)
    known = {credit.lane for credit in turns}
    turns += [Credit(owner, lane, 0.0) for lane in lanes if lane in demands and lane not in known]
    dearest = max(cost(lane) for lane in demands)
    while turns[0].seconds < cost(turns[0].lane):
        first = turns.pop(0)
        batches = -(-demands[first.lane] // first.lane.capacity)
        turns.append(first._replace(seconds=first.seconds + dearest * batches))
    first = turns.pop(0)
    turns.insert(0, first._replace(seconds=first.seconds - cost(first.lane)))
    batch = _filled(lanes[first.lane], waiting, first.lane.capacity)
    return Turn(batch, first.lane, (*others, *turns))


def _demands(waiting: Iterable[Waiting]) -> dict[Lane, int]:
    """Rows for one step of each of these, by lane."""
    demands: dict[Lane, int] = {}
    for each in waiting:
        demands[each.lane] = demands.get(each.lane, 0) + each.rows
    return demands


def _seniority(picture: Waiting) -> tuple[int, int]:
    return picture.served, picture.order


def _filled(places: Iterable[int], waiting: Sequence[Waiting], capacity: int) -> tuple[int, ...]:
    """As many of these as the batch has rows for, the first ones first."""
    batch = []
    for place in places:
        if waiting[place].rows <= capacity:
            capacity -= waiting[place].rows
            batch.append(place)
    return tuple(batch)
