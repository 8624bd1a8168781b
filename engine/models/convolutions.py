"""Convolutions whose result does not depend on the slot of a row in its batch.

For some shapes cuDNN selects kernels that split the sums of output tiles differently, so that the
same row has other bits in another slot of the batch. On an H200 with float16 weights, this affects
1 to 14 of the 98 convolutions of Stable Diffusion 1.5's UNet, depending on the shape of the batch,
and no other operation. These convolutions are computed row by row, all others as a batch.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final

import torch

_SEED: Final = 21

Convolution = Callable[[torch.Tensor], torch.Tensor]


class SlotInvariantConvolutions:
    """Wraps the convolutions of a network; before `measure`, all of them compute whole batches."""

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
        """In the block, test each convolution that is called: equal rows must give equal results.

        The results for the input shape are stored, so one forward pass in the block tests a batch
        shape. The convolutions return their usual results. Must not be active while a CUDA graph is
        captured.
        """
        self._measuring = True
        try:
            yield
        finally:
            self._measuring = False

    @property
    def row_by_row(self) -> int:
        """Number of pairs of a convolution and an input shape that are computed row by row."""
        return len(self._by_row)

    def _forward(self, name: str, batched: Convolution, inputs: torch.Tensor) -> torch.Tensor:
        key = name, inputs.shape
        if self._measuring and len(inputs) > 1 and not _is_slot_invariant(batched, inputs):
            self._by_row.add(key)
        if key not in self._by_row:
            return batched(inputs)
        return torch.cat([batched(row) for row in inputs.split(1)])


def _is_slot_invariant(batched: Convolution, like: torch.Tensor) -> bool:
    """Whether equal rows give equal results, for an input of the shape and layout of `like`."""
    generator = torch.Generator(like.device).manual_seed(_SEED)
    row = torch.randn(like[:1].shape, generator=generator, device=like.device).to(like.dtype)
    rows = torch.empty_like(like)
    rows.copy_(row.expand_as(like))
    outputs = batched(rows)
    return all(torch.equal(output, outputs[0]) for output in outputs[1:])
