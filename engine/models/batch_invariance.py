"""Test batch invariance: whether a row has the same bits in every slot, beside any other rows.

For some shapes and devices, the slot of a row changes its bits: a kernel that splits a batch
between threads may round the end of each part differently. The size of a batch may change them too,
so the outputs for the same row are compared between batch sizes that are to replace each other.
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
def probe_output(
    model: Predicts,
    shape: tuple[int, ...],
    conditioning: Conditioning,
    rows: int,
    backend: Backend = Backend.TORCH,
) -> torch.Tensor | None:
    """The output for a probe row, which is the same for all batch sizes, in the host's memory; None
    if its bits are not the same in every slot of a batch of `rows` rows.

    `shape` is that of an image's latents, (1, channels, height / 8, width / 8); `conditioning` has
    one row. Three batches are compared: one of copies of the probe row, one with other rows in all
    odd slots, and one with other rows in all even slots.
    """
    generator = torch.Generator("cpu").manual_seed(_SEED)
    device, dtype = model.device.torch_device, model.device.dtype

    def random(shape: tuple[int, ...]) -> torch.Tensor:
        return torch.randn(shape, generator=generator).to(device, dtype)

    def random_timesteps(rows: int) -> torch.Tensor:
        return torch.rand(rows, generator=generator).to(device) * 999

    probe, probe_timestep = random((1, *shape[1:])), random_timesteps(1)
    other_latents, other_timesteps = random((rows, *shape[1:])), random_timesteps(rows)
    other_conditioning = {
        name: random((rows, *tensor.shape[1:])).to(tensor.dtype)
        for name, tensor in conditioning.items()
    }
    expected: torch.Tensor | None = None
    slots = torch.arange(rows, device=device) % 2
    for is_probe in (slots < 2, slots == 0, slots == 1):
        latents = torch.where(_expand(is_probe, probe), probe, other_latents)
        batch_conditioning = {
            name: torch.where(_expand(is_probe, tensor), tensor[:1], other_conditioning[name])
            for name, tensor in conditioning.items()
        }
        timesteps = torch.where(is_probe, probe_timestep, other_timesteps)
        outputs = model.predict(latents, timesteps, batch_conditioning, backend)
        for output in outputs[is_probe]:
            expected = output.clone() if expected is None else expected
            if not torch.equal(output, expected):
                return None
    return None if expected is None else expected.cpu()


def _expand(mask: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    return mask.reshape(-1, *[1] * (like.dim() - 1))
