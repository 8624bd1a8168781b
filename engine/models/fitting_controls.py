"""The controls that fit a model which is not loaded."""

import contextlib
from collections.abc import Iterator

import torch
from diffusers import UNet2DConditionModel

from engine.errors import EngineError
from engine.models.control_fit import misfit
from engine.models.description import family_of, read_config
from engine.weights.controls import ControlFiles, configured_pairs, find_control
from engine.weights.model_files import ModelFiles


def fitting_controls(files: ModelFiles) -> tuple[str, ...]:
    """The kinds of the configured controls that fit, without those that are damaged or not on this
    machine.

    Raises UsageError if the setting is invalid, or one of LOAD_ERRORS if the model's configs are
    damaged.
    """
    pairs = configured_pairs(files.name)
    if not pairs or family_of(files).denoiser != UNet2DConditionModel.__name__:
        return ()
    with torch.device("meta"):  # layers without weights
        unet = UNet2DConditionModel.from_config(read_config(files, "unet")).config
    scale_factor = 2 ** (len(read_config(files, "vae")["block_out_channels"]) - 1)
    controls = [control for control in _found(pairs) if not misfit(control, unet, scale_factor)]
    return tuple(dict.fromkeys(control.kind for control in controls))


def _found(pairs: list[tuple[str, str]]) -> Iterator[ControlFiles]:
    for kind, name in pairs:
        with contextlib.suppress(EngineError):
            yield find_control(kind, name, download=False)
