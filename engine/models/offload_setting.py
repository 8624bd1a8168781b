"""Which networks IMAGINE_OFFLOAD keeps in the host's memory. Without torch."""

from enum import StrEnum
from typing import Final

from engine.models.choice_setting import read_choice
from engine.models.description import DENOISERS

VARIABLE: Final = "IMAGINE_OFFLOAD"
_TEXT_ENCODER: Final = "text_encoder"


class Offload(StrEnum):
    """Which networks stay in the host's memory."""

    NONE = "none"
    TEXT = "text"
    """The text encoders."""
    ALL = "all"
    """The denoiser too, whose blocks are moved in each forward pass."""


def configured_offload() -> Offload:
    """The value of IMAGINE_OFFLOAD. Raises UsageError, with a sentence for the operator."""
    return read_choice(VARIABLE, Offload.NONE)


def is_offloaded(name: str) -> bool:
    """Whether a pipeline's network of this name stays on the host. Raises UsageError as
    `configured_offload`."""
    offload = configured_offload()
    if name in DENOISERS:
        return offload is Offload.ALL
    return name.startswith(_TEXT_ENCODER) and offload is not Offload.NONE
