"""The expected seconds of a load, and the row class with which it takes least."""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from typing import Final, NamedTuple

from engine.core.batching import BatchKey

MIN_GAIN: Final = 0.1
"""Another row class than the given one must save this share of the seconds that images add to the
load, because the estimates have errors."""
Cost = Callable[[BatchKey], float]
"""The seconds of a batch of a key, above 0."""


class LoadImage(NamedTuple):
    """An image that takes part in batches, or will."""

    key: BatchKey
    rows: int
    """Rows that it takes in each batch."""
    evaluations: int
    """The model evaluations that it still needs."""

    def with_row_class(self, row_class: int) -> "LoadImage":
        """The image in batches of this row class, or of its own if that is larger."""
        return self._replace(key=self.key._replace(rows=max(self.key.rows, row_class)))


def load_seconds(images: Sequence[LoadImage], cost: Cost, workers: int) -> float:
    """Expected seconds until all images are denoised, if no others arrive.

    Each image is evaluated once in a round. The batches of a round are shared by so many workers,
    and a round takes at least as long as its longest batch.
    """
    seconds = 0.0
    rows: Counter[BatchKey] = Counter()
    descending = sorted(images, key=lambda image: -image.evaluations)
    for index, image in enumerate(descending):
        rows[image.key] += image.rows
        fewer = descending[index + 1].evaluations if index + 1 < len(descending) else 0
        if image.evaluations > fewer:
            batches = [(-(-count // key.rows), cost(key)) for key, count in rows.items()]
            work_seconds = sum(number * batch_seconds for number, batch_seconds in batches)
            longest = max(batch_seconds for _, batch_seconds in batches)
            round_seconds = max(work_seconds / workers, longest)
            seconds += (image.evaluations - fewer) * round_seconds
    return seconds


def choose_row_class(
    own: Sequence[LoadImage],
    peers: Sequence[LoadImage],
    others: Sequence[LoadImage],
    row_classes: Collection[int],
    cost: Cost,
    workers: int,
) -> int | None:
    """The row class that images of `own` with smaller ones should have; None if all should keep
    theirs.

    `peers` are images whose row class is chosen later, and which could share batches with `own`;
    `others` are all further ones. A row class is chosen if the whole load takes less time with it,
    by MIN_GAIN of what `own` and `peers` add to it: with `own` alone in that class, or with `peers`
    too. If the peers then choose in turn, the load takes no longer than with the classes that all
    of them have. A smaller class is never chosen: it would save padding now, but spread the images
    that arrive next over more batches.
    """
    before = load_seconds(others, cost, workers)
    unchanged = load_seconds([*own, *peers, *others], cost, workers)
    options = []
    for row_class in row_classes:
        changed = [image.with_row_class(row_class) for image in own]
        changed_peers = [image.with_row_class(row_class) for image in peers]
        options += [
            (load_seconds([*changed, *company, *others], cost, workers), row_class)
            for company in (peers, changed_peers)
        ]
    seconds, row_class = min(options, default=(unchanged, 0))
    is_faster = seconds < unchanged - MIN_GAIN * (unchanged - before)
    return row_class if is_faster and row_class > min(image.key.rows for image in own) else None
