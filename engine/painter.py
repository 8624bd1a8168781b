"""The loop that paints one job: every tick is one evaluation of each of its pictures."""

import logging
import time
from collections.abc import Callable, Sequence
from typing import Final

import torch
from PIL import Image

from engine.batch import batches
from engine.canvas import Canvas, Desk, evaluate
from engine.contract import Event, Paint, Painted, Painting, Recipe, Stepped
from engine.exits import Stopped, Unpaintable
from engine.images import blank, grid, jpeg, png, sha256
from engine.models import PaintModel
from engine.previews import Previews
from engine.samplers import Course
from engine.sketches import BadSketch, read
from engine.wire import FRAME_LIMIT

PREVIEW_EVERY: Final = 4
"""Evaluations between two previews."""
log = logging.getLogger(__name__)

Report = Callable[[Event], None]
IsCancelled = Callable[[], bool]


class Painter:
    """Paints jobs with one model, in whatever thread calls it."""

    def __init__(self, model: PaintModel, previews: Previews) -> None:
        self.model = model
        self._previews = previews

    @torch.inference_mode()
    def paint(self, job: Paint, report: Report, cancelled: IsCancelled) -> Painted:
        """The pictures of a job; `report` hears of each tick.

        Raises Unpaintable if it cannot be, and Stopped once `cancelled` says so.
        """
        began = time.monotonic()
        canvases = self._prepare(job)
        ticks = max(canvas.evaluations for canvas in canvases)
        for tick in range(1, ticks + 1):
            for group in batches([canvas for canvas in canvases if not canvas.finished]):
                _stop_if(cancelled)
                evaluate(self.model, group)
            wanted = job.previews and tick % PREVIEW_EVERY == 0 and tick < ticks
            preview = self._preview(canvases) if wanted else None
            report(
                Stepped(job=job.job, attempt=job.attempt, step=tick, steps=ticks, preview=preview)
            )
        pictures = tuple(self._finish(canvas, cancelled) for canvas in canvases)
        seconds = time.monotonic() - began
        return Painted(job=job.job, attempt=job.attempt, pictures=pictures, seconds=seconds)

    def check(self, job: Paint) -> None:
        """Raise Unpaintable, before any work, if this job cannot be painted here."""
        for recipe in job.recipes:
            self._check(recipe, job.source)
            Course(recipe, self.model.scheduler_config, self.model.hardware.device)

    def _prepare(self, job: Paint) -> Sequence[Canvas]:
        self.check(job)
        try:  # cleaned already: a small JPEG may have become a PNG larger than any sketch may be
            source = read(job.source, FRAME_LIMIT) if job.source is not None else None
        except BadSketch as error:
            raise Unpaintable(str(error)) from error
        desk = Desk(self.model, source)
        return [Canvas(recipe, desk) for recipe in job.recipes]

    def _check(self, recipe: Recipe, source: bytes | None) -> None:
        card = self.model.card
        if (recipe.model, recipe.revision) != (card.name, card.revision):
            raise Unpaintable(
                f"This picture needs the model {recipe.model} ({recipe.revision[:12]}), but "
                f"{card.name} ({card.revision[:12]}) is loaded."
            )
        if recipe.adapters:
            raise Unpaintable("This engine has no adapters: ask for a picture without them.")
        if recipe.width * recipe.height > card.largest:
            raise Unpaintable(
                f"{recipe.width} x {recipe.height} is too large for this model: "
                f"{card.largest} pixels are allowed."
            )
        if recipe.source is not None and (source is None or sha256(source) != recipe.source):
            raise Unpaintable("The sketch that came along is not the one that the recipe names.")

    def _finish(self, canvas: Canvas, cancelled: IsCancelled) -> Painting:
        _stop_if(cancelled)
        picture = self.model.decode(canvas.latents)
        blocked = self.model.flagged(picture)
        data = png(picture)
        return Painting(
            png=b"" if blocked else data,
            sha256=sha256(data),
            blocked=blocked,
            fingerprint=self.model.card.fingerprint,
        )

    def _preview(self, canvases: Sequence[Canvas]) -> bytes:
        return jpeg(grid([self._glimpse(canvas) for canvas in canvases]))

    def _glimpse(self, canvas: Canvas) -> Image.Image:
        recipe = canvas.recipe
        picture = self._previews.picture(canvas.guess[0], recipe.width, recipe.height)
        return blank(*picture.size) if self.model.flagged(picture) else picture


def _stop_if(cancelled: IsCancelled) -> None:
    if cancelled():
        raise Stopped
