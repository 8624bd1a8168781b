"""Load a model with the family that its pipeline class belongs to."""

from collections.abc import Sequence

import torch

from engine.device import Device
from engine.errors import ModelCorrupt
from engine.models.base import DiffusionModel, Family
from engine.safety import BUILTIN, Checker
from engine.weights.model_files import ModelFiles


def _families() -> tuple[Family, ...]:
    """All families; imported inside the function, because importing diffusers takes seconds."""
    from engine.models import stable_diffusion, stable_diffusion_xl

    return stable_diffusion.FAMILY, stable_diffusion_xl.FAMILY


def load(name: str, device: Device, checkers: Sequence[str] = (BUILTIN,)) -> DiffusionModel:
    """Load the model of this name; its files are downloaded if they are missing.

    `checkers` are the names of its safety checkers: `model` for its own, and classifiers.
    Raises ModelNotFound, ModelGated, ModelCorrupt, NoSafetyChecker or MissingDependency, with a
    sentence for the operator.
    """
    from engine.models.loading import model_errors

    files = ModelFiles(name, prefer_fp16=device.dtype == torch.float16)
    families = _families()
    for family in families:
        if files.family in family.pipelines:
            classifiers = _load_classifiers(checkers, device)
            use_builtin = BUILTIN in checkers
            with model_errors(name):
                return family.load(files, device, classifiers, use_builtin_checker=use_builtin)
    *others, last = (family.name for family in families)
    raise ModelCorrupt(
        f"The model {name} is a {files.family}; only {', '.join(others)}, and {last} are supported."
    )


def _load_classifiers(checkers: Sequence[str], device: Device) -> list[Checker]:
    from engine.safety import classifiers

    return [classifiers.load(name, device) for name in checkers if name != BUILTIN]
