"""Capture and check the batches of each model's native size before the first request."""

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from functools import partial
from typing import Final

import msgspec
import torch

from engine.contract import DEFAULT_COUNT, ModelCard
from engine.core.flexible_batches import FLEXIBLE_BACKEND, MAX_ROWS
from engine.core.model_pool import ModelPool
from engine.device.errors import is_out_of_memory
from engine.models.base import DiffusionModel, dummy_recipe
from engine.models.loading import model_errors
from engine.pipeline.preview import previewer_for

_TOO_LITTLE_MEMORY: Final = "there is too little memory for batches of %d rows"
log = logging.getLogger(__name__)


def warmup(models: Sequence[DiffusionModel]) -> None:
    """Prepare each model's previewer and backends, and batches of its native size."""
    pool = ModelPool(models)
    if pool.has_limit or any(model.device.max_concurrent_batches == 1 for model in models):
        _warmup_in_turn(models, pool)
    else:
        _warmup_concurrently(models)


@torch.inference_mode()
def _warmup_in_turn(models: Sequence[DiffusionModel], pool: ModelPool) -> None:
    """Run each row class of each model's native size, the largest first, so that the smaller ones
    can use its memory. Row classes that do not fit in memory are skipped.

    Models that do not fit on the device beside the others are moved to the host. The first one is
    warmed up last, so that it stays on the device.
    """
    for model in reversed(models):
        with model_errors(model.card.name):
            pool.place(model)
            previewer_for(model)
            model.prove_backends()
            _warmup_model(model, pool)


def _warmup_model(model: DiffusionModel, pool: ModelPool) -> None:
    size = model.card.native_size
    for rows in sorted(model.card.row_classes(size, size), reverse=True):
        while not _fits_in_memory(partial(_run_batch, model, rows)):
            model.device.empty_cache()
            if not pool.make_room(model):
                log.warning(_TOO_LITTLE_MEMORY, rows)
                break


def _warmup_concurrently(models: Sequence[DiffusionModel]) -> None:
    """On a CPU where a forward pass uses one core: use as many cores as the passes will.

    Batches run only in the row classes of one picture and of a grid, and in those that are flexible
    later. Others would delay the first request and would save nothing later. Models that edit are
    asked for less often than others, so their batches are compiled at the first request.
    """
    threads = ThreadPoolExecutor(models[0].device.max_concurrent_batches, "warmup")
    try:
        models_by_preparation = {threads.submit(_prepare, model): model for model in models}
        tasks = list[Future[None]]()
        for preparation in as_completed(models_by_preparation):
            preparation.result()
            model = models_by_preparation[preparation]
            if model.card.is_editor:
                continue
            own = _row_classes(model.card)
            runs = [(_run_batch, rows) for rows in sorted({*own, *_flexible_row_classes(model)})]
            runs += [(_compile_for_all_cores, rows) for rows in own]
            tasks += [threads.submit(_warmup_row_class, run, model, rows) for run, rows in runs]
        for task in tasks:
            task.result()
    finally:
        threads.shutdown(cancel_futures=True)


def _row_classes(card: ModelCard) -> list[int]:
    """The row classes of one picture and of a grid of the native size."""
    recipe = dummy_recipe(card, card.native_size, card.native_size)
    recipe = msgspec.structs.replace(recipe, guidance=card.guidance)
    requests = [[recipe] * pictures for pictures in (1, DEFAULT_COUNT)]
    return sorted({card.with_row_class(request)[0].row_class for request in requests})


def _flexible_row_classes(model: DiffusionModel) -> list[int]:
    """Those of the native size that flexible batches may have, if the model may have any."""
    card = model.card
    if card.backend is not FLEXIBLE_BACKEND:
        return []
    row_classes = card.row_classes(card.native_size, card.native_size)
    return [rows for rows in row_classes if rows <= MAX_ROWS]


@torch.inference_mode()
def _prepare(model: DiffusionModel) -> None:
    with model_errors(model.card.name):
        previewer_for(model)
        model.prove_backends()


@torch.inference_mode()
def _warmup_row_class(
    run: Callable[[DiffusionModel, int], None], model: DiffusionModel, rows: int
) -> None:
    with model_errors(model.card.name):
        if not _fits_in_memory(partial(run, model, rows)):
            log.warning(_TOO_LITTLE_MEMORY, rows)


def _run_batch(model: DiffusionModel, rows: int) -> None:
    size = model.card.native_size
    model.is_batch_invariant(size, size, rows, backend=model.card.backend)


def _compile_for_all_cores(model: DiffusionModel, rows: int) -> None:
    size = model.card.native_size
    model.compile_for_all_cores(size, size, rows, model.card.backend)


def _fits_in_memory(run: Callable[[], None]) -> bool:
    """Whether there is enough memory to call `run`, which is done."""
    try:
        run()
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        return False
    return True
