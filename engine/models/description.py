"""What the files of a model say about it, without its weights and without torch."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

from engine.errors import ModelCorrupt, first_line
from engine.models.defaults import (
    FAMILIES,
    LIGHTNING,
    STARTER_EDIT_GUIDANCE,
    STARTER_GUIDANCE,
    Distillation,
    FamilyDefaults,
    distillation_of,
)
from engine.models.prompt_length import prompt_length
from engine.models.quantization import check_quantization, check_weights
from engine.models.scheduler_config import (
    SCHEDULER_FILE,
    check_scheduler_class,
    check_scheduler_config,
)
from engine.models.text_encoder_config import check_text_encoder
from engine.weights.embeddings import EmbeddingFile, check_fit, configured_embeddings
from engine.weights.model_files import ModelFiles
from engine.weights.model_folder import EDIT_STARTER, INDEX, STARTERS, names_component
from engine.weights.readme import Readme, one_line, read_readme

DENOISERS: Final = ("unet", "transformer")
"""A pipeline has one of these components."""
_OTHER_SCHEDULERS: Final = ("EDM", "FlowMatch")
"""Prefixes of scheduler classes for models whose noise schedule is not defined by betas."""
_FLOW_SCHEDULER: Final = "FlowMatchEulerDiscreteScheduler"
"""The scheduler class of the families with flow matching."""
_TEXT_WIDTH: Final = 512
"""transformers' default for CLIP text encoders whose configs do not say it."""


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
    abilities: tuple[str, ...]


def describe(files: ModelFiles) -> Description:
    """What the configs in a model's folder say.

    Raises ModelCorrupt if the family is unknown or a component is missing, or one of LOAD_ERRORS.
    """
    family = family_of(files)
    require_components(files, family)
    optional = (network for network, _ in optional_components(files, family))
    for network in (*family.networks, *optional):
        files.require_safetensors(files.folder / network)
        if not _is_inside(files, network):
            check_weights(files, network, read_config(files, network))
    distillation = distillation_in(files)
    denoiser = _denoiser_name(files)
    config, vae_config = (read_config(files, name) for name in (denoiser, "vae"))
    check_channels(files.name, denoiser, config, vae_config, family)
    scale_factor = _vae_scale_factor(vae_config)
    return Description(
        family,
        distillation,
        family.steps if distillation is None else distillation.steps,
        _guidance(files, family) if distillation is None else distillation.guidance,
        native_size(denoiser, config, family, scale_factor),
        read_scheduler_config(files),
        licence_of(files),
        _fitting_embeddings(files, family),
        ("edit",) if is_editor(config) else family.abilities,
    )


def _guidance(files: ModelFiles, family: FamilyDefaults) -> float:
    """The guidance scale that suits the model, unless it is distilled."""
    if files.name == EDIT_STARTER:
        return STARTER_EDIT_GUIDANCE
    return STARTER_GUIDANCE if files.name in STARTERS else family.guidance


def require_components(files: ModelFiles, family: FamilyDefaults) -> None:
    """Raise ModelCorrupt if a component is missing or of another class, a tokenizer has no
    vocabulary, or the config of a text encoder is damaged."""
    files.require(*family.networks, *family.tokenizers, "scheduler")
    optional = optional_components(files, family)
    files.require_tokenizer(*family.tokenizers, *(tokenizer for _, tokenizer in optional))
    _require_class(files, _denoiser_name(files), lambda name: name == family.denoiser)
    _require_class(files, "vae", lambda name: "Autoencoder" in name)
    networks = {*family.networks, *(network for network, _ in optional)}
    for encoder, model_type in family.text_encoders.items():
        if encoder in networks:
            config = read_config(files, encoder)
            if not _is_inside(files, encoder):
                check_quantization(files.name, encoder, config)
            check_text_encoder(files, encoder, config, model_type)


def optional_components(files: ModelFiles, family: FamilyDefaults) -> list[tuple[str, str]]:
    """The networks that a model may lack and has, each with its tokenizer. Raises ModelCorrupt if
    a part of one is missing."""
    pairs = zip(family.optional_networks, family.optional_tokenizers, strict=True)
    present = [pair for pair in pairs if names_component(files.index, pair[0])]
    for network, tokenizer in present:
        try:
            files.require(network, tokenizer)
            files.require_safetensors(files.folder / network)
        except ModelCorrupt as error:
            raise ModelCorrupt(
                f"{error} A model without it must have [null, null] for {network} and {tokenizer} "
                f"in {files.folder / INDEX}."
            ) from error
    return present


def _is_inside(files: ModelFiles, network: str) -> bool:
    """Whether the weights of a network are in a checkpoint."""
    return files.checkpoint is not None and network in files.checkpoint.components


def _require_class(files: ModelFiles, component: str, is_allowed: Callable[[str], bool]) -> None:
    library, name = [*files.index[component], None, None][:2]
    if library != "diffusers" or not isinstance(name, str) or not is_allowed(name):
        shown = one_line(json.dumps(files.index[component]))
        raise ModelCorrupt(
            f"The {component} of the model {files.name} is {shown} in {INDEX}, which is not "
            f"supported for a {files.family}."
        )


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
    if component == "unet" and files.checkpoint is not None:
        return {**config, "in_channels": files.checkpoint.in_channels}
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
    """Raise ModelCorrupt unless the denoiser's inputs and outputs are latents of the VAE, and a
    UNet's further inputs those of inpainting or of editing."""
    latents = vae_config.get("latent_channels", family.latent_channels) * family.packed_pixels
    inputs, outputs = config.get("in_channels", family.in_channels), latents
    if denoiser == "unet":  # a transformer may also predict the variance
        outputs = config.get("out_channels", family.in_channels)
    allowed = (latents, *([2 * latents, 2 * latents + 1] if denoiser == "unet" else []))
    if outputs != latents or inputs not in allowed:
        raise ModelCorrupt(
            f"The {denoiser} of the model {model} takes {inputs} channels and gives {outputs}, and "
            f"its latents have {latents}; only models for text-to-image, inpainting and editing "
            "(InstructPix2Pix) are supported."
        )


def is_editor(config: Mapping[str, Any]) -> bool:
    """Whether a denoiser with this config edits pictures by instructions: its input is the latents
    and as many channels of a picture."""
    inputs, outputs = config.get("in_channels"), config.get("out_channels")
    return inputs is not None and outputs is not None and inputs == 2 * outputs


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


def licence_of(files: ModelFiles) -> str | None:
    """The licence of a model as its files name it; None if they do not."""
    return _readme(files).licence


def _readme(files: ModelFiles) -> Readme:
    """The README.md of a checkpoint's configuration is about another model."""
    if files.checkpoint is not None:
        return Readme(files.checkpoint.licence, tuple(files.labels))
    return read_readme(files.folder)


def _denoiser_name(files: ModelFiles) -> str:
    [name] = (name for name in DENOISERS if name in files.index)
    return name


def _vae_scale_factor(config: Mapping[str, Any]) -> int:
    """Pixels of an image for each latent pixel of a side, as in diffusers' pipelines."""
    return int(2 ** (len(config["block_out_channels"]) - 1))
