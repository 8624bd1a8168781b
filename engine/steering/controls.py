"""The ControlNets of one image."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ImageControls:
    """The ControlNets of one image."""
