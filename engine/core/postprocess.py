"""From latents to pictures: decoded, checked and encoded, beside the loop and not in it."""

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from typing import Final

import torch
from PIL import Image

from engine.contract import PaintedImage
from engine.core.request import Ticket
from engine.device.errors import describe_failure, is_out_of_memory
from engine.errors import DeviceLost, EngineError, InvalidJob
from engine.imaging.encode import blank, grid, jpeg, png, sha256
from engine.log import log_context
from engine.pipeline.denoise import Canvas
from engine.pipeline.preview import fitted
from engine.safety import flagged, for_log

log = logging.getLogger(__name__)

PREVIEWS_SHARE: Final = 0.02
"""Of the time, at most, goes into previews."""
_ALONE: Final = ", alone in its batches"
Broken = Callable[[EngineError], None]
Guess = tuple[Canvas, torch.Tensor]


def _say(error: EngineError) -> None:
    log.critical("%s", error)


class Finisher:
    """Makes what people see, in a thread of its own, in the order in which it is asked to."""

    def __init__(
        self,
        previews_share: float = PREVIEWS_SHARE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.broken: Broken = _say
        """Called in that thread when the device is lost."""
        self._share = previews_share
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, "finisher")
        self._looking = False
        self._look_after = 0.0
        self._unfinished: set[Ticket] = set()

    @property
    def idle(self) -> bool:
        """Is there time for another preview?"""
        return not self._looking and self._clock() >= self._look_after

    def finish(self, ticket: Ticket) -> None:
        """Make its pictures, and end it with them."""
        self._unfinished.add(ticket)
        self._submit(ticket, self._finish, ticket.fail)

    def look(self, ticket: Ticket) -> None:
        """Make a preview of it; if there can be none, it goes on without."""
        self._looking = True
        guesses = [(place.canvas, place.canvas.guess) for place in ticket.places]
        looked = self._submit(ticket, lambda ticket: self._look(ticket, guesses), lambda _: None)
        looked.add_done_callback(self._looked)

    def flush(self) -> None:
        """Wait until all that was asked for is made."""
        self._thread.submit(lambda: None).result()

    def close(self, patience: float | None = None) -> None:
        """Finish no more; waits (seconds, or as long as it takes) for what is being made."""
        for ticket in list(self._unfinished):
            ticket.cancel()
        wait([self._thread.submit(lambda: None)], patience)
        self._thread.shutdown(wait=False)

    def _submit(
        self, ticket: Ticket, do: Callable[[Ticket], None], fail: Callable[[str], None]
    ) -> Future[None]:
        device = ticket.places[0].canvas.model.device
        mark = device.record_event()

        def beside() -> None:
            with device.side_stream(mark):
                do(ticket)

        def guarded() -> None:
            with log_context(job=ticket.job.job, attempt=ticket.job.attempt):
                self._guarded(f"job {ticket.job.job}", beside, fail)

        return self._thread.submit(guarded)

    @torch.inference_mode()
    def _guarded(self, what: str, do: Callable[[], None], fail: Callable[[str], None]) -> None:
        try:
            do()
        except Exception as error:  # noqa: BLE001 # explained, logged, and told
            try:
                fail(describe_failure(error, what))
            except DeviceLost as broken:
                self.broken(broken)

    def _finish(self, ticket: Ticket) -> None:
        self._unfinished.discard(ticket)
        pictures: list[PaintedImage] = []
        for nth, place in enumerate(ticket.places, start=1):
            if ticket.stopped:
                ticket.stop()
                return
            began = self._clock()
            pictures.append(_painting(place.canvas, reveal=ticket.job.include_flagged))
            ticket.finishing += self._clock() - began
            _log(nth, pictures[-1])
        reasons = [picture.failed for picture in pictures]
        if reasons[0] is not None and all(reasons):
            ticket.fail(reasons[0])
        else:
            ticket.paint(tuple(pictures), time.monotonic() - ticket.began)

    def _look(self, ticket: Ticket, guesses: Sequence[Guess]) -> None:
        began = self._clock()
        try:
            ticket.preview = jpeg(grid([_glimpse(*guess) for guess in guesses]))
        finally:
            now = self._clock()
            self._look_after = now + (now - began) * (1 / self._share - 1)

    def _looked(self, _: Future[None]) -> None:
        self._looking = False


def _log(nth: int, picture: PaintedImage) -> None:
    if picture.failed is None:
        log.info("picture checked", extra={"picture": nth, **for_log(picture.verdicts)})
    else:
        log.info("picture failed", extra={"picture": nth, "reason": picture.failed})


def _painting(canvas: Canvas, *, reveal: bool) -> PaintedImage:
    model, made_by = canvas.model, canvas.model.card.fingerprint + (_ALONE if canvas.alone else "")
    made = partial(PaintedImage, row_class=canvas.recipe.row_class, fingerprint=made_by)
    try:
        picture = _decoded(canvas)
    except InvalidJob as error:  # its own numbers are at fault: its siblings may be well
        return made(png=b"", sha256="", failed=str(error))
    verdicts = model.verdicts(picture)
    unchecked = any(verdict.score is None for verdict in verdicts)
    withheld = flagged(verdicts) and (unchecked or not reveal)
    data = png(picture)
    return made(png=b"" if withheld else data, sha256=sha256(data), verdicts=verdicts)


def _decoded(canvas: Canvas) -> Image.Image:
    """Once more with all the memory that can be freed, if it is too little at first."""
    try:
        return canvas.model.decode(canvas.latents)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
    canvas.model.device.empty_cache()  # out of the except block: it held what was computed
    return canvas.model.decode(canvas.latents)


def _glimpse(canvas: Canvas, guess: torch.Tensor) -> Image.Image:
    recipe = canvas.recipe
    picture = fitted(canvas.model).picture(guess[0], recipe.width, recipe.height)
    return blank(*picture.size) if flagged(canvas.model.verdicts(picture)) else picture
