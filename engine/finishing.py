"""From latents to pictures: decoded, checked and encoded, beside the loop and not in it."""

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
from PIL import Image

from engine.canvas import Canvas
from engine.contract import Painting, Recipe
from engine.exits import DeviceBroken, EngineError
from engine.hardware import explained
from engine.images import blank, grid, jpeg, png, sha256
from engine.models import PaintModel
from engine.previews import Previews
from engine.tickets import Ticket

log = logging.getLogger(__name__)

Broken = Callable[[EngineError], None]
Guess = tuple[Recipe, torch.Tensor]


def _say(error: EngineError) -> None:
    log.critical("%s", error)


class Finisher:
    """Makes what people see, in a thread of its own, in the order in which it is asked to."""

    def __init__(self, model: PaintModel, previews: Previews) -> None:
        self.broken: Broken = _say
        """Called in that thread when the device is lost."""
        self._model = model
        self._previews = previews
        self._thread = ThreadPoolExecutor(1, "finisher")
        self._looking: set[Ticket] = set()
        self._unfinished: set[Ticket] = set()

    def finish(self, ticket: Ticket) -> None:
        """Make its pictures, and end it with them."""
        self._unfinished.add(ticket)
        self._thread.submit(self._guarded, ticket, self._finish)

    def look(self, ticket: Ticket) -> None:
        """Make a preview of it, unless one is being made."""
        if ticket not in self._looking:
            self._looking.add(ticket)
            guesses = [(place.canvas.recipe, place.canvas.guess) for place in ticket.places]
            self._thread.submit(self._guarded, ticket, lambda _: self._look(ticket, guesses))

    def flush(self) -> None:
        """Wait until all that was asked for is made."""
        self._thread.submit(lambda: None).result()

    def close(self) -> None:
        """Finish no more; waits for what is being made."""
        for ticket in list(self._unfinished):
            ticket.cancel()
        self._thread.shutdown()

    @torch.inference_mode()
    def _guarded(self, ticket: Ticket, do: Callable[[Ticket], None]) -> None:
        try:
            do(ticket)
        except Exception as error:  # noqa: BLE001 # explained, logged, and the job ends
            try:
                ticket.fail(explained(error, f"job {ticket.job.job}"))
            except DeviceBroken as broken:
                self.broken(broken)

    def _finish(self, ticket: Ticket) -> None:
        self._unfinished.discard(ticket)
        pictures = []
        for place in ticket.places:
            if ticket.stopped:
                ticket.stop()
                return
            pictures.append(self._painting(place.canvas))
        ticket.paint(tuple(pictures), time.monotonic() - ticket.began)

    def _painting(self, canvas: Canvas) -> Painting:
        picture = self._model.decode(canvas.latents)
        blocked = self._model.flagged(picture)
        data = png(picture)
        return Painting(
            png=b"" if blocked else data,
            sha256=sha256(data),
            blocked=blocked,
            row_class=canvas.recipe.row_class,
            fingerprint=self._model.card.fingerprint,
        )

    def _look(self, ticket: Ticket, guesses: Sequence[Guess]) -> None:
        self._looking.discard(ticket)
        ticket.preview = jpeg(grid([self._glimpse(*guess) for guess in guesses]))

    def _glimpse(self, recipe: Recipe, guess: torch.Tensor) -> Image.Image:
        picture = self._previews.picture(guess[0], recipe.width, recipe.height)
        return blank(*picture.size) if self._model.flagged(picture) else picture
