"""The loop: each forward pass is shared by the pictures of whatever jobs are at hand."""

import itertools
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import torch
from PIL import Image

from engine.batch import Lane, Round, next_turn
from engine.canvas import Canvas, Desk, evaluate
from engine.contract import Paint, Recipe
from engine.costs import Costs
from engine.exits import Unpaintable
from engine.finishing import Finisher
from engine.hands import Hands
from engine.hardware import Pace, explained, out_of_memory
from engine.images import sha256
from engine.models import PaintModel
from engine.safety import flagged, in_words
from engine.samplers import course
from engine.sketches import BadSketch, read
from engine.tickets import Place, Ticket
from engine.wire import FRAME_LIMIT

SKETCH_WITHHELD: Final = "The sketch was withheld by the safety check."
PREVIEW_EVERY: Final = 4
"""Evaluations between two previews of a job, at least."""
AT_ONCE: Final = 64
"""Pictures in progress: more would only make each of them slower."""
log = logging.getLogger(__name__)


class Painter:
    """Paints with these models, in whatever thread calls it; a finisher goes on where it ends."""

    def __init__(
        self, models: Sequence[PaintModel], finisher: Finisher, at_once: int = AT_ONCE
    ) -> None:
        self.models = tuple(models)
        self.finisher = finisher
        self._at_once = at_once
        self._places: list[Place] = []
        self._orders = itertools.count(1)
        self._ticks = itertools.count(1)
        self._round: Round = ()
        self._costs = Costs()
        self._hands: Hands[_Batch] = Hands(min(model.hardware.hands for model in self.models))
        self._pace = Pace(self.model.hardware)
        self.seconds = 0.0
        """In forward passes and what belongs to them, so far."""
        self.rows_given = self.rows_used = 0
        """Of all batches so far; the difference was padding."""

    @property
    def model(self) -> PaintModel:
        """What a request gets that names none."""
        return self.models[0]

    @property
    def room(self) -> int:
        """How many more pictures it takes on."""
        return self._at_once - len(self._places)

    @property
    def tickets(self) -> list[Ticket]:
        """The jobs that it is at, in the order in which they came."""
        return list({place.ticket: None for place in self._places})

    @torch.inference_mode()
    def warm(self) -> None:
        """Record and prove the batches of each model's own size, the largest first: smaller ones
        find room in the memory of larger ones."""
        for model in self.models:
            side = model.card.native
            for rows in sorted(model.card.all_classes(side, side), reverse=True):
                model.exact(side, side, rows)

    def check(self, job: Paint) -> None:
        """Raise Unpaintable, before any work, if this job cannot be painted here."""
        for recipe in job.recipes:
            model = self._model_for(recipe)
            _check(recipe, model, job.source)
            course(recipe, model.scheduler_config)

    @torch.inference_mode()
    def admit(self, ticket: Ticket) -> None:
        """Take on a job: its pictures are in the batches from now on.

        Raises DeviceBroken if no job can be painted any more.
        """
        self._guarded([ticket], lambda: self._admit(ticket))

    @torch.inference_mode()
    def tick(self) -> None:
        """Let go of jobs that have stopped, begin forward passes for those whose turn it is, and
        wait for one of them.

        Raises DeviceBroken if no job can be painted any more.
        """
        for ticket in self.tickets:
            if ticket.stopped:
                self._drop(ticket)
                ticket.stop()
        for batch in self._next_batches():
            canvases = [place.canvas for place in batch.places]
            self._hands.begin(batch, partial(self._evaluate, canvases))
        for batch, result in self._hands.ended():
            self._settle(batch, result)
        self._look()

    def close(self) -> None:
        """Wait for the forward passes that were begun."""
        self._hands.close()

    def _model_for(self, recipe: Recipe) -> PaintModel:
        for model in self.models:
            if (recipe.model, recipe.revision) == (model.card.name, model.card.revision):
                return model
        loaded = " and ".join(
            f"{each.card.name} ({each.card.revision[:12]})" for each in self.models
        )
        raise Unpaintable(
            f"This picture needs the model {recipe.model} ({recipe.revision[:12]}), but "
            f"{loaded} is loaded."
        )

    def _admit(self, ticket: Ticket) -> None:
        job = ticket.job
        self.check(job)
        try:  # cleaned already: a small JPEG may have become a PNG larger than any sketch may be
            source = read(job.source, FRAME_LIMIT) if job.source is not None else None
        except BadSketch as error:
            raise Unpaintable(str(error)) from error
        if source is not None and not self._may_use(source, job):
            ticket.fail(SKETCH_WITHHELD, sketch_flagged=True)
            return
        ticket.began = time.monotonic()
        desks = {model: Desk(model, source) for model in self.models}
        recipes = job.recipes
        if job.adaptive:
            card = self._model_for(recipes[0]).card
            recipes = card.classed_by_load(recipes, [each.canvas.recipe for each in self._places])
        fitting = [_fitting(each, self._model_for(each)) for each in recipes]
        self._begin(ticket, [Canvas(each, desks[self._model_for(each)]) for each in fitting])

    def _may_use(self, source: Image.Image, job: Paint) -> bool:
        """Does the sketch pass the safety check of each model that is to paint over it?"""
        models = {self._model_for(recipe) for recipe in job.recipes}
        verdicts = [verdict for model in models for verdict in model.verdicts(source)]
        log.info("job %s attempt %d sketch: %s", job.job, job.attempt, in_words(verdicts))
        return not flagged(verdicts)

    def _begin(self, ticket: Ticket, canvases: Sequence[Canvas]) -> None:
        self._drop(ticket)
        ticket.begin([Place(canvas, ticket, next(self._orders)) for canvas in canvases])
        self._places += ticket.places

    def _evaluate(self, canvases: Sequence[Canvas]) -> None:
        evaluate(canvases)
        self._pace.keep()

    def _next_batches(self) -> "list[_Batch]":
        """One for each free hand, as long as there are pictures that are in no hand."""
        busy = {place for batch in self._hands.batches for place in batch.places}
        waiting = [
            place for place in self._places if not place.canvas.finished and place not in busy
        ]
        batches: list[_Batch] = []
        while waiting and len(batches) < self._hands.free:
            turn = next_turn(waiting, self._round, self._costs.of)
            self._round = turn.after
            batch = _Batch(turn.lane, [waiting[nth] for nth in turn.batch])
            batches.append(batch)
            waiting = [place for place in waiting if place not in batch.places]
            tick = next(self._ticks)
            for place in batch.places:
                place.served = tick
        return batches

    def _settle(self, batch: "_Batch", result: Callable[[], float]) -> None:
        tickets = list({place.ticket: None for place in batch.places if place in self._places})

        def learn() -> None:
            seconds = result()
            self._costs.learn(batch.lane, seconds)
            self.seconds += seconds
            self.rows_given += batch.lane.capacity
            self.rows_used += sum(place.rows for place in batch.places)

        if not self._guarded(tickets, learn):
            return
        for ticket in tickets:
            if ticket.advance() and ticket.finished:
                self._drop(ticket)
                self.finisher.finish(ticket)

    def _look(self) -> None:
        """Have a preview made, if there is time, of the job that has waited longest for one."""
        if not self.finisher.idle:
            return
        curious = [
            ticket
            for ticket in self.tickets
            if ticket.job.previews and ticket.step - ticket.looked >= PREVIEW_EVERY
        ]
        if curious:
            ticket = max(curious, key=lambda ticket: ticket.step - ticket.looked)
            ticket.looked = ticket.step
            self.finisher.look(ticket)

    def _drop(self, ticket: Ticket) -> None:
        """Its pictures are in no batch any more."""
        self._places = [place for place in self._places if place.ticket is not ticket]

    def _guarded(self, tickets: list[Ticket], do: Callable[[], None]) -> bool:
        """Do it, come what may; False if it failed. Raises DeviceBroken if all is lost."""
        try:
            do()
        except Exception as error:  # noqa: BLE001 # explained, logged, and the job ends
            reason = explained(error, ", ".join(f"job {ticket.job.job}" for ticket in tickets))
            short = out_of_memory(error)
        else:
            return True
        if short:  # out of the except block: its traceback held all that was computed
            self._shrink(tickets, reason)
        elif len(tickets) > 1:  # whose fault it was shows when each is alone
            for ticket in tickets:
                ticket.apart = ticket.places[0].order
        else:
            for ticket in tickets:
                self._fail(ticket, reason)
        return False

    def _shrink(self, tickets: list[Ticket], reason: str) -> None:
        """Paint them again from the start in smaller batches, once; who has been there fails."""
        for model in self.models:
            model.hardware.free_memory()
        for ticket in tickets:
            if ticket.shrunk or not ticket.places:
                self._fail(ticket, reason)
                continue
            ticket.shrunk = True
            self._guarded([ticket], partial(self._begin_smaller, ticket))

    def _begin_smaller(self, ticket: Ticket) -> None:
        """Begin anew; in the smallest batches already, its step is simply tried once more."""
        before = [place.canvas for place in ticket.places]
        canvases = [_smaller(canvas) for canvas in before]
        if canvases != before:
            self._begin(ticket, canvases)

    def _fail(self, ticket: Ticket, reason: str) -> None:
        self._drop(ticket)
        ticket.fail(reason)


@dataclass
class _Batch:
    """A forward pass that was begun."""

    lane: Lane
    places: list[Place]


def _check(recipe: Recipe, model: PaintModel, source: bytes | None) -> None:
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


def _smaller(canvas: Canvas) -> Canvas:
    """This picture from its start in the next smaller row class, or itself if there is none."""
    recipe = canvas.model.card.smaller(canvas.recipe)
    return canvas if recipe is None else canvas.again(recipe)
