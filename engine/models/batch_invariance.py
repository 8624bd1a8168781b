"""Test batch invariance: whether a row has the same bits in every slot, beside any other rows.

The size of a batch may change the bits of its rows. For some shapes and devices, the slot of a row
changes them too: a kernel that splits a batch between threads may round the end of each part
differently.
"""

from typing import Final, Protocol

import torch

from engine.contract import Backend
from engine.device import Device
from engine.models.base import Conditioning

_SEED: Final = 20


class Predicts(Protocol):
    """The part of a DiffusionModel that is tested."""

    device: Device

    def predict(
        self,
        latents: torch.Tensor,
        timesteps: torch.Tensor,
        conditioning: Conditioning,
        backend: Backend = Backend.TORCH,
    ) -> torch.Tensor:
        """The model output for all rows."""


@torch.inference_mode()
def is_batch_invariant(
    model: Predicts,
    shape: tuple[int, ...],
    conditioning: Conditioning,
    rows: int,
    backend: Backend = Backend.TORCH,
) -> bool:
    """Whether a row has the same bits in every slot of a batch of `rows` rows.

    `shape` is that of an image's latents, (1, channels, height / 8, width / 8); `conditioning` has
    one row. Three batches are compared: one of copies of a probe row, one with other rows in all
    odd slots, and one with other rows in all even slots.
    """
    generator = torch.Generator("cpu").manual_seed(_SEED)
    device, dtype = model.device.torch_device, model.device.dtype

    def random(shape: tuple[int, ...]) -> torch.Tensor:
        return torch.randn(shape, generator=generator).to(device, dtype)

    probe, distractors = random((1, *shape[1:])), random((rows, *shape[1:]))
    timesteps = torch.rand(rows, generator=generator).to(device) * 999
    other_conditioning = {
        name: random((rows, *tensor.shape[1:])).to(tensor.dtype)
        for name, tensor in conditioning.items()
    }
    expected: torch.Tensor | None = None
    slots = torch.arange(rows, device=device) % 2
    for is_probe in (slots < 2, slots == 0, slots == 1):
        inputs = torch.where(_expand(is_probe, probe), probe, distractors)
        batch_conditioning = {
            name: torch.where(_expand(is_probe, tensor), tensor[:1], other_conditioning[name])
            for name, tensor in conditioning.items()
        }
        batch_timesteps = torch.where(is_probe, timesteps[0], timesteps)
        outputs = model.predict(inputs, batch_timesteps, batch_conditioning, backend)
        for output in outputs[is_probe]:
            expected = output.clone() if expected is None else expected
            if not torch.equal(output, expected):
                return False
    return True


def _expand(mask: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    return mask.reshape(-1, *[1] * (like.dim() - 1))
