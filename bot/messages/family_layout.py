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

    Subtrees are as close to each other as their pictures allow. Childless siblings of which there
    are many are in several rows, below their parent's.
    """
    children: dict[str, list[str]] = {name: [] for name in parents}
    for name, parent in parents.items():
        if parent is not None:
            children[parent].append(name)
    spots = _subtree(next(iter(parents)), children).places
    left = min(spot.breadth for spot in spots.values())
    return {name: Place(spot.breadth - left, spot.depth) for name, spot in spots.items()}


class _Subtree(NamedTuple):
    """Pictures in places relative to the first one."""

    places: dict[str, Place]
    outline: list[tuple[float, float]]
    """The breadths of the first and the last picture of each generation."""


def _subtree(name: str, children: Mapping[str, Sequence[str]]) -> _Subtree:
    branches, leaves = _split(children[name], children)
    parts = [_subtree(child, children) for child in branches]
    merged = _merged([*parts, _block(leaves)] if leaves else parts)
    first, last = merged.outline[0] if merged.outline else (0.0, 0.0)
    middle = (first + last) / 2
    below = {k: Place(v.breadth - middle, v.depth + 1) for k, v in merged.places.items()}
    outline = [(left - middle, right - middle) for left, right in merged.outline]
    return _Subtree({name: Place(0, 0), **below}, [(0, 0), *outline])


def _split(
    names: Sequence[str], children: Mapping[str, Sequence[str]]
) -> tuple[list[str], list[str]]:
    """The siblings side by side, and those in a block."""
    leaves = [name for name in names if not children[name]]
    if len(leaves) <= _MAX_IN_ROW:
        return list(names), []
    return [name for name in names if children[name]], leaves


def _block(leaves: Sequence[str]) -> _Subtree:
    columns = math.ceil(math.sqrt(len(leaves)))
    spots = {name: Place(nth % columns, nth // columns) for nth, name in enumerate(leaves)}
    last = len(leaves) - (len(leaves) - 1) // columns * columns
    rows = math.ceil(len(leaves) / columns)
    return _Subtree(spots, [*[(0.0, columns - 1.0)] * (rows - 1), (0.0, last - 1.0)])


def _merged(parts: Sequence[_Subtree]) -> _Subtree:
    """The parts from left to right, each as near to those before it as possible."""
    result = _Subtree({}, [])
    for part in parts:
        pairs = zip(result.outline, part.outline, strict=False)
        shift = max((right + 1 - left for (_, right), (left, _) in pairs), default=0.0)
        for name, spot in part.places.items():
            result.places[name] = Place(spot.breadth + shift, spot.depth)
        for depth, (left, right) in enumerate(part.outline):
            if depth < len(result.outline):
                result.outline[depth] = (result.outline[depth][0], right + shift)
            else:
                result.outline.append((left + shift, right + shift))
    return result
