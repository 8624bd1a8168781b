"""The recipe: everything that determines one picture."""

import math
from typing import Final

import msgspec

from engine.contract.samplers import Sampler

PROMPT_LIMIT: Final = 1000
"""Characters in a prompt or a negative prompt."""
STEPS_LIMIT: Final = 150
GUIDANCE_LIMIT: Final = 30.0
SEED_LIMIT: Final = 2**32
"""Seeds run from 0 to SEED_LIMIT - 1, as in the interfaces that people know."""
SIZE_STEP: Final = 8
"""Widths and heights are multiples of it: one latent pixel stands for 8 x 8 pixels."""
SIZE_SMALLEST: Final = 64
SIZE_LARGEST: Final = 2048
ROW_CLASSES: Final = (2, 4, 8, 16, 32)
"""Rows in a denoising batch. The shape of a batch changes bits, so it belongs to the recipe."""


class Recipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that fixes one picture.

    Raises ValueError, with a sentence for the person, if a value is impossible.
    """

    model: str
    """What IMAGINE_MODEL said: `starter`, a folder or a hub id."""
    revision: str
    """Which weights: a digest of the model's files, or the hub's commit."""
    prompt: str
    negative: str = ""
    seed: int
    subseed: int = 0
    subseed_strength: float = 0.0
    """0 paints the seed's noise, 1 the subseed's, in between a spherical mixture."""
    steps: int
    guidance: float
    """Classifier-free guidance; 1 or less switches it off, and halves the rows."""
    sampler: Sampler
    width: int
    height: int
    source: str | None = None
    """sha256 (hex) of the PNG that img2img starts from, or None for txt2img."""
    strength: float | None = None
    """How much of the source is painted over, above 0 to 1; None for txt2img."""
    adapters: tuple[str, ...] = ()
    row_class: int

    def __post_init__(self) -> None:
        self._check_words()
        self._check_numbers()
        self._check_source()

    def _check_words(self) -> None:
        if not self.prompt.strip():
            raise ValueError("The prompt is empty. Say in a few words what you want to see.")
        for what, text in (("prompt", self.prompt), ("negative prompt", self.negative)):
            if len(text) > PROMPT_LIMIT:
                raise ValueError(
                    f"The {what} has {len(text)} characters; {PROMPT_LIMIT} are allowed."
                )

    def _check_numbers(self) -> None:
        for what, seed in (("seed", self.seed), ("subseed", self.subseed)):
            if not 0 <= seed < SEED_LIMIT:
                raise ValueError(f"The {what} is {seed}; it must be 0 to {SEED_LIMIT - 1}.")
        _within("subseed strength", self.subseed_strength, 0.0, 1.0)
        if not 1 <= self.steps <= STEPS_LIMIT:
            raise ValueError(f"Steps is {self.steps}; it must be 1 to {STEPS_LIMIT}.")
        _within("guidance", self.guidance, 0.0, GUIDANCE_LIMIT)
        for what, size in (("width", self.width), ("height", self.height)):
            check_size(what, size)
        if self.row_class not in ROW_CLASSES:
            raise ValueError(f"The row class is {self.row_class}; it must be one of {ROW_CLASSES}.")

    def _check_source(self) -> None:
        if (self.source is None) != (self.strength is None):
            raise ValueError("A sketch and its strength go together: give both or neither.")
        if self.strength is None:
            return
        check_strength(self.strength)
        if int(self.steps * self.strength) < 1:
            smallest = math.ceil(1000 / self.steps) / 1000
            raise ValueError(
                f"A strength of {self.strength:g} leaves nothing to paint in {self.steps} steps; "
                f"the smallest is {smallest:g}."
            )

    @property
    def guided(self) -> bool:
        """Does this picture need two rows, with and without its prompt?"""
        return self.guidance > 1.0

    @property
    def rows(self) -> int:
        """Rows of this picture in each forward pass: with its prompt, and without if guided."""
        return 2 if self.guided else 1


def _within(what: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:  # NaN fails this too
        raise ValueError(f"The {what} is {value:g}; it must be {low:g} to {high:g}.")


def check_size(what: str, size: int) -> None:
    """Raise ValueError, in words for the person, unless a model can paint this many pixels."""
    if size % SIZE_STEP or not SIZE_SMALLEST <= size <= SIZE_LARGEST:
        raise ValueError(
            f"The {what} is {size}; it must be a multiple of {SIZE_STEP} "
            f"from {SIZE_SMALLEST} to {SIZE_LARGEST}."
        )


def check_strength(strength: float) -> None:
    """Raise ValueError, in words for the person, unless 0 < strength <= 1."""
    if not 0.0 < strength <= 1.0:
        raise ValueError(f"The strength is {strength:g}; it must be above 0 and at most 1.")


def size_for(ratio: float, native: int) -> tuple[int, int]:
    """Width and height in pixels of about `native` x `native` area with this width / height.

    Both are multiples of SIZE_STEP; a ratio beyond 1:4 or 4:1 is drawn in to it.
    """
    ratio = min(max(ratio, 0.25), 4.0)
    return _snap(native * math.sqrt(ratio)), _snap(native / math.sqrt(ratio))


def size_for_sketch(width: int, height: int, native: int) -> tuple[int, int]:
    """The size to paint a sketch at: its own if the model is at home there, else its aspect."""
    own = _snap(width), _snap(height)
    at_home = native * native / 2 <= width * height <= native * native * 3 / 2
    return own if at_home and max(own) <= 2 * native else size_for(width / height, native)


def _snap(pixels: float) -> int:
    steps = round(pixels / SIZE_STEP) * SIZE_STEP
    return min(max(steps, SIZE_SMALLEST), SIZE_LARGEST)
