"""The parts of a recipe: noise sources, changes, sources, and embeddings."""

import math
from enum import StrEnum
from typing import ClassVar, Final

import msgspec

from engine.contract.samplers import Sampler

MAX_PROMPT_CHARS: Final = 1000
"""Characters in a prompt or a negative prompt."""
MAX_GUIDANCE: Final = 30.0
NEUTRAL_PROMPT: Final = "a picture"
"""Says nothing about what is in a picture."""
OUTPAINT_STRENGTH: Final = 0.8
"""With more, small models forget the colours around a small image, such as those of the sky."""
SEED_LIMIT: Final = 2**32
"""Seeds run from 0 to SEED_LIMIT - 1, as in AUTOMATIC1111's web UI."""


class PromptFormat(StrEnum):
    """How the prompts of a recipe are read."""

    PLAIN = "plain"
    """All of it is words; what the text encoder cannot take at once is left out."""
    A1111 = "a1111"
    """With weights and breaks (`prompt_weights`), in as many chunks as it needs, up to 8."""


class Backend(StrEnum):
    """What runs the networks of a picture. Each gives bits of its own."""

    TORCH = "torch"
    OPENVINO = "openvino"
    """Intel's OpenVINO on a CPU (https://docs.openvino.ai), in float32."""
    OPENVINO_BF16 = "openvino-bf16"
    """The same with the denoiser in bfloat16, for CPUs that multiply matrices of it."""


class StepRounding(StrEnum):
    """How `steps` times strength becomes a number of steps. diffusers' img2img pipelines differ."""

    DOWN = "down"
    """Those of Stable Diffusion 1, 2 and XL."""
    UP = "up"
    """Those of models with flow matching."""

    def executed_steps(self, steps: int, strength: float) -> int:
        """The steps that are run on an init image, as `get_timesteps` of those pipelines says.

        They round in floating point: UP takes 15 of 25 steps for a strength of 0.56.
        """
        if self is StepRounding.DOWN:
            return min(int(steps * strength), steps)
        return steps - int(max(steps - min(steps * strength, steps), 0))

    def smallest_strength(self, steps: int) -> float:
        """The smallest strength in thousandths with which at least one of the steps is run."""
        return math.ceil(1000 / steps) / 1000 if self is StepRounding.DOWN else 0.001


class Subseed(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Noise that is mixed into the initial noise.

    Raises ValueError, with a sentence for the user, if a value is not allowed.
    """

    seed: int
    share: float
    """Position between the noise so far (0) and that of `seed` (1), interpolated spherically; above
    0 and at most 1."""

    def __post_init__(self) -> None:
        check_seed("subseed", self.seed)
        if not 0.0 < self.share <= 1.0:  # NaN fails this too
            raise ValueError(
                f"The subseed strength is {self.share:g}; it must be above 0 and at most 1."
            )


class Change(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """Settings that replace those before them from a step on; None leaves a setting as it is.

    Raises ValueError, with a sentence for the user, if a value is not allowed.
    """

    step: int
    """The number of completed sampler steps at which the change takes effect, at least 1."""
    prompt: str | None = None
    negative: str | None = None
    guidance: float | None = None
    sampler: Sampler | None = None

    def __post_init__(self) -> None:
        if self.step < 1:
            raise ValueError(f"A change is at step {self.step}; the first possible step is 1.")
        if self.prompt is not None:
            check_length("prompt", self.prompt)
        if self.negative is not None:
            check_length("negative prompt", self.negative)
        if self.guidance is not None:
            check_range("guidance", self.guidance, 0.0, MAX_GUIDANCE)
        if (self.prompt, self.negative, self.guidance, self.sampler) == (None,) * 4:
            raise ValueError(f"The change at step {self.step} changes nothing.")


class Txt2Img(msgspec.Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    """The image starts as noise."""

    strength: ClassVar[None] = None
    images: ClassVar[tuple[str, ...]] = ()

    def executed_steps(self, steps: int) -> int:
        """All of the steps."""
        return steps


class Img2Img(
    msgspec.Struct, frozen=True, tag=True, omit_defaults=True, forbid_unknown_fields=True
):
    """The image starts as an init image with noise.

    Raises ValueError, with a sentence for the user, if the strength is not allowed.
    """

    image: str
    """sha256 (hex) of the init image's PNG (diffusers: `image`)."""
    strength: float
    """diffusers: `strength`. Share of the steps that are run on the init image, above 0 and at most
    1."""
    rounding: StepRounding = StepRounding.DOWN

    def __post_init__(self) -> None:
        check_strength(self.strength)

    def executed_steps(self, steps: int) -> int:
        """How many of the steps are run."""
        return self.rounding.executed_steps(steps, self.strength)

    @property
    def images(self) -> tuple[str, ...]:
        """The digests of its images."""
        return (self.image,)


class Inpaint(
    msgspec.Struct, frozen=True, tag=True, omit_defaults=True, forbid_unknown_fields=True
):
    """The white parts of a mask are painted over in an init image.

    Raises ValueError, with a sentence for the user, if the strength is not allowed.
    """

    image: str
    mask: str
    """sha256 (hex) of the mask's PNG (diffusers: `mask_image`)."""
    strength: float
    rounding: StepRounding = StepRounding.DOWN

    def __post_init__(self) -> None:
        check_strength(self.strength)

    def executed_steps(self, steps: int) -> int:
        """How many of the steps are run."""
        return self.rounding.executed_steps(steps, self.strength)

    @property
    def images(self) -> tuple[str, ...]:
        """The digests of its images."""
        return (self.image, self.mask)


class Edit(msgspec.Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    """An image is edited by an instruction (InstructPix2Pix, https://arxiv.org/abs/2211.09800).

    Raises ValueError, with a sentence for the user, if the image guidance is not allowed.
    """

    strength: ClassVar[None] = None
    image: str
    image_guidance: float
    """diffusers: `image_guidance_scale`. Below 1 there is no classifier-free guidance, neither for
    the image nor for the prompt."""

    def __post_init__(self) -> None:
        check_range("image guidance", self.image_guidance, 0.0, MAX_GUIDANCE)

    def executed_steps(self, steps: int) -> int:
        """All of the steps."""
        return steps

    @property
    def images(self) -> tuple[str, ...]:
        """The digests of its images."""
        return (self.image,)


class Outpaint(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    tag=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
):
    """An image is put on a larger canvas, and the rest of the canvas is painted.

    Raises ValueError, with a sentence for the user, if a value is not allowed.
    """

    image: str
    left: int
    """Of the image on the canvas, in pixels, as `top`."""
    top: int
    width: int
    """Of the image on the canvas, in pixels: the image is resized to this."""
    height: int
    strength: float = OUTPAINT_STRENGTH
    """That of the rest of the canvas."""
    rounding: StepRounding = StepRounding.DOWN

    def __post_init__(self) -> None:
        check_strength(self.strength)
        if min(self.left, self.top) < 0 or min(self.width, self.height) < 1:
            raise ValueError(
                f"The image on the canvas has {self.width} x {self.height} pixels at "
                f"{self.left}, {self.top}; it must lie on the canvas."
            )

    def executed_steps(self, steps: int) -> int:
        """How many of the steps are run."""
        return self.rounding.executed_steps(steps, self.strength)

    @property
    def images(self) -> tuple[str, ...]:
        """The digests of its images."""
        return (self.image,)


Source = Txt2Img | Img2Img | Inpaint | Outpaint | Edit


def short_revision(revision: str, chars: int = 12) -> str:
    """The beginning of a revision, for people to read.

    For a checkpoint, it is followed by the beginning of the digest of its configuration.
    """
    weights, dash, configuration = revision.partition("-")
    return weights[:chars] + dash + configuration[:chars]


class Embedding(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Vectors in place of a word of the prompts (textual inversion)."""

    name: str
    sha256: str
    """Of its file, in hex."""


def check_prompt(prompt: str, *, may_be_empty: bool = False) -> None:
    """Raise ValueError, with a sentence for the user, unless this prompt is allowed."""
    if not prompt.strip() and not may_be_empty:
        raise ValueError("The prompt is empty. Say in a few words what you want to see.")
    check_length("prompt", prompt)


def check_length(name: str, text: str) -> None:
    """Raise ValueError, with a sentence for the user, if a prompt of this name is too long."""
    if len(text) > MAX_PROMPT_CHARS:
        raise ValueError(
            f"The {name} has {len(text)} characters; at most {MAX_PROMPT_CHARS} are allowed."
        )


def check_seed(name: str, seed: int) -> None:
    """Raise ValueError, with a sentence for the user, unless this seed is allowed."""
    if not 0 <= seed < SEED_LIMIT:
        raise ValueError(f"The {name} is {seed}; it must be 0 to {SEED_LIMIT - 1}.")


def check_range(name: str, value: float, low: float, high: float) -> None:
    """Raise ValueError, with a sentence for the user, unless low <= value <= high."""
    if not low <= value <= high:  # NaN fails this too
        raise ValueError(f"The {name} is {value:g}; it must be {low:g} to {high:g}.")


def check_strength(strength: float) -> None:
    """Raise ValueError, with a sentence for the user, unless 0 < strength <= 1."""
    if not 0.0 < strength <= 1.0:
        raise ValueError(f"The strength is {strength:g}; it must be above 0 and at most 1.")
