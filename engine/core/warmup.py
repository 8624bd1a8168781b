"""Capture and check the batches of each model's native size before the first request."""

import logging
from collections.abc import Sequence

import torch

from engine.core.model_pool import ModelPool
from engine.device.errors import is_out_of_memory
from engine.models.base import DiffusionModel
from engine.models.loading import model_errors
from engine.pipeline.preview import previewer_for

log = logging.getLogger(__name__)


@torch.inference_mode()
def warmup(models: Sequence[DiffusionModel]) -> None:
    """Run each row class of each model's native size, the largest first, so that the smaller ones
    can use its memory. Row classes that do not fit in memory are skipped.

    Models that do not fit on the device beside the others are moved to the host. The first one is
    warmed up last, so that it stays on the device.
    """
    pool = ModelPool(models)
    for model in reversed(models):
        with model_errors(model.card.name):
            pool.place(model)
            previewer_for(model)
            model.prove_backends()
            _warmup_model(model, pool)


def _warmup_model(model: DiffusionModel, pool: ModelPool) -> None:
    size = model.card.native_size
    for rows in sorted(model.card.row_classes(size, size), reverse=True):
        while not _warmup_batch(model, size, rows):
            model.device.empty_cache()
            if not pool.make_room(model):
                log.warning("there is too little memory for batches of %d rows", rows)
                break


def _warmup_batch(model: DiffusionModel, size: int, rows: int) -> bool:
    """Whether there was enough memory for batches of this shape."""
    try:
        model.is_batch_invariant(size, size, rows, backend=model.card.backend)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        return False
    return True
