"""The tiles of a Detail: parts of one init image and of one noise field."""

from collections.abc import Sequence
from typing import Final

import torch
from PIL import Image

from engine.contract import Detail, Recipe
from engine.contract.tiles import Box
from engine.imaging.blend import blend, with_colours_of
from engine.models.base import DiffusionModel
from engine.pipeline.noise import Noise
from engine.pipeline.sources import InputImages

COLOUR_SHARE: Final = 16
"""Features larger than this part of a tile keep the colours of the enlarged picture."""


class TileNoise(Noise):
    """The part of the noise of a whole picture that belongs to one tile.

    Tiles that overlap have the same noise there. Each draws the noise of the whole picture, so that
    it depends on its recipe and its place alone.
    """

    def __init__(self, recipe: Recipe, box: Box, size: tuple[int, int]) -> None:
        """`size` is that of the whole picture in pixels."""
        super().__init__(recipe)
        self._whole = Noise(recipe)
        self._box, self._size = box, size

    def seed_noise(self, shape: Sequence[int], dtype: torch.dtype) -> torch.Tensor:
        """The next noise of the seed, for this tile."""
        return self._cut(self._whole.seed_noise(self._whole_shape(shape), dtype), shape)

    def mixed_noise(self, shape: Sequence[int], dtype: torch.dtype) -> torch.Tensor:
        """The next noise of seed and subseeds, for this tile."""
        return self._cut(self._whole.mixed_noise(self._whole_shape(shape), dtype), shape)

    def _whole_shape(self, shape: Sequence[int]) -> Sequence[int]:
        side = self._latent_pixel(shape)
        width, height = self._size
        return *shape[:-2], height // side, width // side

    def _latent_pixel(self, shape: Sequence[int]) -> int:
        """The side of a latent pixel of the tile, in pixels."""
        return (self._box.right - self._box.left) // shape[-1]

    def _cut(self, noise: torch.Tensor, shape: Sequence[int]) -> torch.Tensor:
        side = self._latent_pixel(shape)
        top, left = self._box.top // side, self._box.left // side
        rows, columns = slice(top, top + shape[-2]), slice(left, left + shape[-1])
        return noise[..., rows, columns].contiguous()


class Canvas:
    """The tiles of one Detail, before and after they are painted over."""

    def __init__(self, detail: Detail, model: DiffusionModel) -> None:
        self.detail = detail
        self.model = model
        self.boxes = detail.tiles
        self.inputs = [InitTile(self, nth) for nth in range(len(self.boxes))]
        self.upscaler_fingerprint = ""
        self._picture: Image.Image | None = None
        """The enlarged picture."""
        self.is_failed = False
        """Whether one of them could not be painted."""
        self._painted: dict[int, Image.Image] = {}

    def set_picture(self, picture: Image.Image, upscaler_fingerprint: str) -> None:
        """Cut the enlarged picture into the init images of the tiles."""
        self.upscaler_fingerprint = upscaler_fingerprint
        self._picture = picture
        for tile, box in zip(self.inputs, self.boxes, strict=True):
            tile.images[self.detail.image] = picture.crop(box)

    def emptied(self) -> "Canvas":
        """A canvas of the same picture whose tiles are all to be painted; it replaces this one."""
        canvas = Canvas(self.detail, self.model)
        if self._picture is not None:
            canvas.set_picture(self._picture, self.upscaler_fingerprint)
        canvas.is_failed, self.is_failed = self.is_failed, True  # its tiles send nothing any more
        return canvas

    def add(self, nth: int, tile: Image.Image) -> Image.Image | None:
        """Add a tile that is painted; returns the whole picture after the last one."""
        self._painted[nth] = tile
        if len(self._painted) < len(self.boxes):
            return None
        whole = self.blend([self._painted[nth] for nth in range(len(self.boxes))])
        if self._picture is None:
            return whole
        return with_colours_of(self._picture, whole, self.detail.tile / COLOUR_SHARE)

    def blend(self, tiles: Sequence[Image.Image]) -> Image.Image:
        """The whole picture of these tiles, which may be smaller than in the end."""
        width = self.boxes[0].right - self.boxes[0].left
        boxes = [Box(*(edge * tiles[0].width // width for edge in box)) for box in self.boxes]
        sizes = [(box.right - box.left, box.bottom - box.top) for box in boxes]
        fitting = [tile.resize(size) for tile, size in zip(tiles, sizes, strict=True)]
        return blend(fitting, boxes)


class InitTile(InputImages):
    """The part of an enlarged picture that one tile starts from."""

    def __init__(self, canvas: Canvas, nth: int) -> None:
        super().__init__(canvas.model, canvas.detail.images)
        self.canvas = canvas
        self.nth = nth

    def noise(self, recipe: Recipe) -> Noise:
        """The random numbers of the tile."""
        return TileNoise(recipe, self.canvas.boxes[self.nth], self.canvas.detail.size)
