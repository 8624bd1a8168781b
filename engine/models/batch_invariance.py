"""Is a picture the same to the bit whatever shares its batch, and in whatever slots? Found out.

The shape of a batch may change bits, and so may, with some shapes on some hardware, the slot of a
row: a kernel that splits a batch between its threads treats the last numbers of a share otherwise.
"""

from typing import Final, Protocol

import torch

from engine.device import Device
from engine.models.base import Words

_SEED: Final = 20


class Predicts(Protocol):
    """What is to be tried."""

    device: Device

    def predict(self, latents: torch.Tensor, timesteps: torch.Tensor, words: Words) -> torch.Tensor:
        """One evaluation of all rows."""


@torch.inference_mode()
def holds(model: Predicts, latents: tuple[int, ...], words: Words, rows: int) -> bool:
    """Does a row come out the same in every slot of a batch, beside itself and beside others?

    `latents` is the shape (1, channels, height / 8, width / 8) of a picture, `words` what its row
    is told. Three batches: of the probe alone, and with others in all odd and in all even slots.
    """
    generator = torch.Generator("cpu").manual_seed(_SEED)
    device, dtype = model.device.torch_device, model.device.dtype

    def drawn(shape: tuple[int, ...]) -> torch.Tensor:
        return torch.randn(shape, generator=generator).to(device, dtype)

    probe, others = drawn((1, *latents[1:])), drawn((rows, *latents[1:]))
    times = torch.rand(rows, generator=generator).to(device) * 999
    strange = {name: drawn((rows, *told.shape[1:])).to(told.dtype) for name, told in words.items()}
    known: torch.Tensor | None = None
    slots = torch.arange(rows, device=device) % 2
    for mixed in (slots < 2, slots == 0, slots == 1):
        seen = torch.where(_wide(mixed, probe), probe, others)
        told = {
            name: torch.where(_wide(mixed, each), each[:1], strange[name])
            for name, each in words.items()
        }
        predicted = model.predict(seen, torch.where(mixed, times[0], times), told)
        for row in predicted[mixed]:
            known = row.clone() if known is None else known
            if not torch.equal(row, known):
                return False
    return True


def _wide(mask: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    return mask.reshape(-1, *[1] * (like.dim() - 1))
