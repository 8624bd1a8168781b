"""The model families, and which of them loads a model."""

from collections.abc import Sequence
from types import ModuleType

from engine.device import Device
from engine.errors import ModelCorrupt
from engine.models.base import PaintModel
from engine.safety import OWN, Checker
from engine.weights import ModelFiles


def load(name: str, device: Device, checkers: Sequence[str] = (OWN,)) -> PaintModel:
    """The model of this name, ready to paint; its files are downloaded if need be.

    Its pictures are checked by all of these checkers: `model` is its own, others are classifiers.
    Raises ModelNotFound, ModelGated, ModelCorrupt, NoSafetyChecker or MissingDependency, with a
    sentence for its operator.
    """
    files = ModelFiles(name)
    for family in _families():
        if files.family in family.PIPELINES:
            others = _classifiers(checkers, device)
            loaded: PaintModel = family.load(files, device, others, own=OWN in checkers)
            return loaded
    raise ModelCorrupt(
        f"The model {name} is a {files.family}; the engine paints with Stable Diffusion 1 and 2, "
        "and SDXL."
    )


def _classifiers(checkers: Sequence[str], device: Device) -> list[Checker]:
    from engine.safety import classifiers

    return [classifiers.load(name, device) for name in checkers if name != OWN]


def _families() -> tuple[ModuleType, ...]:
    """Loaded when they are needed: diffusers takes its time."""
    from engine.models import stable_diffusion, stable_diffusion_xl

    return stable_diffusion, stable_diffusion_xl
