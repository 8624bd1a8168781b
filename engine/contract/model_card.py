"""What the bot knows of a loaded model: its limits, its defaults, and its row classes."""

from collections.abc import Sequence

import msgspec

from engine.contract.recipe import STEPS_LIMIT, Recipe
from engine.contract.samplers import Sampler


class Shapes(msgspec.Struct, frozen=True, kw_only=True):
    """The row classes that pictures up to a size are painted in."""

    pixels: int
    """Most pixels (width x height) of such a picture."""
    classes: tuple[int, ...]
    """For a request by itself, in rising order."""
    loaded: tuple[int, ...]
    """For requests that come together, where the engine may choose by load."""


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """What the engine has loaded, for those who have never seen torch."""

    name: str
    revision: str
    native: int
    """Pixels on a side of the square that this model was trained on."""
    largest: int
    """Most pixels (width x height) of one picture."""
    steps: int
    guidance: float
    sampler: Sampler
    """What a request gets that names none."""
    longest: dict[Sampler, int]
    """Most steps of those samplers that cannot take STEPS_LIMIT."""
    hands: int = 1
    """Batches that are painted at the same time."""
    shapes: tuple[Shapes, ...]
    """The row classes of pictures by their size: small ones first."""
    fingerprint: str
    """Software and hardware, in one line: same recipe, same fingerprint, same bits."""

    def classed(self, recipes: Sequence[Recipe]) -> tuple[Recipe, ...]:
        """These recipes of one request with their row class: the smallest that all of their rows
        fit in, or the largest of their size, in which they take turns."""
        first = recipes[0]
        chosen = _smallest(self._shapes(first.width, first.height).classes, recipes)
        return tuple(msgspec.structs.replace(recipe, row_class=chosen) for recipe in recipes)

    def classed_by_load(
        self, recipes: Sequence[Recipe], others: Sequence[Recipe]
    ) -> tuple[Recipe, ...]:
        """The same, with room for the others of their size as well, spread over all hands."""
        first = recipes[0]
        alike = [
            each for each in others if (each.width, each.height) == (first.width, first.height)
        ]
        loaded = self._shapes(first.width, first.height).loaded
        chosen = _smallest(loaded, [*recipes, *alike], self.hands)
        return tuple(msgspec.structs.replace(recipe, row_class=chosen) for recipe in recipes)

    def all_classes(self, width: int, height: int) -> frozenset[int]:
        """In which pictures of this size are painted."""
        shapes = self._shapes(width, height)
        return frozenset(shapes.classes + shapes.loaded)

    def smaller(self, recipe: Recipe) -> Recipe | None:
        """The same in the next smaller row class of its size; None if there is none."""
        below = [
            each
            for each in self.all_classes(recipe.width, recipe.height)
            if each < recipe.row_class
        ]
        return msgspec.structs.replace(recipe, row_class=max(below)) if below else None

    def _shapes(self, width: int, height: int) -> Shapes:
        fitting = (each for each in self.shapes if width * height <= each.pixels)
        return next(fitting, self.shapes[-1])

    def check_steps(self, recipe: Recipe) -> None:
        """Raise ValueError, in words for the person, if the sampler cannot take so many."""
        most = self.longest.get(recipe.sampler, STEPS_LIMIT)
        if recipe.steps > most:
            raise ValueError(
                f"The sampler {recipe.sampler} takes at most {most} steps; "
                f"this asks for {recipe.steps}."
            )


def _smallest(classes: tuple[int, ...], recipes: Sequence[Recipe], hands: int = 1) -> int:
    rows = sum(recipe.rows for recipe in recipes) / hands
    return next((size for size in classes if rows <= size), classes[-1])
