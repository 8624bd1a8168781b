"""Load the IP-Adapters of IMAGINE_IP_ADAPTER, and the starter's own."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import torch
from diffusers import UNet2DConditionModel
from PIL import Image
from safetensors.torch import load_file
from transformers import CLIPImageProcessor, CLIPVisionModelWithProjection

from engine.contract.steering import ImageAdapterCard
from engine.device import Device
from engine.device.errors import load_failure
from engine.errors import ModelCorrupt
from engine.models.defaults import FamilyDefaults
from engine.models.weight_errors import check_loaded
from engine.steering.image_encoder import ImageEncoder
from engine.steering.ip_adapter import IpAdapter, Projections
from engine.weights.ip_adapters import (
    ATTENTION,
    IMAGE_ENCODER,
    IMAGE_PROJECTION,
    IP_ADAPTER_VARIABLE,
    STARTER_IP_ADAPTER,
    IpAdapterFile,
    UnetLayers,
    configured_names,
    find_ip_adapter,
    image_encoder_of,
    revision_of,
)
from engine.weights.model_files import ModelFiles
from engine.weights.model_folder import LOAD_ERRORS, STARTERS, names_component, variant_in

_SELF_ATTENTION: Final = "attn1.processor"
_PROCESSOR: Final = ".processor"
_EXTRACTOR: Final = "feature_extractor"
_PREPROCESSOR: Final = "preprocessor_config.json"
log = logging.getLogger(__name__)


class LoadedIpAdapter(NamedTuple):
    """An IP-Adapter with what a model's card says about it."""

    adapter: IpAdapter
    card: ImageAdapterCard


def load_ip_adapter(
    files: ModelFiles, unet: UNet2DConditionModel, family: FamilyDefaults, device: Device
) -> LoadedIpAdapter | None:
    """The first configured IP-Adapter that fits the UNet of a model; None if none is for it.

    Raises UsageError, ModelNotFound, ModelGated, ModelCorrupt or StorageFailed, with a sentence for
    the operator, if one that is configured cannot be used.
    """
    layers = _layers_of(unet)
    is_starter = files.name in STARTERS
    own = [str(STARTER_IP_ADAPTER)] if is_starter and STARTER_IP_ADAPTER.is_dir() else []
    for name in (*configured_names(), *own):
        file = find_ip_adapter(name, layers, family.ip_adapter)
        if file is not None:
            loaded = _load(file, unet, device, _processor_of(files))
            log.info("reference images of the model %s are read by %s", files.name, file.path)
            return loaded
    if configured_names():
        log.warning(
            "No IP-Adapter of %s is for the model %s, which takes no reference images: it needs "
            "one with %d layers for prompts of width %d.",
            *(IP_ADAPTER_VARIABLE, files.name, len(layers.sizes), layers.width),
        )
    return None


def _layers_of(unet: UNet2DConditionModel) -> UnetLayers:
    sizes = [
        unet.get_submodule(name.removesuffix(_PROCESSOR)).inner_dim for name in _processors(unet)
    ]
    return UnetLayers(unet.config.cross_attention_dim, tuple(sizes))


def _processors(unet: UNet2DConditionModel) -> list[str]:
    """The names of the cross-attention layers' processors, in the order that the files have."""
    return [name for name in unet.attn_processors if not name.endswith(_SELF_ATTENTION)]


def _load(
    file: IpAdapterFile,
    unet: UNet2DConditionModel,
    device: Device,
    processor: CLIPImageProcessor | None,
) -> LoadedIpAdapter:
    """`processor` is that of the model, if it has one."""
    encoder_folder = image_encoder_of(file)
    revision = revision_of(file, encoder_folder)
    with _errors(file):
        network = _load_encoder(encoder_folder, device)
        processor = _suitable_processor(processor, encoder_folder, network.config.image_size)
        tensors = _read(file)
        projection = unet._convert_ip_adapter_image_proj_to_diffusers(
            tensors["image_proj"], low_cpu_mem_usage=False
        )
        layers = unet._convert_ip_adapter_attn_to_diffusers([tensors], low_cpu_mem_usage=False)
    projection.to(device.torch_device, device.dtype).requires_grad_(requires_grad=False).eval()
    projections = []
    for name in _processors(unet):
        layer = layers[name].to(device.torch_device, device.dtype)
        layer.requires_grad_(requires_grad=False)
        projections.append(
            Projections(name.removesuffix(_PROCESSOR), layer.to_k_ip[0], layer.to_v_ip[0])
        )
    encoder = ImageEncoder(network, processor, device, is_pooled=file.has_pooled_input)
    adapter = IpAdapter(unet, encoder, projection, projections)
    card = ImageAdapterCard(name=file.name, revision=revision, roles=adapter.roles)
    return LoadedIpAdapter(adapter, card)


def _load_encoder(folder: Path, device: Device) -> CLIPVisionModelWithProjection:
    network, info = CLIPVisionModelWithProjection.from_pretrained(
        folder,
        dtype=device.dtype,
        use_safetensors=True,
        variant=variant_in(folder, prefer_fp16=device.dtype == torch.float16),
        local_files_only=True,
        ignore_mismatched_sizes=True,
        output_loading_info=True,
    )
    check_loaded(IMAGE_ENCODER, info)
    return network.eval().requires_grad_(requires_grad=False).to(device.torch_device)


def _processor_of(files: ModelFiles) -> CLIPImageProcessor | None:
    """The image processor of a model, which diffusers' pipelines use for its IP-Adapter too."""
    folder = files.folder / _EXTRACTOR
    if not (names_component(files.index, _EXTRACTOR) and (folder / _PREPROCESSOR).is_file()):
        return None
    return CLIPImageProcessor.from_pretrained(folder)


def _suitable_processor(
    of_model: CLIPImageProcessor | None, encoder: Path, side: int
) -> CLIPImageProcessor:
    """That of the image encoder's folder, else that of the model, else the one that diffusers makes
    for IP-Adapters. The model's may be for a safety checker with images of another size."""
    if (encoder / _PREPROCESSOR).is_file():
        return CLIPImageProcessor.from_pretrained(encoder)
    if of_model is not None:
        pixels = of_model(Image.new("RGB", (side, 2 * side)), return_tensors="pt").pixel_values
        if pixels.shape[1:] == (3, side, side):
            return of_model
    return CLIPImageProcessor(size=side, crop_size=side)


def _read(file: IpAdapterFile) -> dict[str, dict[str, torch.Tensor]]:
    """The tensors as diffusers' converters take them. Raises ValueError if they are not finite."""
    parts: dict[str, dict[str, torch.Tensor]] = {"image_proj": {}, "ip_adapter": {}}
    for name, tensor in load_file(file.path).items():
        if not bool(torch.isfinite(tensor).all()):
            raise ValueError(f"the tensor {name} has NaN or infinite numbers")
        for part, prefix in (("image_proj", IMAGE_PROJECTION), ("ip_adapter", ATTENTION)):
            if name.startswith(prefix):
                parts[part][name.removeprefix(prefix)] = tensor.float()
    return parts


@contextmanager
def _errors(file: IpAdapterFile) -> Iterator[None]:
    """Convert the exceptions that damaged files cause in the block to EngineErrors."""
    try:
        yield
    except LOAD_ERRORS as error:
        log.debug("the IP-Adapter %s cannot be loaded", file.path, exc_info=error)
        subject = f"the IP-Adapter {file.path}"
        raise load_failure(error, subject, partial(_corrupt_error, file.path)) from error


def _corrupt_error(path: Path, cause: str) -> ModelCorrupt:
    return ModelCorrupt(
        f"The IP-Adapter {path} cannot be loaded; its files are damaged or incomplete: {cause}"
    )
