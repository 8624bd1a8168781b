"""The loop: each forward pass is shared by the pictures of whatever jobs are at hand."""

import itertools
import logging
import time
from collections.abc import Callable, Sequence
from typing import Final

import torch

from engine.contract import Paint, Recipe
from engine.core.batching import DrrState, select_batch
from engine.core.executor import Hands
from engine.core.failures import Mishap, mishap_of
from engine.core.postprocess import Finisher
from engine.core.preparation import SKETCH_WITHHELD, Entry, Wanted, check
from engine.core.request import Place, Ticket
from engine.core.usage import Batch, Meter
from engine.device.errors import is_out_of_memory
from engine.errors import InvalidJob
from engine.models.base import PaintModel
from engine.pipeline.denoise import Canvas, Desk
from engine.samplers import course

PREVIEW_EVERY: Final = 4
"""Evaluations between two previews of a job, at least."""
AT_ONCE: Final = 64
"""Pictures in progress: more would only make each of them slower."""
SENIOR_EVERY: Final = 32
"""Every so many forward passes, who waited longest goes first, and not who had least: so a newcomer
has most of the engine at once, and the jobs of those who had much still move."""
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
        self._turns = itertools.count(1)
        self._round: DrrState = ()
        self._entries: list[Entry] = []
        self._hands: Hands[Entry | Batch] = Hands(
            min(model.device.max_concurrent_batches for model in self.models)
        )
        self.meter = Meter(self.model.device)

    @property
    def model(self) -> PaintModel:
        """What a request gets that names none."""
        return self.models[0]

    @property
    def room(self) -> int:
        """How many more pictures it takes on."""
        return self._at_once - len(self._places) - len(self._entering())

    @property
    def busy(self) -> int:
        """How many pictures it is at."""
        return self._at_once - self.room

    @property
    def tickets(self) -> list[Ticket]:
        """The jobs that it is at."""
        entering = [entry.ticket for entry in self._entries]
        return list(dict.fromkeys([place.ticket for place in self._places] + entering))

    @torch.inference_mode()
    def warm(self) -> None:
        """Record and prove the batches of each model's own size, the largest first: smaller ones
        find room in the memory of larger ones."""
        for model in self.models:
            side = model.card.native_size
            for rows in sorted(model.card.row_classes(side, side), reverse=True):
                if not _tried(model, side, rows):
                    model.device.empty_cache()

    def check(self, job: Paint) -> None:
        """Raise InvalidJob, before any work, if this job cannot be painted here."""
        for recipe in job.recipes:
            model = self._model_for(recipe)
            check(recipe, model, job.source)
            course(recipe, model.scheduler_config)

    def admit(self, ticket: Ticket) -> None:
        """Take on a job: its pictures are in the batches as soon as they are made ready.

        Raises DeviceLost if no job can be painted any more.
        """
        mishap = mishap_of([ticket], lambda: self._admit(ticket))
        if mishap is not None:
            self._fail(ticket, mishap)

    @torch.inference_mode()
    def tick(self) -> None:
        """Let go of jobs that have stopped, make a new one ready and begin forward passes for those
        whose turn it is, as long as there are free hands, and wait for one of them.

        Raises DeviceLost if no job can be painted any more.
        """
        for ticket in self.tickets:
            if ticket.stopped:
                self._drop(ticket)
                self.meter.charge_stopped(ticket)
                ticket.stop()
        self._begin_entry()
        for batch in self._next_batches():
            self._hands.begin(batch, self.meter.begin(batch))
        for task, result in self._hands.ended():
            if isinstance(task, Batch):
                self._settle(task, result)
            else:
                self._enter(task, result)
        self._look()

    def nudge(self) -> None:
        """There is something new to do, so `tick` is to wait no longer. Any thread may call it."""
        self._hands.nudge()

    def close(self, patience: float | None = None) -> None:
        """Wait (seconds, or as long as it takes) for the forward passes that were begun."""
        self._hands.close(patience)

    def _model_for(self, recipe: Recipe) -> PaintModel:
        for model in self.models:
            if (recipe.model, recipe.revision) == (model.card.name, model.card.revision):
                return model
        loaded = " and ".join(
            f"{each.card.name} ({each.card.revision[:12]})" for each in self.models
        )
        raise InvalidJob(
            f"This picture needs the model {recipe.model} ({recipe.revision[:12]}), but "
            f"{loaded} is loaded."
        )

    def _admit(self, ticket: Ticket) -> None:
        job = ticket.job
        self.check(job)
        ticket.began = time.monotonic()
        desks = {model: Desk(model) for model in self.models}
        recipes = job.recipes
        if job.adaptive:
            card = self._model_for(recipes[0]).card
            others = [place.canvas.recipe for place in self._places] + self._entering()
            recipes = card.with_row_class_for_load(recipes, others)
        wanted = [(each, desks[self._model_for(each)]) for each in recipes]
        self._entries.append(Entry(ticket, wanted))

    def _entering(self) -> list[Recipe]:
        return [recipe for entry in self._entries for recipe, _ in entry.wanted]

    def _begin_entry(self) -> None:
        """Make the next job ready, in a hand of its own: where its size and row class are new, that
        takes a while, and others go on meanwhile. One at a time."""
        if self._entries and not self._entries[0].begun and self._hands.free:
            entry = self._entries[0]
            entry.begun = True
            self._hands.begin(entry, entry.make_ready)

    def _enter(self, entry: Entry, result: Callable[[], None]) -> None:
        """Its pictures are in the batches from now on."""
        self._entries.remove(entry)
        mishap = mishap_of([entry.ticket], result)
        if entry.ticket.stopped:
            entry.ticket.stop()
        elif entry.withheld:
            entry.ticket.fail(SKETCH_WITHHELD, sketch_flagged=True)
        elif mishap is None:
            self._begin(entry.ticket, entry.canvases)
        elif mishap.short:
            self._free_memory()
            self._shrink(entry.ticket, entry.wanted, mishap)
        else:
            self._fail(entry.ticket, mishap)

    def _begin(self, ticket: Ticket, canvases: Sequence[Canvas]) -> None:
        self._drop(ticket)
        ticket.begin([Place(canvas, ticket, next(self._orders)) for canvas in canvases])
        self._places += ticket.places

    def _next_batches(self) -> list[Batch]:
        """One for each free hand, as long as there are pictures that are in no hand."""
        held = [task for task in self._hands.tasks if isinstance(task, Batch)]
        busy = {place for batch in held for place in batch.places}
        waiting = [
            place for place in self._places if not place.canvas.finished and place not in busy
        ]
        had = self._had()
        batches: list[Batch] = []
        while waiting and len(batches) < self._hands.free:
            batch_keys = {batch.batch_key for batch in [*held, *batches]}
            number = next(self._turns)
            turn = select_batch(
                waiting,
                self._round,
                self.meter.cost,
                had if number % SENIOR_EVERY else {},
                in_flight=batch_keys,
            )
            self._round = turn.state
            batch = Batch(turn.key, [waiting[nth] for nth in turn.indices])
            batches.append(batch)
            waiting = [place for place in waiting if place not in batch.places]
            for place in batch.places:
                place.last_tick = number
        return batches

    def _had(self) -> dict[str, float]:
        """Seconds of the engine by owner: what their newest job says, and what they got here."""
        before: dict[str, float] = {}
        here: dict[str, float] = {}
        for ticket in self.tickets:
            owner = ticket.job.owner
            before[owner] = max(before.get(owner, 0.0), ticket.job.prior_seconds)
            here[owner] = here.get(owner, 0.0) + ticket.worked
        return {owner: before[owner] + seconds for owner, seconds in here.items()}

    def _settle(self, batch: Batch, result: Callable[[], None]) -> None:
        concerned = list({place.ticket: None for place in batch.places})
        here = [ticket for ticket in concerned if ticket.has(batch.places) and not ticket.stopped]
        mishap = mishap_of(concerned, result)
        self.meter.end(batch, failed=mishap is not None)
        if mishap is None:
            self._go_on(here)
        elif mishap.short:
            self._free_memory()
            for ticket in here:
                wanted = [(place.canvas.recipe, place.canvas.desk) for place in ticket.places]
                self._shrink(ticket, wanted, mishap)
        elif len(concerned) > 1:  # whose fault it was shows when each is alone
            for ticket in here:
                ticket.apart = ticket.places[0].sequence
        else:
            for ticket in here:
                self._fail(ticket, mishap)

    def _go_on(self, tickets: Sequence[Ticket]) -> None:
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
        """Its pictures are in no batch any more, and are made ready for none."""
        self._places = [place for place in self._places if place.ticket is not ticket]
        self._entries = [each for each in self._entries if each.begun or each.ticket is not ticket]

    def _shrink(self, ticket: Ticket, wanted: list[Wanted], mishap: Mishap) -> None:
        """Paint it again from its start in smaller batches. One whose batches are the smallest
        already gets one more try, for others may have taken the memory meanwhile."""
        smaller = [
            (desk.model.card.with_smaller_row_class(recipe) or recipe, desk)
            for recipe, desk in wanted
        ]
        if ticket.shrunk and smaller == wanted:
            self._fail(ticket, mishap)
            return
        ticket.shrunk = True
        self._drop(ticket)
        ticket.begin([])
        self._entries.append(Entry(ticket, smaller))

    def _free_memory(self) -> None:
        for model in self.models:
            model.device.empty_cache()

    def _fail(self, ticket: Ticket, mishap: Mishap) -> None:
        self._drop(ticket)
        ticket.fail(mishap.reason)


def _tried(model: PaintModel, side: int, rows: int) -> bool:
    """Record and prove batches of this shape, if there is memory for them."""
    try:
        model.exact(side, side, rows)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        log.warning("there is too little memory for batches of %d rows", rows)
        return False
    return True
