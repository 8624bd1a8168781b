"""Keep the models in the device's memory that have work; others wait in the host's memory."""

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

from engine.core.placement import ModelPlace, Move, next_move, slice_seconds
from engine.core.request import Request
from engine.device.errors import is_out_of_memory
from engine.models.base import DiffusionModel

RELEASE_TIMEOUT: Final = 0.05
"""How many seconds `wait_released` waits at most, because a time slice may end."""
log = logging.getLogger(__name__)


class ModelPool:
    """Moves the models of one device. On a CPU, and with one model, none is ever moved.

    The engine core's thread moves the models; any thread may use one that was given to it.
    """

    def __init__(
        self, models: Sequence[DiffusionModel], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.models = tuple(models)
        self._clock = clock
        self.has_limit = (
            len(self.models) > 1 and self.models[0].device.available_memory() is not None
        )
        """Whether models are moved at all."""
        self._released = threading.Condition()
        self._is_blocked = False
        """Whether a model with work could not be moved to the device."""
        self._uses = dict.fromkeys(self.models, 0)
        self._used_at = dict.fromkeys(self.models, 0.0)
        self._slice_end = dict.fromkeys(self.models, 0.0)
        self._switch_seconds = dict.fromkeys(self.models, 0.0)
        self._working: frozenset[DiffusionModel] = frozenset()
        """The models that had work at the last call of `ready`."""
        self.moves = 0
        """How often a model was moved to the device."""

    def acquire(self, model: DiffusionModel) -> None:
        """Keep a resident model where it is until `release`."""
        if self.has_limit:
            with self._released:
                self._uses[model] += 1

    def release(self, model: DiffusionModel) -> None:
        """Allow the model to be moved after as many calls as of `acquire`. Any thread may call
        it."""
        if self.has_limit:
            with self._released:
                self._uses[model] -= 1
                self._used_at[model] = self._clock()
                self._released.notify_all()

    def acquire_all(self, models: Collection[DiffusionModel]) -> None:
        """Acquire several models."""
        for model in models:
            self.acquire(model)

    def release_all(self, models: Collection[DiffusionModel]) -> None:
        """Release several models."""
        for model in models:
            self.release(model)

    @contextmanager
    def use(self, model: DiffusionModel) -> Iterator[None]:
        """Keep a resident model where it is in the block."""
        self.acquire(model)
        try:
            yield
        finally:
            self.release(model)

    def ready(self, work: Mapping[DiffusionModel, float]) -> frozenset[DiffusionModel]:
        """The models that may work now, after at most one move.

        `work` has the models that have work, and since when their oldest work waits.
        """
        if not self.has_limit:
            return frozenset(self.models)
        for model in work.keys() - self._working:
            self._begin_slice(model)
        self._working = frozenset(work)
        move = self._next_move(work)
        self._is_blocked = move.load is None and not all(model.is_resident for model in work)
        if move.load is not None:
            self._apply(move)
        paused = {self.models[index] for index in move.paused}
        return frozenset(
            model for model in self.models if model.is_resident and model not in paused
        )

    def make_room(self, model: DiffusionModel) -> bool:
        """Move all other models to the host that are not in use; whether there were any."""
        others = [
            other
            for other in self.models
            if self.has_limit and other is not model and other.is_resident and self._is_idle(other)
        ]
        self._evict(others)
        return bool(others)

    def place(self, model: DiffusionModel) -> None:
        """Move a model to the device, and others to the host if there is too little memory.

        Raises RuntimeError or MemoryError if it does not fit.
        """
        if self.has_limit and not model.is_resident:
            work = {other: self._clock() for other in self.models if other is model}
            self._apply(self._next_move(work))

    def wait_released(self) -> None:
        """If a model with work could not be moved to the device, wait until another one is
        released, or some time has passed."""
        with self._released:
            if self._is_blocked:
                self._released.wait(RELEASE_TIMEOUT)

    def _is_idle(self, model: DiffusionModel) -> bool:
        with self._released:
            return self._uses[model] == 0

    def _next_move(self, work: Mapping[DiffusionModel, float]) -> Move:
        with self._released:
            places = [self._place(model, work.get(model)) for model in self.models]
        return next_move(places, self.models[0].device.available_memory() or 0, self._clock())

    def _place(self, model: DiffusionModel, waiting_since: float | None) -> ModelPlace:
        used_at = self._used_at[model]
        return ModelPlace(
            bytes=model.memory_bytes,
            is_resident=model.is_resident,
            is_busy=self._uses[model] > 0,
            waiting_since=None if waiting_since is None else max(waiting_since, used_at),
            slice_end=self._slice_end[model],
            used_at=used_at,
        )

    def _apply(self, move: Move) -> None:
        if move.load is None:
            return
        model, start = self.models[move.load], self._clock()
        self._evict([self.models[index] for index in move.evict])
        if not self._load(model):
            return
        end = self._clock()
        self.moves += 1
        self._used_at[model], self._switch_seconds[model] = end, end - start
        self._begin_slice(model)
        log.info("model moved to the device", extra={"model": model.card.name})

    def _load(self, model: DiffusionModel) -> bool:
        """Move a model to the device; False if there is too little memory for it until a model
        that is in use can be moved. Raises RuntimeError or MemoryError if there is none."""
        for has_room in (False, True):
            try:
                model.to_device()
            except (MemoryError, RuntimeError) as error:
                others = [other for other in self.models if other.is_resident]
                if not is_out_of_memory(error) or (has_room and not others):
                    raise
            else:
                return True
            model.device.empty_cache()
            self.make_room(model)
        self._is_blocked = True
        return False

    def _begin_slice(self, model: DiffusionModel) -> None:
        self._slice_end[model] = self._clock() + slice_seconds(self._switch_seconds[model])

    def _evict(self, models: Sequence[DiffusionModel]) -> None:
        for model in models:
            model.to_host()
            log.info("model moved to the host", extra={"model": model.card.name})
        if models:
            models[0].device.trim_cache()


def oldest_work(
    running: Iterable[Request], preparing: Iterable[Request]
) -> dict[DiffusionModel, float]:
    """The models that can work for these requests, and when the oldest request of each was added.

    The prepared images of a request in preparation wait for its other images.
    """
    oldest: dict[DiffusionModel, float] = {}
    needs = [(request, request.running_models) for request in running]
    needs += [(request, request.input_models) for request in preparing]
    for request, models in needs:
        for model in models:
            oldest[model] = min(request.added_at, oldest.get(model, request.added_at))
    return oldest
