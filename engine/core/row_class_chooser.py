"""Choose the row classes of requests by load, for jobs that allow it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

import msgspec

from engine.contract import Backend, Recipe
from engine.core.batch_cost import BatchCostModel
from engine.core.batch_timing import batch_seconds
from engine.core.batching import BatchKey, batch_key
from engine.core.load_cost import LoadImage, choose_row_class
from engine.core.request import ImageInput, Request
from engine.device.errors import is_out_of_memory
from engine.models.base import DiffusionModel

_WARMUP_PASSES: Final = 1
_PASSES: Final = 5
"""The fastest one counts: what else the machine does can only slow a pass down."""
_CACHED_PROMPTS: Final = 256


class Load(NamedTuple):
    """The images of an engine core besides those of one request."""

    prepared: tuple[LoadImage, ...]
    waiting: tuple[ImageInput, ...]
    """That are still to be prepared, with the row class that they have."""
    adaptable: tuple[ImageInput, ...]
    """That are still to be prepared, with a row class that will be chosen then."""


class RowClassChooser:
    """Chooses row classes with which the present load takes least time, by measured costs.

    The row class of a job stays unless measurements say that another one is faster: a request that
    has no company keeps it, and so does one of a size whose other classes do not fit in memory.
    Only one thread may call it at a time.
    """

    def __init__(
        self,
        costs: BatchCostModel,
        workers: int,
        may_be_flexible: Callable[[BatchKey], bool] = lambda _: False,
    ) -> None:
        """`costs` has earlier measurements, and gets further ones; `workers` is the number of
        batches at a time. Images of groups that `may_be_flexible` keep their row class, because
        they share batches of any class (`flexible_batches`)."""
        self._costs = costs
        self._workers = workers
        self._may_be_flexible = may_be_flexible
        self._measured: set[BatchKey] = set()
        self._text_chunks: dict[tuple[DiffusionModel, Recipe], int] = {}

    def with_row_classes(self, inputs: Sequence[ImageInput], load: Load) -> list[ImageInput]:
        """The images of a request with the row classes to use, one for each model and size."""
        own = [self._load_image(image) for image in inputs]
        adaptable = [self._load_image(image) for image in load.adaptable]
        others = [*load.prepared, *map(self._load_image, load.waiting)]
        result = list(inputs)
        for group in dict.fromkeys(map(_group, own)):
            indices = [index for index, image in enumerate(own) if _group(image) == group]
            members = [own[index] for index in indices]
            peers = [image for image in adaptable if _group(image) == group]
            rest = [image for image in adaptable if _group(image) != group]
            rest += [image for index, image in enumerate(own) if index not in indices]
            if self._may_be_flexible(group):
                continue
            if not any(_group(image) == group for image in [*peers, *others]):
                continue
            measured = self.measure(inputs[indices[0]].inputs.model, group)
            if not {image.key.rows for image in [*members, *peers]} <= set(measured):
                continue
            row_class = choose_row_class(
                members,
                peers,
                [*others, *rest],
                measured,
                self._costs.estimate,
                self._workers,
            )
            if row_class is None:
                continue
            for index in indices:
                own[index] = own[index].with_row_class(row_class)
                recipe = msgspec.structs.replace(
                    inputs[index].recipe, row_class=own[index].key.rows
                )
                result[index] = replace(inputs[index], recipe=recipe)
        return result

    def measure(self, model: DiffusionModel, group: BatchKey) -> list[int]:
        """The row classes of a group's size whose costs are known, in ascending order.

        At the first call for a group, it measures some forward passes of each class.
        """
        row_classes = sorted(model.card.row_classes(group.width, group.height))
        keys = [group._replace(rows=rows) for rows in row_classes]
        if group not in self._measured and not all(map(self._costs.is_measured, keys)):
            usable = [key.rows for key in keys if _is_usable(model, key)]
            seconds = batch_seconds(
                model, group, usable, warmup_passes=_WARMUP_PASSES, passes=_PASSES
            )
            for rows, times in seconds.items():
                self._costs.learn(group._replace(rows=rows), min(times))
        self._measured.add(group)
        return [key.rows for key in keys if self._costs.is_measured(key)]

    def _load_image(self, image: ImageInput) -> LoadImage:
        model, recipe = image.inputs.model, image.recipe
        chunks = self._chunks_of(model, recipe)
        evaluations = recipe.executed_steps * recipe.sampler.scheduler.order
        key = batch_key(recipe, chunks)
        if recipe.backend not in model.card.backends:
            key = key._replace(backend=Backend.TORCH)
        return LoadImage(key, recipe.rows, evaluations)

    def _chunks_of(self, model: DiffusionModel, recipe: Recipe) -> int:
        key = model, msgspec.structs.replace(recipe, seed=0)
        if key not in self._text_chunks:
            if len(self._text_chunks) >= _CACHED_PROMPTS:
                self._text_chunks.clear()
            self._text_chunks[key] = model.text_chunks(recipe)
        return self._text_chunks[key]


def _is_usable(model: DiffusionModel, key: BatchKey) -> bool:
    """Whether such batches fit in memory and give exact pictures."""
    shape = key.width, key.height, key.rows, key.text_chunks
    if not model.fits_in_memory(*shape):
        return False
    try:
        return model.is_batch_invariant(*shape, key.backend)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        model.device.empty_cache()
        return False


def load_beside(request: Request, others: Iterable[Request]) -> Load:
    """The load of an engine core with these other requests. It also has the images of `request`
    that are prepared."""
    waiting = [other for other in others if other is not request]
    adaptable = [other for other in waiting if other.is_adaptable]
    return Load(
        tuple(image for each in [request, *waiting] for image in _prepared(each)),
        tuple(image for each in waiting if not each.is_adaptable for image in each.inputs),
        tuple(image for each in adaptable for image in each.inputs),
    )


def _prepared(request: Request) -> list[LoadImage]:
    return [
        LoadImage(
            batch_key(
                state.recipe,
                state.text_chunks,
                id(state) if state.is_unbatchable else request.exclusive_id,
            ),
            state.recipe.rows,
            state.evaluations - state.step_index,
        )
        for state in request.states
        if not state.is_finished
    ]


def _group(image: LoadImage) -> BatchKey:
    """The properties in which images must be equal to share batches, if they had one row class."""
    return image.key._replace(rows=0)
