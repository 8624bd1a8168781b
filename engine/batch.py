"""Which rows share a forward pass."""

from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

from engine.contract import Recipe


class HasRows(Protocol):
    """A picture in progress."""

    @property
    def recipe(self) -> Recipe: ...


P = TypeVar("P", bound=HasRows)


def rows(recipe: Recipe) -> int:
    """Rows of this picture in each forward pass: with its prompt, and without if guided."""
    return 2 if recipe.guided else 1


def batches(pictures: Iterable[P]) -> Iterator[list[P]]:
    """Pictures in groups that one forward pass can take: same size, same row class, no more rows
    than that class has. The order within a group is the order given."""
    groups: dict[tuple[int, int, int], list[P]] = {}
    for picture in pictures:
        recipe = picture.recipe
        kind = (recipe.width, recipe.height, recipe.row_class)
        group = groups.setdefault(kind, [])
        if sum(rows(other.recipe) for other in group) + rows(recipe) > recipe.row_class:
            yield groups.pop(kind)
            group = groups.setdefault(kind, [])
        group.append(picture)
    yield from groups.values()
