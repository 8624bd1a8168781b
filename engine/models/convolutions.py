"""Convolutions whose result does not depend on the slot of a row in its batch.

For some shapes cuDNN picks kernels that split the sums of different output tiles differently, so
the same row comes out with other bits in another slot of the batch. (Measured on an H200 with
float16 weights: 1 to 14 of the 98 convolutions of Stable Diffusion 1.5's UNet, depending on the
batch's shape, and no other operation.) Each such convolution is computed row by row; all others
stay batched.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final

import torch

_SEED: Final = 21

Convolution = Callable[[torch.Tensor], torch.Tensor]


class SlotInvariantConvolutions:
    """Wraps the convolutions of a network. Until `measure` has run, all of them stay batched."""

    def __init__(self, network: torch.nn.Module) -> None:
        self._by_row: set[tuple[str, torch.Size]] = set()
        """Name and input shape of the convolutions that are computed row by row."""
        self._measuring = False
        for name, module in network.named_modules():
            if isinstance(module, torch.nn.Conv2d):
                batched = module.forward
                module.forward = partial(self._forward, name, batched)  # type: ignore[method-assign] # an instance attribute takes precedence in Module.__call__

    @contextmanager
    def measure(self) -> Iterator[None]:
        """While this is active, each convolution is tested with the shape it is called with: a
        batch of equal rows must give equal rows.

        One forward pass of a batch measures its shape. The convolutions still return results of
        their input, so the pass runs as usual. Not for use while a CUDA graph is captured.
        """
        self._measuring = True
        try:
            yield
        finally:
            self._measuring = False

    @property
    def row_by_row(self) -> int:
        """How many pairs of convolution and input shape are computed row by row."""
        return len(self._by_row)

    def _forward(self, name: str, batched: Convolution, inputs: torch.Tensor) -> torch.Tensor:
        key = name, inputs.shape
        if self._measuring and len(inputs) > 1 and not _is_slot_invariant(batched, inputs):
            self._by_row.add(key)
        if key not in self._by_row:
            return batched(inputs)
        return torch.cat([batched(row) for row in inputs.split(1)])


def _is_slot_invariant(batched: Convolution, like: torch.Tensor) -> bool:
    """Whether equal rows give equal rows, for an input of the shape and layout of `like`."""
    generator = torch.Generator(like.device).manual_seed(_SEED)
    row = torch.randn(like[:1].shape, generator=generator, device=like.device).to(like.dtype)
    rows = torch.empty_like(like)
    rows.copy_(row.expand_as(like))
    outputs = batched(rows)
    return all(torch.equal(output, outputs[0]) for output in outputs[1:])
