"""Choose the pictures of a family tree and place them; pure.

Places are in slots: `breadth` along a generation, `depth` from one generation to the next.
"""

import math
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

MAX_PICTURES: Final = 40
"""Of a family tree; the nearest to one picture are shown."""
MAX_DISTANCE: Final = 6
"""Generations between that picture and another one that is shown."""
_MAX_IN_ROW: Final = 4
"""Childless siblings beside each other; more are in rows below each other."""


class Place(NamedTuple):
    """Where a picture stands, in slots."""

    breadth: float
    depth: float


class Family(NamedTuple):
    """The pictures that are shown."""

    parents: Mapping[str, str | None]
    """The parent of each picture, None for the first; parents are before their children."""
    more: Mapping[str, int]
    """How many relatives next to a picture are not shown; only those that have some."""


def nearest(
    parents: Mapping[str, str],
    picture: str,
    *,
    limit: int = MAX_PICTURES,
    max_distance: int = MAX_DISTANCE,
) -> Family:
    """The relatives of a picture that are nearest to it; `parents` has that of each child.

    Of relatives at the same distance, parents are first and then children in their order.
    """
    children = _children(parents)
    near = {picture: 0}
    queue = deque([picture])
    while queue and len(near) < limit:
        current = queue.popleft()
        for relative in _relatives(current, parents, children):
            has_room = near[current] < max_distance and len(near) < limit
            if has_room and relative not in near:
                near[relative] = near[current] + 1
                queue.append(relative)
    more = {name: _count_missing(name, near, parents, children) for name in near}
    first = next(name for name in near if parents.get(name) not in near)
    shown = {name: [c for c in children.get(name, ()) if c in near] for name in near}
    ordered = _preorder(first, shown)
    return Family(
        parents={name: None if name == first else parents[name] for name in ordered},
        more={name: count for name, count in more.items() if count},
    )


def _children(parents: Mapping[str, str]) -> dict[str, list[str]]:
    children: dict[str, list[str]] = {}
    for child, parent in parents.items():
        children.setdefault(parent, []).append(child)
    return children


def _relatives(
    name: str, parents: Mapping[str, str], children: Mapping[str, Sequence[str]]
) -> list[str]:
    parent = parents.get(name)
    return [*([] if parent is None else [parent]), *children.get(name, ())]


def _count_missing(
    name: str,
    near: Mapping[str, int],
    parents: Mapping[str, str],
    children: Mapping[str, Sequence[str]],
) -> int:
    return sum(relative not in near for relative in _relatives(name, parents, children))


def _preorder(first: str, children: Mapping[str, Sequence[str]]) -> list[str]:
    ordered, stack = list[str](), [first]
    while stack:
        name = stack.pop()
        ordered.append(name)
        stack += reversed(children[name])
    return ordered


def places(parents: Mapping[str, str | None]) -> dict[str, Place]:
    """Where each picture stands; no two in one place, and parents in the middle of their children.

    Childless siblings of which there are many are in several rows, below their parent's.
    """
    return _Placer(parents).places


class _Placer:
    def __init__(self, parents: Mapping[str, str | None]) -> None:
        self.places: dict[str, Place] = {}
        self._children: dict[str, list[str]] = {name: [] for name in parents}
        for name, parent in parents.items():
            if parent is not None:
                self._children[parent].append(name)
        self._place(next(iter(parents)), 0, 0)

    def _place(self, name: str, left: int, depth: int) -> int:
        """Place a picture and its descendants from this slot on; return the slot after them."""
        right = left
        branches, block = self._split(self._children[name])
        for child in branches:
            right = self._place(child, right, depth + 1)
        columns = math.ceil(math.sqrt(len(block)))
        for nth, child in enumerate(block):
            row, column = divmod(nth, columns)
            self.places[child] = Place(right + column, depth + 1 + row)
        right = max(right + columns, left + 1)
        below = [self.places[child].breadth for child in (*branches, *block[:columns])]
        middle = (below[0] + below[-1]) / 2 if below else left
        self.places[name] = Place(middle, depth)
        return right

    def _split(self, children: Sequence[str]) -> tuple[list[str], list[str]]:
        """The children side by side, and those in a block."""
        leaves = [child for child in children if not self._children[child]]
        if len(leaves) <= _MAX_IN_ROW:
            return list(children), []
        return [child for child in children if self._children[child]], leaves
