"""Batches of any row class, for images whose bits are the same in all of them.

Where a backend gives a row the same bits in batches of several sizes, the row class of a recipe is
one of several ways to compute it, and images of all these classes share batches of the size that
takes the least time. This is proved for each size of images: for the native size at the start, for
others in the background, once there are more of them than their own row class holds.
"""

import logging
import math
import threading
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from typing import Final, Protocol

import torch

from engine.contract import Backend
from engine.core.batch_timing import batch_seconds
from engine.core.batching import BatchKey, batch_key
from engine.device.errors import is_out_of_memory
from engine.models.base import DiffusionModel, dummy_recipe

FLEXIBLE_BACKEND: Final = Backend.OPENVINO
"""torch gives a row other bits in batches of other sizes. In bfloat16, rounding hides differences
from a proof with few inputs."""
MAX_ROWS: Final = 8
"""Of a flexible batch; more would save little, and a step of each of its images takes longer."""
MAX_SECONDS: Final = 0.1
"""Expected time of a flexible batch."""
TOLERANCE: Final = 1.05
"""A larger row class may take this much longer for a row than the last one, because of errors of
the measurements; it saves time between the passes."""
_PASSES: Final = 5
"""The fastest one counts: what else the machine does can only slow a pass down."""
_CACHED_GROUPS: Final = 1024
log = logging.getLogger(__name__)

Seconds = Mapping[int, float]
"""By row class, in ascending order, the seconds of a batch; an image has the same bits in all."""


class State(Protocol):
    """The part of a DenoisingState that is needed here."""

    @property
    def model(self) -> DiffusionModel: ...


class FlexibleImage(Protocol):
    """An image that takes part in batches."""

    @property
    def batch_key(self) -> BatchKey:
        """With the row class of its recipe."""

    @property
    def rows(self) -> int:
        """Rows that it takes in each batch."""

    @property
    def state(self) -> State: ...


class FlexibleBatches:
    """The row classes that replace each other, by group: a batch key with rows of 0.

    Only one thread may call it at a time.
    """

    def __init__(self, workers: int) -> None:
        """`workers` is the number of batches at a time."""
        self._workers = workers
        self._seconds: dict[BatchKey, Seconds] = {}
        """Of the groups that were proved; empty if no larger class is of use."""
        self._proofs: dict[BatchKey, Future[Seconds]] = {}
        """Those that are not finished."""
        self._threads: ThreadPoolExecutor | None = None
        self._stop = threading.Event()
        """Set to end the proofs of `_threads`."""

    def key_of(self, image: FlexibleImage) -> BatchKey:
        """The key of images that may share batches with it; with rows of 0 if its batches are
        flexible."""
        key = image.batch_key
        group = _group(key)
        return group if key.rows in self._seconds.get(group, ()) else key

    def may_have(self, group: BatchKey) -> bool:
        """Whether batches of a group are flexible, or were not yet proved to be useless."""
        return group.backend is FLEXIBLE_BACKEND and self._seconds.get(group) != {}

    def prove(self, group: BatchKey, model: DiffusionModel) -> None:
        """Prove a group now, instead of in the background, unless that was done before."""
        if group not in self._seconds:
            self._seconds[group] = self._prove(group, model, threading.Event())

    def sizes(self, images: Iterable[FlexibleImage]) -> "FlexibleSizes":
        """The sizes of the next batches of these images, which include those in flight.

        Proofs that these images need are started, and those that are finished are used.
        """
        self._collect_proofs()
        rows: Counter[BatchKey] = Counter()
        first: dict[BatchKey, FlexibleImage] = {}
        largest: dict[BatchKey, int] = {}
        for image in images:
            group = _group(image.batch_key)
            rows[group] += image.rows
            first.setdefault(group, image)
            largest[group] = max(largest.get(group, 0), image.batch_key.rows)
        # Each group gets its part of the workers, but at least one.
        workers = max(1, self._workers // max(1, len(rows)))
        max_rows = {group: -(-count // workers) for group, count in rows.items()}
        for group, count in max_rows.items():
            if count > largest[group]:
                self._start_proof(group, first[group].state.model)
        return FlexibleSizes(self._seconds, max_rows)

    def give_up(self, key: BatchKey, images: Iterable[FlexibleImage]) -> bool:
        """Let images keep their row classes because there is too little memory for this batch of
        them. Returns whether that makes it smaller."""
        if all(image.batch_key.rows >= key.rows for image in images):
            return False
        self._seconds[_group(key)] = {}
        return True

    def close(self) -> None:
        """End the proofs in the background; one that runs ends with its present forward pass."""
        self._stop.set()
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
        self._stop, self._threads = threading.Event(), None
        self._proofs.clear()

    def _start_proof(self, group: BatchKey, model: DiffusionModel) -> None:
        is_known = group in self._seconds or group in self._proofs
        if is_known or group.backend is not FLEXIBLE_BACKEND or group.exclusive_id:
            return
        if self._threads is None:
            self._threads = ThreadPoolExecutor(1, "flexible-batches")
        self._proofs[group] = self._threads.submit(self._prove, group, model, self._stop)

    def _collect_proofs(self) -> None:
        for group in [group for group, proof in self._proofs.items() if proof.done()]:
            proof = self._proofs.pop(group)
            error = proof.exception()
            if error is not None:
                _log_failure(group, error)
            self._seconds[group] = {} if error else proof.result()

    @torch.inference_mode()
    def _prove(self, group: BatchKey, model: DiffusionModel, stop: threading.Event) -> Seconds:
        """The row classes from the smallest one on that give an image the same bits, up to the one
        from which larger ones save no time."""
        if group.backend is not FLEXIBLE_BACKEND:
            return {}
        try:
            return self._measure(group, model, stop)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                _log_failure(group, error)
            return {}

    def _measure(self, group: BatchKey, model: DiffusionModel, stop: threading.Event) -> Seconds:
        size = group.width, group.height
        last, *larger = sorted(model.card.row_classes(*size))
        seconds: dict[int, float] = {}
        for rows in [rows for rows in larger if rows <= MAX_ROWS]:
            if stop.is_set() or rows / last * seconds.get(last, 0.0) > MAX_SECONDS:
                break
            if not model.has_equal_rows(*size, last, rows, group.text_chunks, group.backend):
                break
            fastest = _fastest_passes(group, model, (last, rows), stop)
            if len(fastest) < 2 or fastest[rows] / rows > TOLERANCE * fastest[last] / last:
                break
            # In proportion to the last class, which was measured before too.
            before = seconds.setdefault(last, fastest[last])
            ratio = min(fastest[rows] / fastest[last], rows / last)
            seconds[rows] = before * ratio
            last = rows
        if seconds:
            log.info(
                "pictures of %d x %d share batches of %s rows; their bits are the same in all",
                *(*size, " or ".join(map(str, sorted(seconds)))),
            )
        return seconds


def _log_failure(group: BatchKey, error: BaseException) -> None:
    size = group.width, group.height
    log.warning("batches of %d x %d keep their row class", *size, exc_info=error)


def flexible_batches_of(models: Sequence[DiffusionModel]) -> FlexibleBatches:
    """Those of some models, with those of their native sizes proved."""
    flexible = FlexibleBatches(min(model.device.max_concurrent_batches for model in models))
    for model in models:
        side = model.card.native_size
        flexible.prove(default_group(model, side, side), model)
    return flexible


def default_group(model: DiffusionModel, width: int, height: int) -> BatchKey:
    """The group of new pictures of this size with short prompts."""
    key = batch_key(dummy_recipe(model.card, width, height))
    return key._replace(rows=0, backend=model.card.backend)


def _fastest_passes(
    group: BatchKey, model: DiffusionModel, row_classes: Collection[int], stop: threading.Event
) -> dict[int, float]:
    """By row class, the seconds of the fastest of some passes, which take turns."""
    fastest: dict[int, float] = {}
    for _ in range(_PASSES):
        if stop.is_set():
            return {}
        seconds = batch_seconds(model, group, row_classes, warmup_passes=0, passes=1)
        for rows, times in seconds.items():
            fastest[rows] = min([*times, fastest.get(rows, math.inf)])
    return fastest


class FlexibleSizes:
    """The number of rows of the next batch of each key."""

    def __init__(
        self, seconds: Mapping[BatchKey, Seconds], max_rows: Mapping[BatchKey, int]
    ) -> None:
        """`max_rows` is the most rows that a batch of a flexible key should have."""
        self._seconds = seconds
        self._max_rows = max_rows

    def rows_for(self, key: BatchKey, waiting_rows: int) -> int:
        """The row class of the next batch of a key of which so many rows wait."""
        if key.rows:
            return key.rows
        return fastest_row_class(self._seconds[key], min(waiting_rows, self._max_rows[key]))


def fastest_row_class(seconds: Seconds, rows: int) -> int:
    """The row class of the first of the batches that compute so many rows in the least time.

    It is the largest class of these batches. More rows than fit into the largest class are taken
    for a full batch of it.
    """
    return _fastest_row_class(tuple(seconds.items()), min(rows, max(seconds)))


@lru_cache
def _fastest_row_class(seconds: tuple[tuple[int, float], ...], rows: int) -> int:
    best: list[tuple[float, int]] = [(0.0, 0)]
    for count in range(1, rows + 1):
        total, row_class = min(
            (time + best[max(0, count - row_class)][0], -row_class) for row_class, time in seconds
        )
        best.append((total, -row_class))
    return best[rows][1]


@lru_cache(_CACHED_GROUPS)
def _group(key: BatchKey) -> BatchKey:
    return key._replace(rows=0)
