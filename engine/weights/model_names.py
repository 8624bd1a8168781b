"""What the names of models say: whether and how they are distilled. Pure."""

import re
from collections.abc import Iterable, Mapping
from pathlib import PurePath
from typing import Any, Final

from engine.weights.checkpoint_names import Kind

PLAIN: Final = "plain"
"""The variant of models that are not distilled."""
KLEIN: Final = "klein"
"""That of the distilled models of FLUX.2 klein; the others are called *base*."""
_DISTILLATIONS: Final = (
    (re.compile(r"(?<!\bde )turbo"), "Turbo"),  # Z-Image-De-Turbo was trained back
    (re.compile(r"(?<!torch )lightning"), "Lightning"),  # PyTorch Lightning trains any model
    (re.compile(r"\bhyper(sd|sdxl|xl)?\b.*cfg"), "Hyper with guidance"),
    (re.compile(r"\bhyper(sd|sdxl|xl)?\b"), "Hyper"),
    (re.compile(r"\bdmd2?\b"), "DMD2"),
    (re.compile(r"\btcd\b"), "TCD"),
    (re.compile(r"\blcm\b|latent consistency"), "LCM"),
)
"""What names and labels say, in words of lower case, and the name of the distillation."""
_BASE: Final = re.compile(r"\b(?:base|undistilled|de distill(?:ed)?|de turbo)\b")
_DISTILLED: Final = re.compile(r"\bdistilled\b")
_WORD: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_FAMILIES: Final = frozenset({"sd", "sdxl", "xl", "stable", "flux", "klein", "z", "zimage"})
"""At least one of these words is in the bare name of a family."""
_BARE: Final = _FAMILIES | frozenset(
    {
        *("diffusion", "image", "large", "medium", "v", "b", "model", "pytorch", "transformer"),
        *("pruned", "ema", "emaonly", "only", "bf", "fp", "nvfp", "mxfp", "int", "e", "m", "fn"),
        *("scaled", "mixed", "diffusers", "safetensors", "comfy", "gguf", "q", "k", "s", "l"),
    }
)
"""What else may be in it, besides numbers: sizes, types of numbers and layouts."""
_SCHEDULERS: Final = {"LCMScheduler": "LCM", "TCDScheduler": "TCD"}
_Z_IMAGE_SHIFTS: Final[Mapping[float, str]] = {3: "Turbo", 6: PLAIN}
"""Of Z-Image-Turbo and of Z-Image."""
_HUB_FOLDER: Final = re.compile(r"models--[^/\\]+--([^/\\]+)")


def words_of(name: str) -> str:
    """The words of a name in lower case: those of "v50LightningVAE" are "v 50 lightning vae"."""
    return " ".join(_WORD.findall(name)).lower()


def distillation_word(words: str) -> str | None:
    """The name of the distillation that is in these words; None without one."""
    return next((name for pattern, name in _DISTILLATIONS if pattern.search(words)), None)


def variant_of_name(kind: Kind, name: str) -> str | None:
    """The distillation that a model's name says, PLAIN if it says that there is none, and None if
    it does not say it.

    The bare name of a family is that of its model that is not distilled, or, of FLUX.2 klein, that
    of the distilled one.
    """
    words = words_of(name)
    if distillation := distillation_word(words):
        return distillation
    if _BASE.search(words):
        return PLAIN
    is_klein = kind is Kind.FLUX_2_KLEIN
    if is_klein and _DISTILLED.search(words):
        return KLEIN
    is_bare = not own_words(name) and not _FAMILIES.isdisjoint(words.split())
    return (KLEIN if is_klein else PLAIN) if is_bare else None


def variant_of_names(kind: Kind, names: Iterable[str]) -> str | None:
    """The variant that the first of these names says that says one."""
    variants = (variant_of_name(kind, name) for name in names)
    return next((variant for variant in variants if variant is not None), None)


def variant_of_folder(
    kind: Kind, folder: PurePath, index: Mapping[str, Any], scheduler: Mapping[str, Any]
) -> str | None:
    """The variant of the model in a diffusers folder, by its model_index.json, by the names of the
    folder and of the model that it was made of, and by its scheduler config."""
    is_distilled = index.get("is_distilled")
    if kind is Kind.FLUX_2_KLEIN and isinstance(is_distilled, bool):
        return KLEIN if is_distilled else PLAIN
    if variant := variant_of_names(kind, names_of_folder(folder, index)):
        return variant
    if kind is Kind.Z_IMAGE:
        shift = scheduler.get("shift")
        return _Z_IMAGE_SHIFTS.get(shift) if isinstance(shift, int | float) else None
    class_name = scheduler.get("_class_name")
    return _SCHEDULERS.get(class_name) if isinstance(class_name, str) else None


def names_of_folder(folder: PurePath, index: Mapping[str, Any]) -> list[str]:
    """What a folder is called: by the hub, in whose cache its own name is that of a commit, and
    what it was made of."""
    in_hub = _HUB_FOLDER.search(str(folder))
    origin = index.get("_name_or_path")
    names = [in_hub[1] if in_hub else folder.name]
    return [*names, *([PurePath(origin).name] if isinstance(origin, str) else [])]


def own_words(name: str) -> frozenset[str]:
    """The words of a name that are not those of a family, of numbers or of types."""
    words = (word for word in words_of(name).split() if not word.isdigit())
    return frozenset(words) - _BARE
