"""Load models with the family that its pipeline class belongs to."""

import importlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Final

import msgspec
import torch

from engine.device import Device
from engine.device.sysinfo import free_memory
from engine.errors import EngineError
from engine.models.base import DiffusionModel, Family
from engine.models.defaults import (
    FLUX_2_KLEIN,
    IMAGE_VARIATION,
    STABLE_DIFFUSION,
    STABLE_DIFFUSION_3,
    STABLE_DIFFUSION_XL,
    Z_IMAGE,
    FamilyDefaults,
)
from engine.models.description import family_of, licence_of
from engine.models.offload_setting import is_offloaded
from engine.models.storage_setting import stored_bytes
from engine.safety import BUILTIN, Checker
from engine.weights.hub import format_bytes
from engine.weights.loras import find_loras, lora_folders
from engine.weights.model_files import ModelFiles, find_model_files
from engine.weights.sizes import loaded_bytes

_MODULES: Final = {
    STABLE_DIFFUSION.name: "stable_diffusion",
    IMAGE_VARIATION.name: "image_variation",
    STABLE_DIFFUSION_XL.name: "stable_diffusion_xl",
    STABLE_DIFFUSION_3.name: "stable_diffusion_3",
    FLUX_2_KLEIN.name: "flux_2_klein",
    Z_IMAGE.name: "z_image",
}
"""Each has a FAMILY."""
LOADING_HEADROOM: Final = 1.5
"""While a model is loaded, it needs so many times the memory of its weights."""


def _family(defaults: FamilyDefaults) -> Family:
    """The family with these defaults; no other is imported, because their pipelines take long."""
    family: Family = importlib.import_module(f"engine.models.{_MODULES[defaults.name]}").FAMILY
    return family


def load(name: str, device: Device, checkers: Sequence[str] = (BUILTIN,)) -> DiffusionModel:
    """Load the model of this name; its files are downloaded if they are missing.

    `checkers` are the names of its safety checkers: `model` for its own, and classifiers.
    Raises ModelNotFound, ModelGated, ModelCorrupt, NoSafetyChecker or MissingDependency, with a
    sentence for the operator.
    """
    return _load(name, device, partial(_load_classifiers, checkers, device), BUILTIN in checkers)


def load_all(
    names: Sequence[str], device: Device, checkers: Sequence[str] = (BUILTIN,)
) -> list[DiffusionModel]:
    """Load several models, which share their classifiers; the errors are those of `load`.

    If one of them needs several threads for a forward pass on a CPU, all get as many: the number
    of threads is a setting of the process.
    """
    classifiers = cache(partial(_load_classifiers, checkers, device))
    use_builtin = BUILTIN in checkers
    models: list[DiffusionModel] = []
    for name in names:
        _make_room(models, name)
        models.append(_load(name, device, classifiers, use_builtin))
    threads = max(model.device.threads for model in models)
    shared = replace(device, single_thread_max_work=0.0)
    models = [
        model if model.device.threads == threads else _load(name, shared, classifiers, use_builtin)
        for name, model in zip(names, models, strict=True)
    ]
    _warn_of_unused_controls(models)
    return models


def _warn_of_unused_controls(models: Sequence[DiffusionModel]) -> None:
    from engine.models.control_offer import warn_of_unused_controls

    warn_of_unused_controls(models)


def _make_room(loaded: Sequence[DiffusionModel], name: str) -> None:
    """Move the loaded models to the host if the one of this name may not fit beside them."""
    for model in loaded[-1:]:
        available = model.device.available_memory()
        files = find_model_files(name, prefer_fp16=model.device.dtype == torch.float16)
        itemsize = model.device.dtype.itemsize
        if available is not None and available < LOADING_HEADROOM * _device_bytes(files, itemsize):
            for other in loaded:
                other.to_host()
            model.device.empty_cache()


def _load(
    name: str,
    device: Device,
    load_classifiers: Callable[[], Sequence[Checker]],
    use_builtin_checker: bool,
) -> DiffusionModel:
    from engine.models.loading import model_errors

    files = find_model_files(name, prefer_fp16=device.dtype == torch.float16)
    family = _family(family_of(files))
    classifiers = load_classifiers()
    with model_errors(name):
        _check_memory(files, device)
        model = family.load(files, device, classifiers, use_builtin_checker=use_builtin_checker)
    model.card = msgspec.structs.replace(model.card, licence=licence_of(files) or "")
    model.offer_adapters(find_loras(lora_folders(files.name)))
    return model


def _check_memory(files: ModelFiles, device: Device) -> None:
    """Raise EngineError if the weights that stay in the host's memory do not fit there: the system
    would end the process without a word. On a GPU these are the offloaded ones.

    Raises one of LOAD_ERRORS for damaged files.
    """
    free = free_memory()
    if free is None:
        return
    itemsize = device.dtype.itemsize
    if device.torch_device.type == "cuda":  # of the others torch says when memory ends
        required = loaded_bytes(files, itemsize, is_offloaded)
    else:
        required = loaded_bytes(files, itemsize)
    if required > free:
        raise EngineError(
            f"There is too little memory for the model {files.name}: its weights take "
            f"{format_bytes(required)}, and {format_bytes(free)} are free. Choose a smaller model, "
            "or fewer at once."
        )


def _device_bytes(files: ModelFiles, itemsize: int) -> int:
    """The size of the weights that are loaded onto the device. Raises ModelCorrupt for damaged
    files."""
    from engine.models.loading import model_errors

    with model_errors(files.name):
        return stored_bytes(files, itemsize) - stored_bytes(files, itemsize, is_offloaded)


def _load_classifiers(checkers: Sequence[str], device: Device) -> list[Checker]:
    from engine.safety import classifiers

    return [classifiers.load(name, device) for name in checkers if name != BUILTIN]
