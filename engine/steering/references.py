"""The reference images of one image."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch


class LayerPrompt(NamedTuple):
    """An image prompt as one cross-attention layer reads it."""

    scale: float
    key: torch.Tensor
    """(rows, heads, tokens, channels), as `value`, for the rows of the image that is painted."""
    value: torch.Tensor


@dataclass(frozen=True)
class ImageReferences:
    """The reference images of one image."""

    layers: Sequence[Sequence[LayerPrompt]]
    """What each cross-attention layer of the UNet reads, in the order of `IpAdapter.layers`."""
