"""The recipe: everything that determines one picture."""

import math
from typing import Final

import msgspec

from engine.contract.samplers import Sampler

MAX_PROMPT_CHARS: Final = 1000
"""Characters in a prompt or a negative prompt."""
MAX_STEPS: Final = 150
MAX_GUIDANCE: Final = 30.0
RANDOM_SEED: Final = -1
"""Stands for any seed in requests, as in other programs; no recipe has it."""
SEED_LIMIT: Final = 2**32
"""Seeds run from 0 to SEED_LIMIT - 1, as in AUTOMATIC1111's web UI."""
SIZE_MULTIPLE: Final = 8
"""Widths and heights must be multiples of this: one latent pixel covers 8 x 8 pixels."""
MIN_SIZE: Final = 64
MAX_SIZE: Final = 2048
ROW_CLASSES: Final = (2, 4, 8, 16, 32)
"""Allowed numbers of rows in a denoising batch. The batch size changes the bits of a picture, so it
is part of the recipe."""

INITIAL_SECONDS_PER_PIXEL: Final = 1e-6
"""Estimated cost of a pixel of a row in one forward pass, before anything was measured."""


class Recipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that determines one picture.

    Raises ValueError, with a sentence for the user, if a value is not allowed. The docstring of a
    field says what diffusers' pipelines call it, if they have another name.
    """

    model: str
    """As in IMAGINE_MODEL: `starter`, a folder or a hub id."""
    revision: str
    """Of the weights: a digest of the model's files, or the hub's commit."""
    prompt: str
    negative: str = ""
    """diffusers: `negative_prompt`."""
    seed: int
    """diffusers: the seed of `generator`."""
    subseed: int = 0
    subseed_strength: float = 0.0
    """Position between the noise of the seed (0) and that of the subseed (1), interpolated
    spherically."""
    steps: int
    """diffusers: `num_inference_steps`."""
    guidance: float
    """diffusers: `guidance_scale`. Classifier-free guidance is off at 1 and below, which halves
    the rows."""
    sampler: Sampler
    """diffusers: the class and options of `scheduler`."""
    width: int
    height: int
    source: str | None = None
    """sha256 (hex) of the init image's PNG (diffusers: `image`), or None for txt2img."""
    strength: float | None = None
    """diffusers: `strength`. Share of the steps that are run on the init image, above 0 and at most
    1; None for txt2img."""
    adapters: tuple[str, ...] = ()
    row_class: int
    """Padded batch size at which the picture is computed, one of ROW_CLASSES; compare vLLM's
    `cudagraph_capture_sizes` and TensorFlow Serving's `allowed_batch_sizes`."""

    def __post_init__(self) -> None:
        self._check_texts()
        self._check_numbers()
        self._check_source()

    def _check_texts(self) -> None:
        if not self.prompt.strip():
            raise ValueError("The prompt is empty. Say in a few words what you want to see.")
        for name, text in (("prompt", self.prompt), ("negative prompt", self.negative)):
            if len(text) > MAX_PROMPT_CHARS:
                raise ValueError(
                    f"The {name} has {len(text)} characters; at most {MAX_PROMPT_CHARS} are "
                    "allowed."
                )

    def _check_numbers(self) -> None:
        for name, seed in (("seed", self.seed), ("subseed", self.subseed)):
            if not 0 <= seed < SEED_LIMIT:
                raise ValueError(f"The {name} is {seed}; it must be 0 to {SEED_LIMIT - 1}.")
        _check_range("subseed strength", self.subseed_strength, 0.0, 1.0)
        if not 1 <= self.steps <= MAX_STEPS:
            raise ValueError(f"Steps is {self.steps}; it must be 1 to {MAX_STEPS}.")
        _check_range("guidance", self.guidance, 0.0, MAX_GUIDANCE)
        for name, size in (("width", self.width), ("height", self.height)):
            check_size(name, size)
        if self.row_class not in ROW_CLASSES:
            raise ValueError(f"The row class is {self.row_class}; it must be one of {ROW_CLASSES}.")

    def _check_source(self) -> None:
        if (self.source is None) != (self.strength is None):
            raise ValueError("A sketch and its strength must be given together.")
        if self.strength is None:
            return
        check_strength(self.strength)
        if int(self.steps * self.strength) < 1:
            smallest = math.ceil(1000 / self.steps) / 1000
            raise ValueError(
                f"With a strength of {self.strength:g}, none of the {self.steps} steps would run; "
                f"the strength must be at least {smallest:g}."
            )

    @property
    def uses_cfg(self) -> bool:
        """Whether classifier-free guidance is on, as diffusers' `do_classifier_free_guidance`."""
        return self.guidance > 1.0

    @property
    def rows(self) -> int:
        """Rows of this picture in each forward pass: 2 with classifier-free guidance, else 1."""
        return 2 if self.uses_cfg else 1

    def with_seed(self, seed: int) -> "Recipe":
        """The recipe with this seed modulo SEED_LIMIT."""
        return msgspec.structs.replace(self, seed=seed % SEED_LIMIT)

    @property
    def seed_text(self) -> str:
        """The seed, or both seeds and the share of the second: `7`, `7 + 0.15 of 3`."""
        if self.subseed_strength == 0.0:
            return str(self.seed)
        return f"{self.seed} + {self.subseed_strength:g} of {self.subseed}"

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.width, self.height


def _check_range(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:  # NaN fails this too
        raise ValueError(f"The {name} is {value:g}; it must be {low:g} to {high:g}.")


def check_size(name: str, size: int) -> None:
    """Raise ValueError, with a sentence for the user, unless this width or height is allowed."""
    if size % SIZE_MULTIPLE or not MIN_SIZE <= size <= MAX_SIZE:
        raise ValueError(
            f"The {name} is {size}; it must be a multiple of {SIZE_MULTIPLE} "
            f"from {MIN_SIZE} to {MAX_SIZE}."
        )


def check_strength(strength: float) -> None:
    """Raise ValueError, with a sentence for the user, unless 0 < strength <= 1."""
    if not 0.0 < strength <= 1.0:
        raise ValueError(f"The strength is {strength:g}; it must be above 0 and at most 1.")


def size_for_aspect(aspect_ratio: float, native_size: int) -> tuple[int, int]:
    """Width and height in pixels with this aspect ratio and an area of about native_size squared.

    Both are multiples of SIZE_MULTIPLE; the ratio is clamped to 1:4 and 4:1.
    """
    aspect_ratio = min(max(aspect_ratio, 0.25), 4.0)
    return _snap(native_size * math.sqrt(aspect_ratio)), _snap(
        native_size / math.sqrt(aspect_ratio)
    )


def size_for_init_image(width: int, height: int, native_size: int) -> tuple[int, int]:
    """The width and height in pixels at which to paint over an init image.

    If the image's area is near the native one, its own size, rounded to SIZE_MULTIPLE; else a size
    of its aspect ratio with the native area.
    """
    size = _snap(width), _snap(height)
    native_area = native_size**2
    is_near = native_area / 2 <= width * height <= native_area * 3 / 2
    if is_near and max(size) <= 2 * native_size:
        return size
    return size_for_aspect(width / height, native_size)


def _snap(pixels: float) -> int:
    multiple = round(pixels / SIZE_MULTIPLE) * SIZE_MULTIPLE
    return min(max(multiple, MIN_SIZE), MAX_SIZE)
