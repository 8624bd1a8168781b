"""Measure the seconds of forward passes."""

import time
from collections.abc import Collection

import torch

from engine.core.batching import BatchKey
from engine.device.errors import is_out_of_memory
from engine.models.base import Conditioning, DiffusionModel, dummy_recipe


@torch.inference_mode()
def batch_seconds(
    model: DiffusionModel,
    key: BatchKey,
    row_classes: Collection[int],
    *,
    warmup_passes: int,
    passes: int,
) -> dict[int, list[float]]:
    """By row class, the seconds of so many passes after the first ones, with batches that have the
    key's other properties; without the classes that do not fit in memory.

    The classes take turns, so that whatever else is running slows all of them down.
    """
    seconds: dict[int, list[float]] = {rows: [] for rows in row_classes}
    for _ in range(warmup_passes + passes):
        for rows in list(seconds):
            try:
                seconds[rows].append(_pass_seconds(model, key, rows))
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
                del seconds[rows]
    return {rows: times[warmup_passes:] for rows, times in seconds.items()}


def batch_inputs(
    model: DiffusionModel, key: BatchKey, rows: int
) -> tuple[torch.Tensor, torch.Tensor, Conditioning]:
    """Latents, timesteps and conditioning of a batch of this key with so many rows."""
    device, size = model.device, (key.width, key.height)
    shape = model.latent_shape(*size)
    latents = torch.zeros(rows, *shape[1:], device=device.torch_device, dtype=device.dtype)
    timesteps = torch.full((rows,), 500.0, device=device.torch_device)
    encoded = model.encode_prompt(dummy_recipe(model.card, *size), key.text_chunks)
    conditioning: Conditioning = {
        name: tensor[:1].expand(rows, *tensor.shape[1:]).contiguous()
        for name, tensor in encoded.items()
    }
    return latents, timesteps, conditioning


def _pass_seconds(model: DiffusionModel, key: BatchKey, rows: int) -> float:
    inputs = batch_inputs(model, key, rows)
    model.device.synchronize()
    start = time.monotonic()
    model.predict(*inputs, key.backend).cpu()  # waits for the device
    return time.monotonic() - start
