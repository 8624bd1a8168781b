"""Capture and check the batches of each model's native size before the first request."""

import logging
from collections.abc import Sequence

import torch

from engine.device.errors import is_out_of_memory
from engine.models.base import DiffusionModel

log = logging.getLogger(__name__)


@torch.inference_mode()
def warmup(models: Sequence[DiffusionModel]) -> None:
    """Run each row class of each model's native size, the largest first, so that the smaller ones
    can use its memory. Row classes that do not fit in memory are skipped."""
    for model in models:
        size = model.card.native_size
        for rows in sorted(model.card.row_classes(size, size), reverse=True):
            if not _warmup_batch(model, size, rows):
                model.device.empty_cache()


def _warmup_batch(model: DiffusionModel, size: int, rows: int) -> bool:
    """Whether there was enough memory for batches of this shape."""
    try:
        model.is_batch_invariant(size, size, rows)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        log.warning("there is too little memory for batches of %d rows", rows)
        return False
    return True
