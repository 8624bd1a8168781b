"""Rows of a batch whose images are steered.

The images of a batch may be steered by different adapters, controls and references, or by none.
What steers an image is computed for the rows of that image alone, and added to those rows: so its
bits do not depend on the other rows, and the bits of other rows do not depend on it.
"""

from dataclasses import dataclass

from engine.steering.adapters import ImageAdapters
from engine.steering.controls import ImageControls
from engine.steering.references import ImageReferences


@dataclass(frozen=True)
class Steering:
    """What steers one image; each part may be None."""

    adapters: ImageAdapters | None = None
    controls: ImageControls | None = None
    references: ImageReferences | None = None


@dataclass(frozen=True)
class SteeredRows:
    """The rows of one steered image in a batch."""

    rows: slice
    steering: Steering
    evaluation: int
    """How many of the image's evaluations are completed."""
    evaluations: int
    """The number of its evaluations, as diffusers' `len(timesteps)`."""
