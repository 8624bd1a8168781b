"""Jobs on their way into the batches: what is checked of them, and what is made ready."""

import logging
from dataclasses import dataclass, field
from typing import Final

import torch
from PIL import Image

from engine.contract import Recipe
from engine.contract.wire import MAX_FRAME_BYTES
from engine.core.request import Ticket
from engine.errors import InvalidJob
from engine.imaging.encode import sha256
from engine.imaging.init_image import BadSketch, read
from engine.models.base import PaintModel
from engine.pipeline.denoise import Canvas, Desk
from engine.safety import flagged, for_log

SKETCH_WITHHELD: Final = "The sketch was withheld by the safety check."
Wanted = tuple[Recipe, Desk]
log = logging.getLogger(__name__)


@dataclass
class Entry:
    """A job whose pictures are made ready."""

    ticket: Ticket
    wanted: list[Wanted]
    begun: bool = False
    canvases: list[Canvas] = field(default_factory=list)
    withheld: bool = False
    """Did the sketch not pass the safety check?"""

    @torch.inference_mode()
    def make_ready(self) -> None:
        """Each picture in the largest row class that there is memory for; none if the sketch is
        withheld."""
        desks = dict.fromkeys(desk for _, desk in self.wanted)
        bare = [desk for desk in desks if desk.source is None]  # the others begin anew
        if self.ticket.job.source is not None and bare:
            source = _opened(self.ticket.job.source)
            self.withheld = not self._may_use(source, bare)
            if self.withheld:
                return
            for desk in bare:
                desk.source = source
        self.wanted = [(_fitting(recipe, desk.model), desk) for recipe, desk in self.wanted]
        self.canvases = [Canvas(recipe, desk) for recipe, desk in self.wanted]

    def _may_use(self, source: Image.Image, desks: list[Desk]) -> bool:
        """Does it pass the safety check of each model that is to paint over it?"""
        verdicts = [verdict for desk in desks for verdict in desk.model.verdicts(source)]
        named = {"job": self.ticket.job.job, "attempt": self.ticket.job.attempt}
        log.info("sketch checked", extra=named | for_log(verdicts))
        return not flagged(verdicts)


def check(recipe: Recipe, model: PaintModel, source: bytes | None) -> None:
    """Raise InvalidJob if this model cannot paint that."""
    card = model.card
    if recipe.adapters:
        raise InvalidJob("This engine has no adapters: ask for a picture without them.")
    if recipe.width * recipe.height > card.max_pixels:
        raise InvalidJob(
            f"{recipe.width} x {recipe.height} is too large for this model: "
            f"{card.max_pixels} pixels are allowed."
        )
    if recipe.source is not None and (source is None or sha256(source) != recipe.source):
        raise InvalidJob("The sketch that came along is not the one that the recipe names.")


def _opened(source: bytes) -> Image.Image:
    """It is cleaned already: a small JPEG may have become a PNG larger than any sketch may be."""
    try:
        return read(source, MAX_FRAME_BYTES)
    except BadSketch as error:
        raise InvalidJob(str(error)) from error


def _fitting(recipe: Recipe, model: PaintModel) -> Recipe:
    """This picture in the largest row class that there is memory for, up to its own."""
    while not model.fits(recipe.width, recipe.height, recipe.row_class):
        smaller = model.card.with_smaller_row_class(recipe)
        if smaller is None:
            break  # then it shall be tried: what was measured is not all that counts
        recipe = smaller
    return recipe
