"""The LoRAs of one image."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ImageAdapters:
    """The LoRAs of one image."""
