"""Load the components of a diffusers pipeline, and describe the model in a card."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

import diffusers
import msgspec
import torch
from diffusers import DiffusionPipeline, ModelMixin
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from transformers import (
    CLIPImageProcessor,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    PreTrainedModel,
)

from engine.contract import MAX_SIZE, ROW_CLASSES, BatchSizes, Distilled, ModelCard, Sampler
from engine.device import Device
from engine.device.errors import load_failure
from engine.errors import MissingDependency, ModelCorrupt, first_line
from engine.models.base import Conditioning
from engine.models.checkpoint_loading import load_from_checkpoint
from engine.models.defaults import Distillation, FamilyDefaults, default_sampler
from engine.models.description import (
    DENOISERS,
    check_channels,
    check_positions,
    family_of,
    is_editor,
    native_size,
    read_config,
    read_scheduler_config,
)
from engine.models.description import latent_pixels as native_latent_pixels
from engine.models.float8 import is_in_float8, store_in_float8
from engine.models.offload import place
from engine.models.prompt_length import prompt_length
from engine.models.quantization import check_weights
from engine.models.storage_setting import Storage, configured_storage
from engine.models.weight_errors import (
    check_complete,
    check_loaded,
    shape_errors,
)
from engine.safety.concepts import ConceptChecker
from engine.samplers import log_unusable_samplers, usable_samplers
from engine.schedulers import Scheduler, make_scheduler, noise_schedule
from engine.weights.model_files import ModelFiles
from engine.weights.model_folder import LOAD_ERRORS

MIN_MAX_PIXELS: Final = 768 * 768
"""Lower bound of a model's `max_pixels`, which is otherwise four times its native area."""
_EDIT_ROWS: Final = 3
"""Of an edit in each forward pass."""
log = logging.getLogger(__name__)


@contextmanager
def model_errors(name: str) -> Iterator[None]:
    """Convert the exceptions that damaged or unsuitable files cause in the block to EngineErrors
    with a sentence for the operator."""
    try:
        yield
    except ModuleNotFoundError:
        raise  # `require_packages` converts it
    except ImportError as error:
        raise MissingDependency(
            f"The model {name} needs a package that is not installed: {first_line(error)}"
        ) from error
    except LOAD_ERRORS as error:
        log.debug("the model %s cannot be loaded", name, exc_info=error)
        raise load_failure(error, f"the model {name}", partial(_corrupt_error, name)) from error


def load_pipeline(
    pipeline_class: type[DiffusionPipeline],
    files: ModelFiles,
    device: Device,
    **components: type[PreTrainedModel] | None,
) -> DiffusionPipeline:
    """A pipeline of this class from the model's files.

    `components` are classes of transformers, or None for a component that is left out. Raises
    ModelCorrupt, or one of LOAD_ERRORS.
    """
    check_positions(files)
    networks = {
        name: _load_network(files, name, device)
        for name in (*DENOISERS, "vae")
        if name in files.index
    }
    if configured_storage() is Storage.FLOAT8:
        for name in networks.keys() & DENOISERS:
            store_in_float8(networks[name])
    pipeline = pipeline_class.from_pretrained(
        files.folder,
        **{
            name: component_class and _load_component(component_class, files, name, device)
            for name, component_class in components.items()
        },
        **networks,
        scheduler=_load_scheduler(files),
        dtype=device.dtype,
        use_safetensors=True,
        local_files_only=True,
        low_cpu_mem_usage=True,
    )
    _limit_prompts(pipeline)
    place(pipeline, device)
    pipeline.set_progress_bar_config(disable=True)
    for component in pipeline.components.values():
        if isinstance(component, torch.nn.Module):
            component.requires_grad_(requires_grad=False)
    check_channels(
        files.name,
        denoiser_name(pipeline),
        denoiser_of(pipeline).config,
        pipeline.vae.config,
        family_of(files),
    )
    return pipeline


def _limit_prompts(pipeline: DiffusionPipeline) -> None:
    """Let the tokenizers of CLIP have as many tokens as its text encoders have positions, if they
    do not say how many they have."""
    for end in ("", "_2"):
        encoder = pipeline.components.get(f"text_encoder{end}")
        tokenizer = pipeline.components.get(f"tokenizer{end}")
        if isinstance(encoder, (CLIPTextModel, CLIPTextModelWithProjection)):
            config = encoder.config.to_dict()
            tokenizer.model_max_length = prompt_length(tokenizer.model_max_length, config)
    if hasattr(pipeline, "tokenizer_max_length"):
        pipeline.tokenizer_max_length = pipeline.tokenizer.model_max_length


def denoiser_name(pipeline: DiffusionPipeline) -> str:
    """The component of a pipeline that is its UNet or its transformer."""
    [name] = (name for name in DENOISERS if hasattr(pipeline, name))
    return name


def denoiser_of(pipeline: DiffusionPipeline) -> ModelMixin:
    """The UNet or the transformer of a pipeline."""
    denoiser: ModelMixin = getattr(pipeline, denoiser_name(pipeline))
    return denoiser


def load_concept_checker(files: ModelFiles, folder: Path, device: Device) -> ConceptChecker:
    """The safety checker in this folder. Raises ModelCorrupt, or one of LOAD_ERRORS."""
    network = _load_component(StableDiffusionSafetyChecker, files, "safety_checker", device, folder)
    network.requires_grad_(requires_grad=False)
    extractor = CLIPImageProcessor.from_pretrained(folder / "feature_extractor")
    return ConceptChecker(network.to(device.torch_device), extractor, device)


def model_card(
    pipeline: DiffusionPipeline,
    name: str,
    revision: str,
    device: Device,
    family: FamilyDefaults,
    distillation: Distillation | None,
    batch_sizes: tuple[BatchSizes, ...],
    most_clip_skip: int,
) -> ModelCard:
    """The card of a loaded model."""
    scale_factor, denoiser = pipeline.vae_scale_factor, denoiser_of(pipeline).config
    side = native_size(denoiser_name(pipeline), denoiser, family, scale_factor)
    config = scheduler_config(pipeline, family)
    samplers = usable_samplers(config)
    log_unusable_samplers(config)
    if not device.can_batch:  # images do not share batches, so larger classes would be padding
        smallest = ROW_CLASSES[:1]
        batch_sizes = (BatchSizes(pixels=MAX_SIZE**2, default=smallest, under_load=smallest),)
    is_edit = is_editor(denoiser)
    if is_edit:
        batch_sizes = tuple(sizes.holding(_EDIT_ROWS) for sizes in batch_sizes)
    card = ModelCard(
        name=name,
        revision=revision,
        native_size=side,
        size_multiple=family.size_multiple(scale_factor),
        max_pixels=max(4 * side * side, MIN_MAX_PIXELS),
        max_side=family.max_side(denoiser, scale_factor),
        steps=family.steps,
        guidance=family.guidance,
        sampler=default_sampler(samplers, distillation, family),
        max_concurrent_batches=device.max_concurrent_batches,
        rounding=family.rounding,
        guidance_embedding=_embedding_size(pipeline) is not None,
        can_inpaint=not is_edit,
        is_editor=is_edit,
        image_guidance=family.image_guidance,
        most_clip_skip=most_clip_skip,
        max_steps={
            sampler: limit for sampler in Sampler if (limit := samplers.get(sampler, 0)) is not None
        },
        batch_sizes=batch_sizes,
        fingerprint=device.fingerprint + _storage(pipeline),
    )
    return card if distillation is None else _distilled(card, distillation)


def _storage(pipeline: DiffusionPipeline) -> str:
    """What the fingerprint says about the weights."""
    return ", float8 weights" if is_in_float8(denoiser_of(pipeline)) else ""


def _distilled(card: ModelCard, distillation: Distillation) -> ModelCard:
    return msgspec.structs.replace(
        card,
        steps=distillation.steps,
        guidance=distillation.guidance,
        distilled=Distilled(distillation.name, distillation.most_steps, distillation.most_guidance),
    )


def guidance_embedding(
    pipeline: DiffusionPipeline, guidance: float, dtype: torch.dtype
) -> Conditioning:
    """What the guidance adds to the conditioning of one row: nothing, if the denoiser does not have
    it as an input."""
    size = _embedding_size(pipeline)
    if size is None:
        return {}
    embedding = pipeline.get_guidance_scale_embedding(
        torch.tensor([guidance - 1.0]), embedding_dim=size
    )
    return {"timestep_cond": embedding.to(denoiser_of(pipeline).device, dtype)}


def _embedding_size(pipeline: DiffusionPipeline) -> int | None:
    size: int | None = denoiser_of(pipeline).config.get("time_cond_proj_dim")
    return size


def latent_pixels(pipeline: DiffusionPipeline, family: FamilyDefaults) -> int:
    """The number of latent pixels of an image of the native size. Raises TypeError or ValueError
    if the config does not say it."""
    config = denoiser_of(pipeline).config
    return native_latent_pixels(denoiser_name(pipeline), config, family, pipeline.vae_scale_factor)


def scheduler_config(pipeline: DiffusionPipeline, family: FamilyDefaults) -> dict[str, object]:
    """The noise schedule of a model, which all its samplers use."""
    added = family.noise_schedule(pipeline.vae_scale_factor)
    return noise_schedule({**pipeline.scheduler.config, **added})


def _load_scheduler(files: ModelFiles) -> Scheduler:
    """A scheduler with the model's noise schedule.

    Its class is that of a sampler, not the one in the config, which may need options or packages
    that no sampler needs.
    """
    config = read_scheduler_config(files)
    sampler = default_sampler(usable_samplers(config), family=family_of(files))
    return make_scheduler(sampler, config)


def _load_network(files: ModelFiles, component: str, device: Device) -> ModelMixin:
    """Load a component with diffusers; its class is the one in the index."""
    library, class_name = files.index[component]
    if library != "diffusers":
        raise ValueError(f"the class of the {component} is not one of diffusers")
    path = files.folder / component
    network_class = getattr(diffusers, class_name)
    if files.checkpoint is not None and component in files.checkpoint.components:
        return load_from_checkpoint(network_class, files.checkpoint, component, path, device.dtype)
    files.require_safetensors(path)
    check_weights(files, component, read_config(files, component))
    with shape_errors(component):
        network = network_class.from_pretrained(
            path,
            torch_dtype=device.dtype,
            use_safetensors=True,
            variant=files.variant(path),
            local_files_only=True,
            low_cpu_mem_usage=True,
        )
    check_complete(component, network)
    return network


def _load_component(
    component_class: type[PreTrainedModel],
    files: ModelFiles,
    component: str,
    device: Device,
    folder: Path | None = None,
) -> PreTrainedModel:
    """Load a component with transformers, which initialises missing weights randomly.

    Raises ModelCorrupt or one of LOAD_ERRORS; ValueError if weights are missing.
    """
    path = (folder or files.folder) / component
    if files.checkpoint is not None and component in files.checkpoint.components:
        return load_from_checkpoint(
            component_class, files.checkpoint, component, path, device.dtype
        )
    files.require_safetensors(path)
    if folder is None:
        check_weights(files, component, read_config(files, component))
    network, info = component_class.from_pretrained(
        path,
        dtype=device.dtype,
        use_safetensors=True,
        variant=files.variant(path),
        local_files_only=True,
        ignore_mismatched_sizes=True,
        output_loading_info=True,
    )
    check_loaded(component, info)
    return network.eval()


def _corrupt_error(name: str, cause: str) -> ModelCorrupt:
    return ModelCorrupt(
        f"The model {name} cannot be loaded; its files are damaged or incomplete: {cause}"
    )
