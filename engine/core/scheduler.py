"""The running images of all requests, and the selection of their batches."""

import itertools
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final, NamedTuple

from engine.core.batching import BatchKey, DrrState, select_batch
from engine.core.flexible_batches import FlexibleBatches
from engine.core.request import Request, RunningImage, WaitingImage
from engine.core.usage import Batch
from engine.models.base import DiffusionModel

AGING_PERIOD: Final = 32
"""Every 32nd pass serves the longest-waiting image instead of the least-served owner, so heavy
users are slowed but never starved."""


class _Waiting(NamedTuple):
    """An image that waits for its next evaluation, with what `select_batch` reads of it."""

    image: RunningImage
    batch_key: BatchKey
    rows: int
    last_tick: int
    sequence: int
    owner: str


class BatchScheduler:
    """Holds the running images, and selects batches of them by deficit round robin."""

    def __init__(self, cost: Callable[[BatchKey], float], flexible: FlexibleBatches) -> None:
        """`cost` estimates the seconds of a batch, above 0; `flexible` knows which images may be in
        batches of several row classes."""
        self.images: list[RunningImage] = []
        self._cost = cost
        self._flexible = flexible
        self._image_numbers = itertools.count(1)
        self._tick_numbers = itertools.count(1)
        self._drr_state: DrrState = ()

    def add(self, request: Request, waiting: WaitingImage) -> RunningImage:
        """Start an image of a request."""
        image = RunningImage(waiting.index, waiting.state, request, next(self._image_numbers))
        self.images.append(image)
        request.images.append(image)
        return image

    def remove(self, images: Collection[RunningImage]) -> None:
        """Remove images; no further batch contains them."""
        self.images = [image for image in self.images if image not in images]

    def select(
        self,
        count: int,
        in_flight: Collection[Batch],
        owner_seconds: Mapping[str, float],
        models: Collection[DiffusionModel],
    ) -> list[Batch]:
        """Select up to `count` batches of images of these models that are not in flight.

        `owner_seconds` is the engine time of each owner so far.
        """
        busy = {image for batch in in_flight for image in batch.images}
        unfinished = [image for image in self.images if not image.state.is_finished]
        sizes = self._flexible.sizes(unfinished)
        free = [self._waiting(image) for image in unfinished if image not in busy]
        waiting = [each for each in free if each.image.state.model in models]
        owner_keys = {
            (each.owner, each.batch_key) for each in free if each.image.state.model not in models
        }
        for batch in in_flight:
            owner_keys |= _owners_with(self._flexible.key_of(batch.images[0]), batch.images)
        batches: list[Batch] = []
        while waiting and len(batches) < count:
            tick = next(self._tick_numbers)
            selection = select_batch(
                waiting,
                self._drr_state,
                self._cost,
                owner_seconds if tick % AGING_PERIOD else {},
                in_flight=owner_keys,
                sizes=sizes,
            )
            self._drr_state = selection.state
            selected = [waiting[index] for index in selection.indices]
            batch = Batch(selection.key, [each.image for each in selected])
            owner_keys |= _owners_with(selected[0].batch_key, batch.images)
            batches.append(batch)
            waiting = [each for each in waiting if each not in selected]
            for image in batch.images:
                image.last_tick = tick
        return batches

    def _waiting(self, image: RunningImage) -> _Waiting:
        key = self._flexible.key_of(image)
        return _Waiting(image, key, image.rows, image.last_tick, image.sequence, image.owner)


def _owners_with(key: BatchKey, images: Iterable[RunningImage]) -> set[tuple[str, BatchKey]]:
    """The key with the owner of each of its images."""
    return {(image.owner, key) for image in images}


def seconds_by_owner(requests: Iterable[Request]) -> dict[str, float]:
    """Engine time by owner: the `prior_seconds` of their jobs, plus the time of these requests."""
    prior: dict[str, float] = {}
    current: dict[str, float] = {}
    for request in requests:
        owner = request.job.owner
        prior[owner] = max(prior.get(owner, 0.0), request.job.prior_seconds)
        current[owner] = current.get(owner, 0.0) + request.forward_seconds
    return {owner: prior[owner] + seconds for owner, seconds in current.items()}
