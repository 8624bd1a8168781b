"""How the weights of a denoiser are stored, by IMAGINE_WEIGHTS. Without torch."""

from collections.abc import Callable
from enum import StrEnum
from typing import Final

from engine.models.choice_setting import read_choice
from engine.models.description import DENOISERS
from engine.weights.model_files import ModelFiles
from engine.weights.sizes import loaded_bytes

VARIABLE: Final = "IMAGINE_WEIGHTS"


class Storage(StrEnum):
    """How a denoiser's weights are stored."""

    FULL = "full"
    """In the precision in which they compute."""
    FLOAT8 = "float8"
    """In 8 bits."""


def configured_storage() -> Storage:
    """The value of IMAGINE_WEIGHTS. Raises UsageError, with a sentence for the operator."""
    return read_choice(VARIABLE, Storage.FULL)


def stored_bytes(
    files: ModelFiles, itemsize: int, is_counted: Callable[[str], bool] = lambda _: True
) -> int:
    """The bytes in memory of the components for which `is_counted` is true, once a model that
    computes with `itemsize` bytes is loaded.

    Raises UsageError as `configured_storage`, and SafetensorError or OSError for damaged files.
    """

    def is_small(component: str) -> bool:
        return component in DENOISERS and configured_storage() is Storage.FLOAT8

    return loaded_bytes(
        files, itemsize, lambda component: is_counted(component) and not is_small(component)
    ) + loaded_bytes(files, 1, lambda component: is_counted(component) and is_small(component))
