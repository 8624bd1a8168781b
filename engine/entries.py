"""Jobs on their way into the batches: what is checked of them, and what is made ready."""

from dataclasses import dataclass, field

import torch

from engine.canvas import Canvas, Desk
from engine.contract import Recipe
from engine.exits import Unpaintable
from engine.images import sha256
from engine.models import PaintModel
from engine.tickets import Ticket

Wanted = tuple[Recipe, Desk]


@dataclass
class Entry:
    """A job whose pictures are made ready."""

    ticket: Ticket
    wanted: list[Wanted]
    begun: bool = False
    canvases: list[Canvas] = field(default_factory=list)

    @torch.inference_mode()
    def make_ready(self) -> None:
        """Each picture in the largest row class that there is memory for."""
        self.wanted = [(_fitting(recipe, desk.model), desk) for recipe, desk in self.wanted]
        self.canvases = [Canvas(recipe, desk) for recipe, desk in self.wanted]


def check(recipe: Recipe, model: PaintModel, source: bytes | None) -> None:
    """Raise Unpaintable if this model cannot paint that."""
    card = model.card
    if recipe.adapters:
        raise Unpaintable("This engine has no adapters: ask for a picture without them.")
    if recipe.width * recipe.height > card.largest:
        raise Unpaintable(
            f"{recipe.width} x {recipe.height} is too large for this model: "
            f"{card.largest} pixels are allowed."
        )
    if recipe.source is not None and (source is None or sha256(source) != recipe.source):
        raise Unpaintable("The sketch that came along is not the one that the recipe names.")


def _fitting(recipe: Recipe, model: PaintModel) -> Recipe:
    """This picture in the largest row class that there is memory for, up to its own."""
    while not model.fits(recipe.width, recipe.height, recipe.row_class):
        smaller = model.card.smaller(recipe)
        if smaller is None:
            break  # then it shall be tried: what was measured is not all that counts
        recipe = smaller
    return recipe
