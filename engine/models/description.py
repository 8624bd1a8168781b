"""What the files of a model say about it, without its weights and without torch."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

from engine.errors import ModelCorrupt, first_line
from engine.models.defaults import (
    FAMILIES,
    LIGHTNING,
    STARTER_GUIDANCE,
    Distillation,
    FamilyDefaults,
    distillation_of,
)
from engine.models.prompt_length import prompt_length
from engine.models.quantization import check_weights
from engine.models.scheduler_config import (
    SCHEDULER_FILE,
    check_scheduler_class,
    check_scheduler_config,
)
from engine.weights.embeddings import EmbeddingFile, check_fit, configured_embeddings
from engine.weights.model_files import ModelFiles
from engine.weights.model_folder import STARTER, names_component
from engine.weights.readme import Readme, read_readme

DENOISERS: Final = ("unet", "transformer")
"""A pipeline has one of these components."""
_OTHER_SCHEDULERS: Final = ("EDM", "FlowMatch")
"""Prefixes of scheduler classes for models whose noise schedule is not defined by betas."""
_FLOW_SCHEDULER: Final = "FlowMatchEulerDiscreteScheduler"
"""The scheduler class of the families with flow matching."""
_TEXT_WIDTH: Final = 512
"""transformers' default for CLIP text encoders whose configs do not say it."""
_CHANNELS: Final = 4
"""diffusers' default for UNets and VAEs whose configs do not say it."""


class Description(NamedTuple):
    """A model that is not loaded."""

    family: FamilyDefaults
    distillation: Distillation | None
    steps: int
    guidance: float
    """`steps` and `guidance` are the defaults."""
    native_size: int
    """Side, in pixels, of the square pictures that the model was trained on."""
    scheduler_config: Mapping[str, Any]
    licence: str | None
    """As the model card in its folder names it."""
    embeddings: tuple[str, ...]
    """The names of the configured embeddings (textual inversion) that are for its text encoders."""


def describe(files: ModelFiles) -> Description:
    """What the configs in a model's folder say.

    Raises ModelCorrupt if the family is unknown or a component is missing, or one of LOAD_ERRORS.
    """
    family = family_of(files)
    require_components(files, family)
    for network in (*family.networks, *optional_components(files, family.optional_networks)):
        files.require_safetensors(files.folder / network)
        if files.checkpoint is None or network not in files.checkpoint.components:
            check_weights(files, network, read_config(files, network))
    distillation = distillation_in(files)
    guidance = STARTER_GUIDANCE if files.name == STARTER else family.guidance
    denoiser = _denoiser_name(files)
    config, vae_config = (read_config(files, name) for name in (denoiser, "vae"))
    check_channels(files.name, denoiser, config, vae_config, family)
    scale_factor = _vae_scale_factor(vae_config)
    return Description(
        family,
        distillation,
        family.steps if distillation is None else distillation.steps,
        guidance if distillation is None else distillation.guidance,
        native_size(denoiser, config, family, scale_factor),
        read_scheduler_config(files),
        _readme(files).licence,
        _fitting_embeddings(files, family),
    )


def require_components(files: ModelFiles, family: FamilyDefaults) -> None:
    """Raise ModelCorrupt if a component is missing, or a tokenizer has no vocabulary."""
    files.require(*family.networks, *family.tokenizers, "scheduler")
    files.require_tokenizer(
        *family.tokenizers, *optional_components(files, family.optional_tokenizers)
    )


def optional_components(files: ModelFiles, components: Iterable[str]) -> tuple[str, ...]:
    """Those of these components that the model has."""
    return tuple(name for name in components if names_component(files.index, name))


def _fitting_embeddings(files: ModelFiles, family: FamilyDefaults) -> tuple[str, ...]:
    if not family.embedded_encoders or not configured_embeddings():
        return ()
    configs = [read_config(files, encoder) for encoder in family.embedded_encoders]
    widths = [config.get("hidden_size", _TEXT_WIDTH) for config in configs]
    lengths = map(partial(_prompt_tokens, files), family.tokenizers, configs)
    longest = min(lengths)
    return tuple(
        file.embedding.name for file in configured_embeddings() if _is_fit(file, widths, longest)
    )


def _is_fit(file: EmbeddingFile, widths: Sequence[int], longest: int) -> bool:
    try:
        check_fit(file, widths, longest)
    except ValueError:
        return False
    return True


def _prompt_tokens(files: ModelFiles, tokenizer: str, text_encoder: Mapping[str, Any]) -> int:
    """The tokens between the first and the last one of a chunk."""
    path = files.folder / tokenizer / "tokenizer_config.json"
    config = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    length = config.get("model_max_length") if isinstance(config, dict) else None
    return prompt_length(length, text_encoder) - 2


def family_of(files: ModelFiles) -> FamilyDefaults:
    """The family of a model. Raises ModelCorrupt if it is not one of FAMILIES."""
    for family in FAMILIES:
        if files.family in family.pipelines:
            return family
    *others, last = (family.name for family in FAMILIES)
    raise ModelCorrupt(
        f"The model {files.name} is a {files.family}; only {', '.join(others)}, and {last} are "
        "supported."
    )


def distillation_in(files: ModelFiles) -> Distillation | None:
    """How a model was distilled, by its files. Raises one of LOAD_ERRORS."""
    distillation = distillation_of(
        files.name,
        read_config(files, "scheduler"),
        read_config(files, _denoiser_name(files)),
        _readme(files).labels,
    )
    is_distilled = distillation is not None or files.is_distilled
    return (is_distilled and family_of(files).distillation) or distillation


def read_config(files: ModelFiles, component: str) -> dict[str, Any]:
    """The config of the scheduler or of a network. Raises OSError, ValueError or TypeError."""
    name = SCHEDULER_FILE if component == "scheduler" else f"{component}/config.json"
    try:
        config = json.loads((files.folder / name).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{name} is not JSON: {first_line(error)}") from error
    if not isinstance(config, dict):
        raise TypeError(f"{name} is not a JSON object")
    return {**config, **files.scheduler_changes} if component == "scheduler" else config


def read_scheduler_config(files: ModelFiles) -> dict[str, Any]:
    """The scheduler config, with what the family adds. Raises ModelCorrupt if its noise schedule is
    damaged or not of the kind that the family has, or OSError, ValueError or TypeError."""
    family, config = family_of(files), read_config(files, "scheduler")
    names = (_FLOW_SCHEDULER,) if family.is_flow else _OTHER_SCHEDULERS
    check_scheduler_class(files.name, config, names, is_allowed=family.is_flow)
    check_scheduler_config(files.name, config, is_flow=family.is_flow)
    if family.is_flow:
        scale_factor = _vae_scale_factor(read_config(files, "vae"))
        return {**config, **family.noise_schedule(scale_factor)}
    distillation = distillation_in(files)
    if files.checkpoint is not None and distillation is not None and distillation.is_trailing:
        # The config is that of the model before it was distilled.
        changes = {"timestep_spacing": "trailing"}
        if distillation.name == LIGHTNING.name and distillation.steps == 1:
            changes["prediction_type"] = "sample"
        return {**config, **changes}
    return config


def check_channels(
    model: str,
    denoiser: str,
    config: Mapping[str, Any],
    vae_config: Mapping[str, Any],
    family: FamilyDefaults,
) -> None:
    """Raise ModelCorrupt unless the denoiser's inputs and outputs are latents of the VAE alone."""
    channels = {
        config.get("in_channels", _CHANNELS),
        vae_config.get("latent_channels", _CHANNELS) * family.packed_pixels,
    }
    if denoiser == "unet":  # a transformer may also predict the variance
        channels.add(config.get("out_channels", _CHANNELS))
    if len(channels) > 1:
        raise ModelCorrupt(
            f"The model {model} is an inpainting model or of another kind that is not supported; "
            "it must be a plain text-to-image model."
        )


def check_positions(files: ModelFiles) -> None:
    """Raise ValueError, with what is allowed, if the denoiser's config has no usable number of
    positions; diffusers would fail in words of Python."""
    max_tokens = family_of(files).max_tokens
    if max_tokens is not None:
        max_tokens(read_config(files, _denoiser_name(files)))


def native_size(
    denoiser: str, config: Mapping[str, Any], family: FamilyDefaults, vae_scale_factor: int
) -> int:
    """The side, in pixels, of the square pictures that a model was trained on, by its denoiser's
    config or its family. Raises TypeError or ValueError if the config is damaged."""
    pixels = latent_pixels(denoiser, config, family, vae_scale_factor)
    max_side = family.max_side(config, vae_scale_factor)
    return min(round(math.sqrt(pixels)) * vae_scale_factor, max_side)


def latent_pixels(
    denoiser: str, config: Mapping[str, Any], family: FamilyDefaults, vae_scale_factor: int
) -> int:
    """The number of latent pixels of an image of the native size, by the denoiser's config or its
    family.

    Raises TypeError or ValueError if `sample_size` is neither a side nor height and width.
    """
    sample_size: Any = config.get("sample_size", family.sample_size)
    if sample_size is None and family.native_size is not None:
        sample_size = family.native_size // vae_scale_factor
    sides = [sample_size] * 2 if isinstance(sample_size, int) else sample_size
    is_size = isinstance(sides, list | tuple) and len(sides) == 2
    if not (is_size and all(isinstance(side, int) and side > 0 for side in sides)):
        raise ValueError(f"the sample_size of the {denoiser} is {sample_size!r}")
    height, width = sides
    return int(height * width)


def _readme(files: ModelFiles) -> Readme:
    """The README.md of a checkpoint's configuration is about another model."""
    if files.checkpoint is not None:
        return Readme(files.checkpoint.licence)
    return read_readme(files.folder)


def _denoiser_name(files: ModelFiles) -> str:
    [name] = (name for name in DENOISERS if name in files.index)
    return name


def _vae_scale_factor(config: Mapping[str, Any]) -> int:
    """Pixels of an image for each latent pixel of a side, as in diffusers' pipelines."""
    return int(2 ** (len(config["block_out_channels"]) - 1))
