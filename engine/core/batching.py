"""Select the images that share the next forward pass. Pure: the result depends on the arguments."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from engine.contract import Backend, Recipe


class BatchKey(NamedTuple):
    """The properties in which images must be equal to share a batch."""

    model: str
    """The recipe's model and revision, with a space between them."""
    width: int
    height: int
    rows: int
    """Rows of the padded batch: the images' row class. 0 for images that may be in batches of
    several row classes (`flexible_batches`)."""
    text_chunks: int = 1
    """Chunks of the images' prompts."""
    backend: Backend = Backend.TORCH
    exclusive_id: int = 0
    """If not 0, the images share batches only with images of the same id."""


class Waiting(Protocol):
    """An image that waits for its next evaluation."""

    @property
    def batch_key(self) -> BatchKey: ...

    @property
    def rows(self) -> int:
        """Rows that it takes in each batch: 2 with classifier-free guidance, else 1."""

    @property
    def last_tick(self) -> int:
        """The tick of its last evaluation; 0 if it had none."""

    @property
    def sequence(self) -> int:
        """Its number in order of arrival."""

    @property
    def owner(self) -> str:
        """The user of its job."""


class BatchSizes(Protocol):
    """Chooses the rows of batches."""

    def rows_for(self, key: BatchKey, waiting_rows: int) -> int:
        """The rows of the next batch of a key of which so many rows wait, padding included."""


class OwnRowClass:
    """Each batch has the row class of its key."""

    def rows_for(self, key: BatchKey, waiting_rows: int) -> int:
        """The key's rows."""
        return key.rows


class Deficit(NamedTuple):
    """The deficit counter of one owner's batch key."""

    owner: str
    key: BatchKey
    seconds: float
    """Engine time that batches of the key may still use in this round."""


DrrState = tuple[Deficit, ...]
"""The deficit counters in the order of their turns; empty at first, passed from tick to tick."""
NO_SECONDS: Final[Mapping[str, float]] = {}
_OWN_ROW_CLASS: Final = OwnRowClass()


@dataclass(frozen=True)
class Selection:
    """The images of the next forward pass, and the round robin state after it."""

    indices: tuple[int, ...]
    """Indices of the batch's images in the sequence of waiting images."""
    key: BatchKey
    """With the rows of the batch."""
    state: DrrState


def batch_key(recipe: Recipe, text_chunks: int = 1, exclusive_id: int = 0) -> BatchKey:
    """The batch key of an image of this recipe."""
    model = f"{recipe.model} {recipe.revision}"
    return BatchKey(
        model, *recipe.size, recipe.row_class, text_chunks, recipe.backend, exclusive_id
    )


def select_batch(
    waiting: Sequence[Waiting],
    state: DrrState,
    cost: Callable[[BatchKey], float],
    owner_seconds: Mapping[str, float] = NO_SECONDS,
    *,
    in_flight: Collection[tuple[str, BatchKey]] = (),
    sizes: BatchSizes = _OWN_ROW_CLASS,
) -> Selection:
    """Select the next batch.

    `waiting` must not be empty. `cost` returns the seconds of a batch of a key, above 0.
    `owner_seconds` is the engine time of each owner so far. `in_flight` has owner and key of images
    that do not wait, and go on later. `sizes` chooses the rows of batches.

    The batch has a key of the owner with the least engine time; among equals, of the owner whose
    image has waited longest. It is filled with images of that key of all owners, in order of their
    owner's engine time, then of the time that they have waited.

    The keys of one owner take turns by deficit round robin (Shreedhar and Varghese 1996,
    https://doi.org/10.1109/90.502236): in each round a key is credited with as many batches as its
    images need for one step each. So an owner's time is divided equally between the images, not
    between the keys. Keys whose images are all `in_flight` keep their deficit and their turn; those
    without images lose them.
    """
    by_priority = sorted(
        range(len(waiting)),
        key=lambda index: (owner_seconds.get(waiting[index].owner, 0.0), *_age(waiting[index])),
    )
    by_key: dict[BatchKey, list[int]] = {}
    for index in by_priority:
        by_key.setdefault(waiting[index].batch_key, []).append(index)
    owner = waiting[by_priority[0]].owner
    demands = _demands(image for image in waiting if image.owner == owner)
    batches = {
        key: _with_rows(key, sizes.rows_for(key, sum(waiting[n].rows for n in by_key[key])))
        for key in demands
    }
    turns, other_turns = [], []
    has_images = {(image.owner, image.batch_key) for image in waiting}.union(in_flight)
    for deficit in state:
        if deficit.owner == owner and deficit.key in demands:
            turns.append(deficit)
        elif (deficit.owner, deficit.key) in has_images:
            other_turns.append(deficit)
    old_keys = {deficit.key for deficit in turns}
    turns += [Deficit(owner, key, 0.0) for key in by_key if key in demands and key not in old_keys]
    max_cost = max(map(cost, batches.values()))
    while turns[0].seconds < cost(batches[turns[0].key]):
        first = turns.pop(0)
        needed = -(-demands[first.key] // batches[first.key].rows)
        turns.append(first._replace(seconds=first.seconds + max_cost * needed))
    first = turns.pop(0)
    batch = batches[first.key]
    turns.insert(0, first._replace(seconds=first.seconds - cost(batch)))
    indices = _fill(by_key[first.key], waiting, batch.rows)
    return Selection(indices, batch, (*other_turns, *turns))


def _demands(images: Iterable[Waiting]) -> dict[BatchKey, int]:
    """By batch key, the rows that one step of each of these images takes."""
    demands: dict[BatchKey, int] = {}
    for image in images:
        demands[image.batch_key] = demands.get(image.batch_key, 0) + image.rows
    return demands


def _with_rows(key: BatchKey, rows: int) -> BatchKey:
    return key if key.rows == rows else key._replace(rows=rows)


def _age(image: Waiting) -> tuple[int, int]:
    return image.last_tick, image.sequence


def _fill(indices: Iterable[int], waiting: Sequence[Waiting], free_rows: int) -> tuple[int, ...]:
    """The indices of the images that fit into the free rows, tried in order."""
    batch = []
    for index in indices:
        if waiting[index].rows <= free_rows:
            free_rows -= waiting[index].rows
            batch.append(index)
    return tuple(batch)
