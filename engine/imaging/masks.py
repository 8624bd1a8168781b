"""Masks: white where an image is painted over, black where it is kept."""

from typing import Final

from PIL import Image

from engine.contract.images.fit import resize_and_crop

THRESHOLD: Final = 128
"""Latents are painted from this level of the mask on, as in diffusers' pipelines."""

EMPTY_MASK: Final = "The mask is empty: make the parts white that are to be painted."


def fit_mask(mask: Image.Image, width: int, height: int) -> Image.Image:
    """The mask in levels of grey at exactly this size, resized and cropped as its init image.

    The filter has no negative lobes, which would make faint rings around the edges of a mask.
    """
    return resize_and_crop(mask.convert("L"), width, height, Image.Resampling.BILINEAR)


def is_empty(mask: Image.Image) -> bool:
    """Whether nothing is painted."""
    _, brightest = mask.getextrema()
    return int(brightest) < THRESHOLD  # type: ignore[arg-type] # it is that of one band
