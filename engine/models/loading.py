"""Load the components of a diffusers pipeline, and describe the model in a card."""

from functools import partial
from pathlib import Path
from typing import Any, Final

import torch
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from transformers import CLIPImageProcessor

from engine.contract import MAX_SIZE, ROW_CLASSES, BatchSizes, ModelCard, Sampler
from engine.device import Device
from engine.device.errors import load_failure
from engine.errors import ModelCorrupt
from engine.safety.concepts import ConceptChecker
from engine.samplers import max_steps
from engine.weights import LOAD_ERRORS, ModelFiles

MIN_MAX_PIXELS: Final = 768 * 768
"""The largest image is four times the native size, but at least this."""
_STEPS: Final = 20


def load_pipeline(
    pipeline_class: Any,  # noqa: ANN401 - diffusers has no types
    files: ModelFiles,
    device: Device,
    **components: Any,  # noqa: ANN401
) -> Any:  # noqa: ANN401
    """A pipeline of this class from the model's files.

    `components` are classes of transformers, or None for a component that is left out. Raises
    ModelCorrupt, or EngineError if there is too little memory.
    """
    for component in ("unet", "vae"):
        files.require_safetensors(files.folder / component)
    try:
        pipeline = pipeline_class.from_pretrained(
            files.folder,
            **{
                name: component_class and _load_component(component_class, files, name, device)
                for name, component_class in components.items()
            },
            dtype=device.dtype,
            use_safetensors=True,
            local_files_only=True,
            low_cpu_mem_usage=True,
        ).to(device.torch_device)
    except LOAD_ERRORS as error:
        raise load_failure(error, f"the model {files.name}", partial(_damaged, files)) from error
    pipeline.set_progress_bar_config(disable=True)
    for component in pipeline.components.values():
        if isinstance(component, torch.nn.Module):
            component.requires_grad_(requires_grad=False)
    unet, vae = pipeline.unet.config, pipeline.vae.config
    if unet.in_channels != vae.latent_channels or unet.time_cond_proj_dim is not None:
        raise ModelCorrupt(
            f"The model {files.name} is made for something else than painting from words "
            "(inpainting, or a distilled kind): the engine cannot use it."
        )
    return pipeline


def load_concept_checker(files: ModelFiles, folder: Path, device: Device) -> ConceptChecker:
    """The safety checker in this folder. Raises ModelCorrupt if its files are damaged."""
    try:
        network = _load_component(
            StableDiffusionSafetyChecker, files, "safety_checker", device, folder
        )
        extractor = CLIPImageProcessor.from_pretrained(folder / "feature_extractor")
    except LOAD_ERRORS as error:
        raise load_failure(error, f"the model {files.name}", partial(_damaged, files)) from error
    return ConceptChecker(network.to(device.torch_device), extractor, device)


def model_card(
    pipeline: Any,  # noqa: ANN401 - diffusers has no types
    name: str,
    revision: str,
    device: Device,
    guidance: float,
    batch_sizes: tuple[BatchSizes, ...],
) -> ModelCard:
    """The card of a loaded model."""
    native_size = pipeline.unet.config.sample_size * pipeline.vae_scale_factor
    if not device.can_batch:  # no two images share a batch, so only the smallest class is of use
        smallest = ROW_CLASSES[:1]
        batch_sizes = (BatchSizes(pixels=MAX_SIZE**2, default=smallest, under_load=smallest),)
    return ModelCard(
        name=name,
        revision=revision,
        native_size=native_size,
        max_pixels=max(4 * native_size * native_size, MIN_MAX_PIXELS),
        steps=_STEPS,
        guidance=guidance,
        sampler=Sampler.DPMPP_2M,
        max_concurrent_batches=device.max_concurrent_batches,
        max_steps=max_steps(pipeline.scheduler.config),
        batch_sizes=batch_sizes,
        fingerprint=device.fingerprint,
    )


def _load_component(
    component_class: Any,  # noqa: ANN401 - transformers has no types here
    files: ModelFiles,
    component: str,
    device: Device,
    folder: Path | None = None,
) -> Any:  # noqa: ANN401
    """A component of transformers, which would initialise missing weights randomly."""
    path = (folder or files.folder) / component
    files.require_safetensors(path)
    network, info = component_class.from_pretrained(
        path,
        dtype=device.dtype,
        use_safetensors=True,
        local_files_only=True,
        output_loading_info=True,
    )
    gaps = [*info["missing_keys"], *info["mismatched_keys"]]
    if gaps:
        raise _damaged(files, f"the {component} has {len(gaps)} gaps in its weights")
    return network.eval()


def _damaged(files: ModelFiles, cause: str) -> ModelCorrupt:
    return ModelCorrupt(
        f"The model {files.name} cannot be loaded, its files are damaged or half downloaded: "
        f"{cause}"
    )
