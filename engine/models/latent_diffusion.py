"""What all families have in common that denoise latents with a UNet: loading, pixels, verdicts."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import Any, ClassVar, Final

import torch
from diffusers.image_processor import VaeImageProcessor
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from PIL import Image
from transformers import CLIPImageProcessor

from engine.contract import MAX_SIZE, ROW_CLASSES, BatchSizes, ModelCard, Recipe, Sampler, Verdict
from engine.device import Device
from engine.device.errors import is_out_of_memory, load_failure
from engine.errors import InvalidJob, ModelCorrupt
from engine.models import batch_invariance
from engine.models.base import Words
from engine.models.convolutions import SlotInvariantConvolutions
from engine.models.graphs import Captured
from engine.safety import Panel
from engine.safety.concepts import ConceptChecker
from engine.samplers import longest
from engine.weights import LOAD_ERRORS, ModelFiles

log = logging.getLogger(__name__)

LARGEST_AT_LEAST: Final = 768 * 768
SPARED: Final = 0.25
"""Of a batch's memory is left for the decoder, which works meanwhile."""
TEXTS: Final = 256
"""Prompts that are remembered as the model sees them."""


class LatentDiffusion(ABC):
    """The parts of a pipeline, each called with one picture or one batch of rows."""

    guidance: ClassVar[float]
    """What a request gets that names none."""

    def __init__(
        self,
        pipeline: Any,  # noqa: ANN401 - diffusers has no types
        panel: Panel,
        name: str,
        revision: str,
        device: Device,
    ) -> None:
        unet = pipeline.unet
        device = device.for_model(unet.num_parameters() * unet.config.sample_size**2)
        self.card = _card(pipeline, name, revision, device, self.guidance, self.shapes(device))
        self.device = device
        self.scheduler_config: Mapping[str, object] = pipeline.scheduler.config
        self.pipeline = pipeline
        self._unet = pipeline.unet
        self._vae = pipeline.vae
        self._pixels: Any = VaeImageProcessor(vae_scale_factor=pipeline.vae_scale_factor)
        self._panel = panel
        if device.torch_device.type == "cuda":  # its convolutions are quickest so
            for part in (self._unet, self._vae):
                part.to(memory_format=torch.channels_last)
        self._convolutions = (
            SlotInvariantConvolutions(self._unet) if device.torch_device.type == "cuda" else None
        )
        self._predict = Captured(self.forward, device)
        self._proven = cache(self._prove)
        self._read = lru_cache(TEXTS)(self._encoded)
        self._held: set[tuple[int, int, int]] = set()
        """Width, height and rows of batches that there was memory for: it is not given back."""
        self._weight = 0.0
        """Bytes that a pixel of a row takes in a forward pass, as far as it was measured."""

    @staticmethod
    @abstractmethod
    def shapes(device: Device) -> tuple[BatchSizes, ...]:
        """The row classes of pictures by their size, where they may share batches."""

    @abstractmethod
    def _encoded(self, prompt: str) -> Any:  # noqa: ANN401 - as the family's `words` needs it
        """The prompt as the model sees it; `_read` remembers it."""

    @abstractmethod
    def words(self, recipe: Recipe) -> Words:
        """What a picture's rows are told: without its prompt, if it is guided, and with it."""

    @abstractmethod
    def forward(self, latents: torch.Tensor, timesteps: torch.Tensor, words: Words) -> torch.Tensor:
        """The UNet's forward pass."""

    def predict(self, latents: torch.Tensor, timesteps: torch.Tensor, words: Words) -> torch.Tensor:
        """One evaluation of all rows; each row has its own timestep and words."""
        return self._predict(latents, timesteps, words)

    def latent_shape(self, width: int, height: int) -> tuple[int, int, int, int]:
        """The latents of one picture of this many pixels."""
        factor = self.pipeline.vae_scale_factor
        return 1, self._unet.config.in_channels, height // factor, width // factor

    def exact(self, width: int, height: int, rows: int) -> bool:
        """Is a picture of this size the same to the bit whatever shares its batch of so many rows?

        It is found out when it is asked for the first time.
        """
        return self.device.can_batch and self._proven(width, height, rows)

    def fits(self, width: int, height: int, rows: int) -> bool:
        """Is there memory for such a batch, by what others took?"""
        left = self.device.available_memory()
        if left is None or (width, height, rows) in self._held:
            return True
        return width * height * rows * self._weight * (1 + SPARED) <= left

    def example(self, width: int, height: int) -> Recipe:
        """Some picture of one row, to try things with."""
        return Recipe(
            model=self.card.name,
            revision=self.card.revision,
            prompt="proof",
            seed=0,
            steps=1,
            guidance=0.0,
            sampler=self.card.sampler,
            width=width,
            height=height,
            row_class=ROW_CLASSES[0],
        )

    def _learn_weight(self, pixels: int, taken: int) -> None:
        self._weight = max(self._weight, taken / pixels)

    def _prove(self, width: int, height: int, rows: int) -> bool:
        words, pixels = self.words(self.example(width, height)), width * height * rows
        left = self.device.available_memory()
        try:
            with self.device.measure_peak(partial(self._learn_weight, pixels)):
                self._measure_convolutions(self.latent_shape(width, height), words, rows)
                held = batch_invariance.holds(self, self.latent_shape(width, height), words, rows)
        except (MemoryError, RuntimeError) as error:
            if is_out_of_memory(error) and left is not None:
                self._learn_weight(pixels, left)
            raise
        self._held.add((width, height, rows))
        if not held:
            log.warning(
                "slots change bits in batches of %d rows of %d x %d: such pictures are painted "
                "alone, %d rows at a time",
                *(rows, width, height, ROW_CLASSES[0]),
            )
        return held

    @torch.inference_mode()
    def _measure_convolutions(self, shape: tuple[int, ...], words: Words, rows: int) -> None:
        """Find out which convolutions of such a batch must be computed row by row."""
        if self._convolutions is None:
            return
        device = self.device
        latents = torch.zeros(rows, *shape[1:], device=device.torch_device, dtype=device.dtype)
        timesteps = torch.zeros(rows, device=device.torch_device)
        with self._convolutions.measure():
            self.forward(
                latents,
                timesteps,
                {
                    name: told[:1].expand(rows, *told.shape[1:]).contiguous()
                    for name, told in words.items()
                },
            )

    def encode(self, picture: Image.Image) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and standard deviation of a picture's latents, before `scale`."""
        pixels = self._pixels.preprocess(picture).to(self.device.torch_device, self._vae.dtype)
        latents = self._vae.encode(pixels).latent_dist
        return latents.mean, latents.std

    def scale(self, latents: torch.Tensor) -> torch.Tensor:
        """Encoded latents in the range that the model paints in."""
        centre, spread = self._range(latents)
        scaled: torch.Tensor = (latents - centre) * (self._vae.config.scaling_factor / spread)
        return scaled

    def decode(self, latents: torch.Tensor) -> Image.Image:
        """One picture. Raises InvalidJob if the numbers in it are no picture."""
        latents = latents.to(self._vae.dtype)
        centre, spread = self._range(latents)
        latents = latents / (self._vae.config.scaling_factor / spread) + centre
        decoded = self._vae.decode(latents, return_dict=False)[0]
        if not torch.isfinite(decoded).all():
            raise InvalidJob("The model's numbers overflowed: try another seed, size or sampler.")
        picture: Image.Image = self._pixels.postprocess(decoded, output_type="pil")[0]
        if picture.getbbox() is None:
            raise InvalidJob("The picture came out all black: try another seed or prompt.")
        return picture

    def verdicts(self, picture: Image.Image) -> tuple[Verdict, ...]:
        """What each safety checker says of it; one that fails has flagged it."""
        return self._panel.verdicts(picture)

    def _range(self, like: torch.Tensor) -> tuple[Any, Any]:
        """Centre and spread of encoded latents, where the autoencoder says."""
        config = self._vae.config
        centre, spread = (config.get(name) for name in ("latents_mean", "latents_std"))
        if centre is None or spread is None:
            return 0.0, 1.0
        return like.new_tensor(centre).view(1, -1, 1, 1), like.new_tensor(spread).view(1, -1, 1, 1)


def pipeline(kind: Any, files: ModelFiles, device: Device, **parts: Any) -> Any:  # noqa: ANN401
    """A pipeline of this kind from the model's files; `parts` are classes of transformers, or None
    for what is left out.

    Raises ModelCorrupt, or EngineError where there is too little memory.
    """
    for part in ("unet", "vae"):
        files.require_safetensors(files.folder / part)
    try:
        made = kind.from_pretrained(
            files.folder,
            **{name: part and _whole(part, files, name, device) for name, part in parts.items()},
            dtype=device.dtype,
            use_safetensors=True,
            local_files_only=True,
            low_cpu_mem_usage=True,
        ).to(device.torch_device)
    except LOAD_ERRORS as error:
        raise load_failure(error, f"the model {files.name}", partial(_broken, files)) from error
    made.set_progress_bar_config(disable=True)
    for part in made.components.values():
        if isinstance(part, torch.nn.Module):
            part.requires_grad_(requires_grad=False)
    unet, vae = made.unet.config, made.vae.config
    if unet.in_channels != vae.latent_channels or unet.time_cond_proj_dim is not None:
        raise ModelCorrupt(
            f"The model {files.name} is made for something else than painting from words "
            "(inpainting, or a distilled kind): the engine cannot use it."
        )
    return made


def checker(files: ModelFiles, folder: Path, device: Device) -> ConceptChecker:
    """The safety checker of this folder. Raises ModelCorrupt if its files are damaged."""
    try:
        network = _whole(StableDiffusionSafetyChecker, files, "safety_checker", device, folder)
        extractor = CLIPImageProcessor.from_pretrained(folder / "feature_extractor")
    except LOAD_ERRORS as error:
        raise load_failure(error, f"the model {files.name}", partial(_broken, files)) from error
    return ConceptChecker(network.to(device.torch_device), extractor, device)


def _card(
    pipeline: Any,  # noqa: ANN401 - diffusers has no types
    name: str,
    revision: str,
    device: Device,
    guidance: float,
    shapes: tuple[BatchSizes, ...],
) -> ModelCard:
    """What the bot is told about this model."""
    native = pipeline.unet.config.sample_size * pipeline.vae_scale_factor
    if not device.can_batch:  # each picture is alone, so larger batches are of no use
        shapes = (
            BatchSizes(pixels=MAX_SIZE**2, default=ROW_CLASSES[:1], under_load=ROW_CLASSES[:1]),
        )
    return ModelCard(
        name=name,
        revision=revision,
        native_size=native,
        max_pixels=max(4 * native * native, LARGEST_AT_LEAST),
        steps=20,
        guidance=guidance,
        sampler=Sampler.DPMPP_2M,
        max_concurrent_batches=device.max_concurrent_batches,
        max_steps=longest(pipeline.scheduler.config),
        batch_sizes=shapes,
        fingerprint=device.fingerprint,
    )


def _whole(
    kind: Any,  # noqa: ANN401 - transformers has no types here
    files: ModelFiles,
    component: str,
    device: Device,
    folder: Path | None = None,
) -> Any:  # noqa: ANN401
    """A component of transformers, which would fill gaps in its weights with random numbers."""
    place = (folder or files.folder) / component
    files.require_safetensors(place)
    part, found = kind.from_pretrained(
        place,
        dtype=device.dtype,
        use_safetensors=True,
        local_files_only=True,
        output_loading_info=True,
    )
    gaps = [*found["missing_keys"], *found["mismatched_keys"]]
    if gaps:
        raise _broken(files, f"the {component} has {len(gaps)} gaps in its weights")
    return part.eval()


def _broken(files: ModelFiles, why: str) -> ModelCorrupt:
    return ModelCorrupt(
        f"The model {files.name} cannot be loaded, its files are damaged or half downloaded: {why}"
    )
