"""What a picture can be made by: a recipe, or an enlargement of an earlier picture."""

import math
from typing import Final, NamedTuple

import msgspec

from engine.contract.recipe import Phase, Recipe
from engine.contract.recipe_parts import (
    NEUTRAL_PROMPT,
    Backend,
    Img2Img,
    StepRounding,
    Subseed,
    check_strength,
)
from engine.contract.samplers import Sampler
from engine.contract.sizes import MAX_SIZE, SIZE_MULTIPLE
from engine.contract.steering import Reference, show_content
from engine.contract.tiles import Box, overlapping_tiles

DETAIL_SCALE: Final = 2
DETAIL_STRENGTH: Final = 0.3
SMALL_DETAIL_STRENGTH: Final = 0.05
"""For models below SMALL_NATIVE_SIZE: they know whole scenes, and paint one into each tile if they
are given more freedom."""
SMALL_NATIVE_SIZE: Final = 256
MAX_TILES: Final = 64
MIN_TILE_OVERLAP: Final = 16
"""Pixels that neighbouring tiles of a Detail share at least."""


class _Enlargement(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
):
    """An earlier picture, enlarged by an upscaler.

    It has the properties of a recipe; those that say how the earlier picture was made are those of
    its recipe. Raises ValueError, with a sentence for the user, if the scale is not allowed or the
    result would be too large.
    """

    picture: "Work"
    """How the earlier picture was made."""
    image: str
    """sha256 (hex) of the earlier picture's pixels, as `pixels_sha256`."""
    upscaler: str
    upscaler_revision: str
    """A digest of the upscaler's weights."""
    scale: int

    def __post_init__(self) -> None:
        width, height = self.picture.size
        if self.scale < 2:
            raise ValueError(f"The scale is {self.scale}; it must be at least 2.")
        if max(self.size) > MAX_SIZE:
            raise ValueError(
                f"{self.scale}x of {width} x {height} would be {self.width} x {self.height} "
                f"pixels; at most {MAX_SIZE} x {MAX_SIZE} are possible."
            )

    @property
    def recipe(self) -> Recipe:
        """The recipe of the first picture."""
        return self.picture.recipe

    @property
    def width(self) -> int:
        """Of the result, in pixels."""
        return self.picture.width * self.scale

    @property
    def height(self) -> int:
        """Of the result, in pixels."""
        return self.picture.height * self.scale

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the result in pixels."""
        return self.width, self.height

    @property
    def images(self) -> tuple[str, ...]:
        """The digest of the earlier picture."""
        return (self.image,)

    @property
    def model(self) -> str:
        """The model of the recipe."""
        return self.recipe.model

    @property
    def revision(self) -> str:
        """The revision of that model."""
        return self.recipe.revision

    @property
    def prompt(self) -> str:
        """The first prompt of the recipe."""
        return self.recipe.prompt

    @property
    def negative(self) -> str:
        """The first negative prompt of the recipe."""
        return self.recipe.negative

    @property
    def prompts(self) -> tuple[tuple[str, str], ...]:
        """The prompts that took effect, each with its negative prompt."""
        return self.recipe.prompts

    @property
    def seed(self) -> int:
        """The seed of the recipe."""
        return self.recipe.seed

    @property
    def subseeds(self) -> tuple[Subseed, ...]:
        """The subseeds of the recipe."""
        return self.recipe.subseeds

    @property
    def seed_text(self) -> str:
        """The seed and the subseeds of the recipe."""
        return self.recipe.seed_text

    @property
    def steps(self) -> int:
        """The steps of the recipe."""
        return self.recipe.steps

    @property
    def guidance(self) -> float:
        """The first guidance of the recipe."""
        return self.recipe.guidance

    @property
    def sampler(self) -> Sampler:
        """The first sampler of the recipe."""
        return self.recipe.sampler

    @property
    def uses_cfg(self) -> bool:
        """Whether the recipe uses classifier-free guidance."""
        return self.recipe.uses_cfg

    @property
    def rows(self) -> int:
        """The rows of the recipe."""
        return self.recipe.rows


class Upscale(_Enlargement, frozen=True, kw_only=True, tag=True):
    """An earlier picture, enlarged by an upscaler and nothing else."""

    @property
    def strength(self) -> float | None:
        """The strength of the recipe."""
        return self.recipe.strength

    @property
    def row_class(self) -> int:
        """The row class of the recipe."""
        return self.recipe.row_class


class Detail(_Enlargement, frozen=True, kw_only=True, tag=True):
    """An earlier picture, enlarged by an upscaler and then painted over in tiles.

    Each tile is an img2img with the last prompt and settings of the recipe, and with its LoRAs. Its
    controls are left out: their images show the whole picture, not a tile, and the lines are in the
    picture already. Raises ValueError, with a sentence for the user, if a value is not allowed.
    """

    tile: int
    """The side of a tile in pixels, a multiple of `multiple`."""
    overlap: int
    """Pixels that neighbouring tiles share at least, a multiple of `multiple`."""
    multiple: int = SIZE_MULTIPLE
    """All edges of tiles are at multiples of this number of pixels, itself one of SIZE_MULTIPLE."""
    strength: float = DETAIL_STRENGTH
    """That of the tiles: the share of the steps that are run on them."""
    rounding: StepRounding = StepRounding.DOWN
    """That of the tiles."""
    row_class: int
    """That of the tiles."""
    backend: Backend | None = None
    """That of the tiles, if it is not that of the recipe."""
    references: tuple[Reference, ...] = ()
    """Those of the tiles: all of the recipe, or none, as in earlier versions."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_strength(self.strength)
        if self.multiple < 1 or self.multiple % SIZE_MULTIPLE:
            raise ValueError(
                f"The edges of tiles are multiples of {self.multiple} pixels; they must be "
                f"multiples of {SIZE_MULTIPLE}."
            )
        if not 0 < self.overlap < self.tile or any(
            length % self.multiple for length in (self.overlap, self.tile)
        ):
            raise ValueError(
                f"Tiles of {self.tile} pixels cannot overlap by {self.overlap}: both must be "
                f"multiples of {self.multiple}, and the overlap the smaller one."
            )
        if any(length % self.multiple for length in self.size):
            raise ValueError(
                f"{self.width} x {self.height} pixels cannot be painted over in tiles: width and "
                f"height must be multiples of {self.multiple}."
            )
        if len(self.tiles) > MAX_TILES:
            raise ValueError(
                f"Adding detail to {self.width} x {self.height} pixels takes {len(self.tiles)} "
                f"tiles with this model; at most {MAX_TILES} are possible."
            )
        self.tile_recipe()  # raises ValueError for values that no recipe can have

    @property
    def images(self) -> tuple[str, ...]:
        """The digests of the earlier picture and of the references of the tiles."""
        return (self.image, *input_images(self))

    @property
    def tiles(self) -> tuple[Box, ...]:
        """The parts of the result that are painted."""
        return overlapping_tiles(self.width, self.height, self.tile, self.overlap, self.multiple)

    @property
    def rows(self) -> int:
        """Rows of one tile in each forward pass."""
        return self.tile_recipe().rows

    def tile_recipe(self) -> Recipe:
        """The recipe of each tile; what differs between them is their place in noise and image."""
        phase: Phase = self.recipe.phases[-1]
        has_content = show_content((), self.references)
        return Recipe(
            model=self.model,
            revision=self.revision,
            prompt=phase.prompt if has_content else phase.prompt or NEUTRAL_PROMPT,
            negative=phase.negative,
            prompt_format=self.recipe.prompt_format,
            clip_skip=self.recipe.clip_skip,
            negative_clip_skip=self.recipe.negative_clip_skip,
            embeddings=self.recipe.embeddings,
            seed=self.seed,
            subseeds=self.subseeds,
            steps=self.steps,
            guidance=phase.guidance,
            guidance_embedding=phase.guidance_embedding,
            sampler=phase.sampler,
            width=min(self.tile, self.width),
            height=min(self.tile, self.height),
            source=Img2Img(self.image, self.strength, self.rounding),
            references=self.references,
            adapters=self.recipe.adapters,
            backend=self.recipe.backend if self.backend is None else self.backend,
            row_class=self.row_class,
        )


Work = Recipe | Upscale | Detail


def input_images(work: Work) -> tuple[str, ...]:
    """The digests of its input images but for the picture that an enlargement enlarges."""
    if isinstance(work, Recipe):
        return work.images
    if isinstance(work, Detail):
        return tuple(dict.fromkeys(reference.image for reference in work.references))
    return ()


def with_row_class(work: Work, row_class: int, backend: Backend | None = None) -> Work:
    """The work with this row class, and with this backend, if one is given; an Upscale has neither
    of its own."""
    if isinstance(work, Upscale):
        return work
    work = msgspec.structs.replace(work, row_class=row_class)
    if backend is None:
        return work
    if isinstance(work, Detail) and backend is work.recipe.backend:
        return msgspec.structs.replace(work, backend=None)
    return msgspec.structs.replace(work, backend=backend)


class Tiling(NamedTuple):
    """The fields of a Detail that say where its tiles are."""

    tile: int
    overlap: int
    multiple: int


def tiling(native_size: int, size_multiple: int = SIZE_MULTIPLE) -> Tiling:
    """The tiles of a Detail for a model of this native size, whose pictures have widths and heights
    that are multiples of `size_multiple`."""
    multiple = math.lcm(SIZE_MULTIPLE, size_multiple)
    side = native_size // multiple * multiple
    smallest = -(-MIN_TILE_OVERLAP // multiple) * multiple
    return Tiling(side, max(smallest, side // 4 // multiple * multiple), multiple)


def detail_strength(
    native_size: int, steps: int, rounding: StepRounding = StepRounding.DOWN
) -> float:
    """The default strength of a Detail for a model of this native size: at least one of the steps
    is run."""
    strength = SMALL_DETAIL_STRENGTH if native_size < SMALL_NATIVE_SIZE else DETAIL_STRENGTH
    return max(strength, rounding.smallest_strength(steps))
