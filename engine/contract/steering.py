"""What steers a picture beside its prompts: images, masks of lines, and added weights."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

import msgspec

MAX_CONTROLS: Final = 4
MAX_REFERENCES: Final = 5
MAX_ADAPTERS: Final = 8
MAX_SCALE: Final = 2.0
"""Of controls and references."""
MAX_ADAPTER_SCALE: Final = 4.0
"""Of adapters, in both directions: a negative scale takes away what the adapter adds."""


class ReferenceRole(StrEnum):
    """What a reference image determines."""

    LIKE = "like"
    """Content and style: all attention layers see the image (IP-Adapter)."""
    STYLE = "style"
    """Style and colours alone: only the layers that InstantStyle (https://arxiv.org/abs/2404.02733)
    names see the image."""
    BLEND = "blend"
    """One of several images whose embeddings are mixed into one. Their scales are the shares; their
    sum up to 1, or the largest one if it is above 1, is the scale of the mixture."""


class Preprocessor(StrEnum):
    """How the engine makes the control image of an input image."""

    NONE = "none"
    """The input image is the control image."""
    SCRIBBLE = "scribble"
    """White lines on black: the lines of a drawing on a light or dark ground."""
    EDGES = "edges"
    """White lines on black: the edges in a picture."""


class Reference(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """An image that is part of the prompt.

    Raises ValueError, with a sentence for the user, if the scale is not allowed.
    """

    image: str
    """sha256 (hex) of the image's PNG (diffusers: `ip_adapter_image`)."""
    role: ReferenceRole = ReferenceRole.LIKE
    scale: float = 1.0
    """diffusers: `set_ip_adapter_scale`."""
    adapter: str = ""
    """The name of the IP-Adapter; empty for a model whose own prompt is an image."""
    revision: str = ""
    """A digest of the IP-Adapter's files."""

    def __post_init__(self) -> None:
        check_scale("reference", self.scale)


class Control(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """An image that determines the composition, by a ControlNet or a T2I-Adapter.

    Raises ValueError, with a sentence for the user, if a value is not allowed.
    """

    kind: str
    """What the image shows: `scribble`, `canny`, `depth`, …, as in IMAGINE_CONTROLS."""
    revision: str
    """A digest of the network's files."""
    image: str
    """sha256 (hex) of the image's PNG (diffusers: `image` or `control_image`)."""
    preprocessor: Preprocessor = Preprocessor.NONE
    scale: float = 1.0
    """diffusers: `controlnet_conditioning_scale` or `adapter_conditioning_scale`."""
    start: float = 0.0
    """The share of the steps after which it begins to act (diffusers: `control_guidance_start`)."""
    end: float = 1.0
    """The share of the steps after which it does not act any more (`control_guidance_end`)."""

    def __post_init__(self) -> None:
        check_scale("control", self.scale)
        if not 0.0 <= self.start < self.end <= 1.0:  # NaN fails this too
            raise ValueError(
                f"The control {self.kind} acts from {self.start:g} to {self.end:g} of the steps; "
                "the start must be below the end, both from 0 to 1."
            )


class Adapter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Weights of low rank that are added to the model's (LoRA, https://arxiv.org/abs/2106.09685).

    Raises ValueError, with a sentence for the user, if the scale is not allowed.
    """

    name: str
    """As in the folder IMAGINE_LORAS, without the file's extension."""
    revision: str
    """The sha256 (hex) of its file."""
    scale: float = 1.0
    """diffusers: `adapter_weights` of `set_adapters`."""

    def __post_init__(self) -> None:
        if not abs(self.scale) <= MAX_ADAPTER_SCALE:  # NaN fails this too
            raise ValueError(
                f"The scale of the LoRA {self.name} is {self.scale:g}; it must be "
                f"-{MAX_ADAPTER_SCALE:g} to {MAX_ADAPTER_SCALE:g}."
            )


class AdapterCard(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A LoRA that fits a model."""

    name: str
    revision: str
    triggers: tuple[str, ...] = ()
    """Words that its author says to use in the prompt."""
    data_sha256: str = ""
    """The sha256 (hex) of its file without the header, by which AUTOMATIC1111's web UI names it."""


class ControlCard(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A ControlNet or a T2I-Adapter that fits a model."""

    kind: str
    revision: str
    preprocessors: tuple[Preprocessor, ...] = (Preprocessor.NONE,)
    """Those that make its control image, the one for sketches first."""


class ImageAdapterCard(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An IP-Adapter that fits a model, or the image encoder of a model whose prompt is an image."""

    name: str = ""
    """Empty for a model whose own prompt is an image; each of its recipes has one reference."""
    revision: str = ""
    roles: tuple[ReferenceRole, ...] = (ReferenceRole.LIKE,)


def is_steered(
    adapters: Sequence[Adapter], controls: Sequence[Control], references: Sequence[Reference]
) -> bool:
    """Whether any of these changes what a network computes; an image that is the model's own prompt
    does not."""
    return bool(adapters or controls or any(reference.adapter for reference in references))


def show_content(controls: Sequence[Control], references: Sequence[Reference]) -> bool:
    """Whether an image says what to paint, so that the prompt may be empty."""
    return any(control.scale for control in controls) or any(
        reference.scale and reference.role is not ReferenceRole.STYLE for reference in references
    )


def check_scale(name: str, scale: float) -> None:
    """Raise ValueError, with a sentence for the user, unless 0 <= scale <= MAX_SCALE."""
    if not 0.0 <= scale <= MAX_SCALE:  # NaN fails this too
        raise ValueError(f"The scale of the {name} is {scale:g}; it must be 0 to {MAX_SCALE:g}.")
