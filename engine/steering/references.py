"""The reference images of one image."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ImageReferences:
    """The reference images of one image."""
