"""The LoRAs of one image."""

from dataclasses import dataclass

import torch

from engine.steering.lora_weights import LoraWeights


@dataclass(frozen=True)
class ImageAdapters:
    """The LoRAs of one image."""

    loras: tuple[tuple[LoraWeights, float], ...]
    """With their scales, in the order in which they are added."""

    def add(
        self,
        place: tuple[str, str],
        layer: torch.nn.Module,
        inputs: torch.Tensor,
        output: torch.Tensor,
    ) -> None:
        """Add what they change in the output of a layer for the image's rows.

        `place` are component and path of the layer. Both tensors are those of the image's rows
        alone; `output` is changed in place.
        """
        rows = None
        for weights, scale in self.loras:
            change = weights.layers.get(place)
            if change is not None and scale:
                if rows is None:  # in memory of its own, whose alignment is always the same
                    rows = inputs.clone()
                change.add(layer, rows, output, scale)
