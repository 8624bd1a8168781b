"""Load the IP-Adapters of IMAGINE_IP_ADAPTER, and the starter's own."""

import logging
from collections.abc import Iterator, Sequence
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
from engine.models.shared_weights import SharedWeights, load_once
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
    encoder_revision,
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
    weights: tuple[SharedWeights, ...]
    """Those of the adapter, which the model must move."""


class _Encoder(SharedWeights):
    """An image encoder, which several models may use."""

    def __init__(self, network: CLIPVisionModelWithProjection, device: Device) -> None:
        super().__init__([network], device)
        self.network = network


class _Adapter(SharedWeights):
    """The rest of an IP-Adapter, which several models may use."""

    def __init__(
        self, projection: torch.nn.Module, layers: Sequence[Projections], device: Device
    ) -> None:
        parts = [part for layer in layers for part in (layer.to_key, layer.to_value)]
        super().__init__([projection, *parts], device)
        self.projection = projection
        self.layers = layers


def load_ip_adapter(
    files: ModelFiles, unet: UNet2DConditionModel, family: FamilyDefaults, device: Device
) -> LoadedIpAdapter | None:
    """The first configured IP-Adapter that fits the UNet of a model; None if none is for it.

    Raises UsageError, ModelNotFound, ModelGated, ModelCorrupt or StorageFailed, with a sentence for
    the operator, if one that is configured cannot be used.
    """
    layers = layers_of(unet)
    for name in ip_adapter_names(files):
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


def ip_adapter_names(files: ModelFiles) -> tuple[str, ...]:
    """Those that a model may use: the configured ones, and the starter's own."""
    is_starter = files.name in STARTERS
    own = [str(STARTER_IP_ADAPTER)] if is_starter and STARTER_IP_ADAPTER.is_dir() else []
    return (*configured_names(), *own)


def layers_of(unet: UNet2DConditionModel) -> UnetLayers:
    """Its cross-attention layers; its weights may be missing."""
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
    folder = image_encoder_of(file)
    encoder = encoder_revision(folder)
    revision = revision_of(file, encoder)
    place = device.torch_device, device.dtype
    with _errors(file):
        network = load_once(_Encoder, (encoder, *place), partial(_load_encoder, folder, device))
        processor = _suitable_processor(processor, folder, network.network.config.image_size)
        rest = load_once(_Adapter, (revision, *place), partial(_load_adapter, file, unet, device))
    image_encoder = ImageEncoder(
        network.network, processor, device, is_pooled=file.has_pooled_input
    )
    adapter = IpAdapter(unet, image_encoder, rest.projection, rest.layers)
    card = ImageAdapterCard(name=file.name, revision=revision, roles=adapter.roles)
    return LoadedIpAdapter(adapter, card, (network, rest))


def _load_adapter(file: IpAdapterFile, unet: UNet2DConditionModel, device: Device) -> _Adapter:
    """With diffusers' converters."""
    tensors = _read(file)
    projection = unet._convert_ip_adapter_image_proj_to_diffusers(
        tensors["image_proj"], low_cpu_mem_usage=False
    )
    processors = unet._convert_ip_adapter_attn_to_diffusers([tensors], low_cpu_mem_usage=False)
    names = _processors(unet)
    for module in (projection, *(processors[name] for name in names)):
        module.to(device.torch_device, device.dtype).requires_grad_(requires_grad=False).eval()
    layers = [
        Projections(
            name.removesuffix(_PROCESSOR),
            processors[name].to_k_ip[0],
            processors[name].to_v_ip[0],
        )
        for name in names
    ]
    return _Adapter(projection, layers, device)


def _load_encoder(folder: Path, device: Device) -> _Encoder:
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
    network.eval().requires_grad_(requires_grad=False)
    return _Encoder(network.to(device.torch_device), device)


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
