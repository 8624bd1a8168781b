"""The base class of the model families with a denoiser and a VAE."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from typing import Any, ClassVar, Final

import msgspec
import torch
from diffusers import AutoencoderKL, DiffusionPipeline
from PIL import Image

from engine.contract import (
    Backend,
    BatchSizes,
    Omission,
    PromptFormat,
    Recipe,
    Verdict,
)
from engine.device import Device
from engine.errors import InvalidJob
from engine.models.base import Conditioning, dummy_recipe, expanded
from engine.models.batch_invariance import probe_output
from engine.models.batch_memory import BatchMemory
from engine.models.convolutions import SlotInvariantConvolutions
from engine.models.defaults import Distillation, FamilyDefaults
from engine.models.embeddings import add_embeddings
from engine.models.graphs import GraphCache
from engine.models.latent_codec import LatentCodec
from engine.models.loading import denoiser_of, latent_pixels, model_card, scheduler_config
from engine.models.movable_weights import MovableWeights
from engine.models.offload import resident_networks
from engine.models.openvino_backend import OpenVinoBackend
from engine.models.prompt_tokens import EncoderInput, Prompt, PromptTokenizer, lock_tokenizers
from engine.safety import CheckerSet
from engine.steering.rows import SteeredRows, Steering
from engine.weights.embeddings import EmbeddingFile
from engine.weights.loras import Loras

log = logging.getLogger(__name__)

PROMPT_CACHE_SIZE: Final = 64
"""Number of prompts whose encodings are cached; one of SDXL takes up to 2.5 MB in float16."""


class LatentDiffusion(ABC):
    """A DiffusionModel that calls the components of a diffusers pipeline directly.

    The pipeline has a `vae`, and a `unet` or a `transformer` for its latents.
    """

    family: ClassVar[FamilyDefaults]
    codec: ClassVar[type[LatentCodec]] = LatentCodec
    tokenizers: ClassVar[tuple[str, ...]] = ("tokenizer",)
    """The components of the pipeline that tokenize prompts."""
    mask_interpolation: ClassVar[str] = "nearest"
    text_encoders: ClassVar[tuple[str, ...]] = ()
    """The component of each tokenizer for which there may be embeddings (textual inversion)."""

    def __init__(
        self,
        pipeline: DiffusionPipeline,
        checkers: CheckerSet,
        name: str,
        revision: str,
        device: Device,
        distillation: Distillation | None = None,
    ) -> None:
        self._denoiser = denoiser_of(pipeline)
        device = device.for_model(
            self._denoiser.num_parameters() * latent_pixels(pipeline, self.family)
        )
        batch_sizes = self.batch_sizes(device)
        self.card = model_card(
            pipeline,
            name,
            revision,
            device,
            self.family,
            distillation,
            batch_sizes,
            self.most_clip_skip(pipeline),
        )
        self.device = device
        self.noise_dtype = self.noise_dtype_of(device)
        self.scheduler_config: Mapping[str, object] = scheduler_config(pipeline, self.family)
        self.pipeline = pipeline
        self._vae: AutoencoderKL = pipeline.vae
        self._checkers = checkers
        networks = [*resident_networks(pipeline), *checkers.networks]
        self._weights = MovableWeights(networks, device)
        is_cuda = device.torch_device.type == "cuda"
        if is_cuda:  # cuDNN's fastest layout
            for network in (self._denoiser, self._vae):
                network.to(memory_format=torch.channels_last)
        self._convolutions = SlotInvariantConvolutions(self._denoiser) if is_cuda else None
        is_resident = any(network is self._denoiser for network in networks)
        if device.has_fused_kernels:
            from engine.models.fused_operations import fuse_operations

            for network in (self._denoiser, self._vae):
                if network in networks:
                    fuse_operations(network)
        self.graphs = GraphCache(self.forward, device, can_capture=is_resident)
        """The captured forward passes of `predict`."""
        self._openvino = OpenVinoBackend(self._denoiser, self.forward, self._vae, device)
        self._codec = self.codec(
            pipeline.vae, pipeline.vae_scale_factor, device, self._openvino.decode
        )
        self._probe = cache(self._probe_batch)
        lock_tokenizers(pipeline)
        self._tokenizers = [PromptTokenizer(getattr(pipeline, name)) for name in self.tokenizers]
        self._prompt_cache = lru_cache(PROMPT_CACHE_SIZE)(self._encode_text)
        self._memory = BatchMemory(device)

    def add_embeddings(self, files: Sequence[EmbeddingFile]) -> None:
        """Add the embeddings that fit, before the first picture; a warning is logged for others."""
        if not files or not self.text_encoders:
            return
        added = add_embeddings(
            self.card.name, self.pipeline, self.text_encoders, self.tokenizers, files
        )
        self.card = msgspec.structs.replace(self.card, embeddings=added.embeddings)
        self._tokenizers = [
            PromptTokenizer(getattr(self.pipeline, name), tokens)
            for name, tokens in zip(self.tokenizers, added.tokens, strict=True)
        ]

    @abstractmethod
    def offer_adapters(self, loras: Loras) -> None:
        """Offer those that fit from now on, and no others."""

    @staticmethod
    @abstractmethod
    def batch_sizes(device: Device) -> tuple[BatchSizes, ...]:
        """The row classes by image size, smallest first, for a device that can batch."""

    @staticmethod
    def most_clip_skip(pipeline: DiffusionPipeline) -> int:
        """The highest `clip_skip` of recipes."""
        return 1

    @staticmethod
    def noise_dtype_of(device: Device) -> torch.dtype:
        """In which the noise of the latents is drawn."""
        return device.dtype

    @abstractmethod
    def _encode_text(self, prompt: Prompt) -> Any:  # noqa: ANN401 - as `encode_prompt` needs it
        """The encoding of one prompt; always called through `_prompt_cache`."""

    @abstractmethod
    def encode_prompt(self, recipe: Recipe, text_chunks: int = 1) -> Conditioning:
        """The conditioning of one image: with classifier-free guidance 2 rows, unconditional and
        conditional, else 1. Shorter prompts are padded to so many chunks; long plain prompts are
        truncated as in diffusers."""

    def text_chunks(self, recipe: Recipe) -> int:
        """The number of chunks of the longest of the recipe's prompts that are encoded."""
        if recipe.prompt_format is PromptFormat.PLAIN:
            return 1
        embeddings = recipe.embedding_names
        return max(
            len(tokenizer.chunks(text, embeddings).chunks)
            for tokenizer in self._tokenizers
            for text in recipe.encoded_texts
        )

    def omission(self, recipe: Recipe) -> Omission | None:
        """What the text encoders do not read of the recipe's prompts; None if they read all."""
        phases = recipe.phases
        prompts = {phase.prompt for phase in phases}
        negatives = {phase.negative for phase in phases if phase.uses_cfg}
        prompt_words, negative_words = (
            max((self.omitted_words(text, recipe) for text in texts), default=0)
            for texts in (prompts, negatives)
        )
        return Omission(prompt_words, negative_words) if prompt_words or negative_words else None

    def omitted_words(self, text: str, recipe: Recipe) -> int:
        """How many words at the end of one of the recipe's prompts are not encoded."""
        is_plain = recipe.prompt_format is PromptFormat.PLAIN
        embeddings = recipe.embedding_names
        return max(
            tokenizer.omitted_words(text, embeddings, is_plain=is_plain)
            for tokenizer in self._tokenizers
        )

    def _encoder_inputs(self, prompt: Prompt) -> list[tuple[EncoderInput, ...]]:
        """For each chunk of a prompt, the inputs of the text encoders."""
        inputs = [
            tokenizer.inputs(prompt.text, prompt.chunks, prompt.embeddings)
            for tokenizer in self._tokenizers
        ]
        return list(zip(*inputs, strict=True))

    @abstractmethod
    def forward(
        self, latents: torch.Tensor, timesteps: torch.Tensor, conditioning: Conditioning
    ) -> torch.Tensor:
        """The denoiser's forward pass, without a captured graph."""

    def predict(
        self,
        latents: torch.Tensor,
        timesteps: torch.Tensor,
        conditioning: Conditioning,
        backend: Backend = Backend.TORCH,
    ) -> torch.Tensor:
        """The model output for all rows; each row has its own timestep and conditioning."""
        if backend is Backend.TORCH:
            return self.graphs(latents, timesteps, conditioning)
        return self._openvino.predict(latents, timesteps, conditioning, backend)

    def predict_steered(
        self,
        latents: torch.Tensor,
        timesteps: torch.Tensor,
        conditioning: Conditioning,
        steered: Sequence[SteeredRows],
    ) -> torch.Tensor:
        """The model output for a batch some of whose images are steered; only UNets can be."""
        raise NotImplementedError(f"The model {self.card.name} cannot be steered.")

    def steering_for(self, recipe: Recipe, images: Mapping[str, Image.Image]) -> Steering:
        """What steers an image of this recipe; only UNets can be steered."""
        raise InvalidJob(f"The model {self.card.name} takes no adapters, controls or references.")

    def prove_backends(self) -> None:
        """Put the device's backends on the card that give torch's results, up to rounding."""
        self.card = self._openvino.proved(self.card, self.latent_shape, self.encode_prompt)

    def backend_fingerprint(self, backend: Backend) -> str:
        """What a backend adds to the card's fingerprint; empty for torch."""
        return "" if backend is Backend.TORCH else f", {self._openvino.fingerprint(backend)}"

    @property
    def is_resident(self) -> bool:
        """Whether its weights are on the device."""
        return self._weights.is_resident

    @property
    def memory_bytes(self) -> int:
        """Estimated bytes on the device for its weights and its batches of the native size."""
        side = self.card.native_size
        rows = max(self.card.row_classes(side, side))
        return self._weights.bytes + self._memory.bytes_for(side * side * rows)

    def to_host(self) -> None:
        """Move its weights to the host's memory, and drop the encoded prompts and what was compiled
        for the device. What was proved about batch shapes stays true."""
        self.graphs.clear()
        self._openvino.clear()
        self._prompt_cache.cache_clear()
        self._memory.forget_fitting()
        self._weights.to_host()

    def to_device(self) -> None:
        """Move its weights back. Raises RuntimeError or MemoryError if they do not fit."""
        self._weights.to_device()

    def latent_shape(self, width: int, height: int) -> tuple[int, int, int, int]:
        """The shape of the latents of one image of this size in pixels."""
        factor = self.pipeline.vae_scale_factor
        channels = self._denoiser.config.in_channels - self.image_channels
        return 1, channels, height // factor, width // factor

    @property
    def image_channels(self) -> int:
        """The channels of the denoiser's input that are not those of the latents."""
        return 0

    def is_batch_invariant(
        self,
        width: int,
        height: int,
        rows: int,
        text_chunks: int = 1,
        backend: Backend = Backend.TORCH,
    ) -> bool:
        """Whether the bits of an image are independent of the rest of its batch of `rows` rows.

        Tested at the first call for a shape. Raises RuntimeError or MemoryError if the batch does
        not fit in memory.
        """
        shape = width, height, rows, text_chunks, backend
        return self.device.can_batch and self._probe(*shape) is not None

    def has_equal_rows(
        self,
        width: int,
        height: int,
        rows: int,
        other_rows: int,
        text_chunks: int = 1,
        backend: Backend = Backend.TORCH,
    ) -> bool:
        """Whether the bits of an image are the same in batches of `rows` and `other_rows` rows."""
        sizes = (rows, other_rows)
        shapes = [(width, height, count, text_chunks, backend) for count in sizes]
        if not all(self.is_batch_invariant(*shape) for shape in shapes):
            return False
        output, other = (self._probe(*shape) for shape in shapes)
        return output is not None and other is not None and torch.equal(output, other)

    def fits_in_memory(self, width: int, height: int, rows: int, text_chunks: int = 1) -> bool:
        """Whether there is enough free memory for such a batch, estimated from measurements."""
        return self._memory.fits(width, height, rows, text_chunks)

    def compile_for_all_cores(self, width: int, height: int, rows: int, backend: Backend) -> None:
        """Compile what passes of this shape use that have all cores (`device/cores.py`), if that is
        another network."""
        if backend is not Backend.TORCH:
            shape = self.latent_shape(width, height)
            conditioning = self.encode_prompt(dummy_recipe(self.card, width, height))
            self._openvino.compile_for_all_cores(shape, conditioning, rows, backend)

    def _probe_batch(
        self, width: int, height: int, rows: int, text_chunks: int, backend: Backend
    ) -> torch.Tensor | None:
        """The `probe_output` of such batches."""
        conditioning = self.encode_prompt(dummy_recipe(self.card, width, height), text_chunks)
        shape = self.latent_shape(width, height)
        with self._memory.measure(width, height, rows, text_chunks):
            self._measure_convolutions(shape, conditioning, rows)
            # A graph that was captured before it may compute them as a batch.
            self.graphs.drop(torch.Size([rows, *shape[1:]]))
            output = probe_output(self, shape, conditioning, rows, backend)
        if output is None:
            log.warning(
                "batches of %d rows of %d x %d are not batch-invariant: each picture of this size "
                "gets batches of its own, of %d rows",
                *(rows, width, height, min(self.card.row_classes(width, height))),
            )
        return output

    @torch.inference_mode()
    def _measure_convolutions(
        self, shape: tuple[int, ...], conditioning: Conditioning, rows: int
    ) -> None:
        """Find the convolutions that must be computed row by row in such a batch."""
        if self._convolutions is None:
            return
        device = self.device
        latents = torch.zeros(rows, *shape[1:], device=device.torch_device, dtype=device.dtype)
        timesteps = torch.zeros(rows, device=device.torch_device)
        with self._convolutions.measure():
            self.forward(latents, timesteps, expanded(conditioning, rows))

    def with_references(
        self, conditioning: Conditioning, recipe: Recipe, images: Mapping[str, Image.Image]
    ) -> Conditioning:
        """The conditioning with those references of a recipe that are the model's own prompts."""
        return conditioning

    def with_init_image(
        self, conditioning: Conditioning, image_latents: torch.Tensor
    ) -> Conditioning:
        """The conditioning of an image that is painted over these latents of `scale_latents`."""
        return conditioning

    def encode_image(
        self, image: Image.Image, mask: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """As `LatentCodec.encode`."""
        return self._codec.encode(image, mask)

    def scale_latents(self, latents: torch.Tensor) -> torch.Tensor:
        """Encoded latents, normalised to the range of the denoiser's input."""
        return self._codec.scale(latents)

    def decode_latents(
        self, latents: torch.Tensor, backend: Backend = Backend.TORCH
    ) -> Image.Image:
        """One image from latents (1, channels, height / 8, width / 8).

        Raises InvalidJob if they overflow or the image is black.
        """
        return self._codec.image(self._codec.decode(latents, backend))

    def decode_frames(
        self, latents: torch.Tensor, backend: Backend = Backend.TORCH
    ) -> list[Image.Image | None]:
        """The images of latents (frames, channels, height / 8, width / 8); None for those that
        overflow or are black."""
        frames: list[Image.Image | None] = []
        for pixels in self._codec.decode(latents, backend).split(1):
            try:
                frames.append(self._codec.image(pixels))
            except InvalidJob:
                frames.append(None)
        return frames

    def check_safety(self, image: Image.Image) -> tuple[Verdict, ...]:
        """The verdict of each safety checker; a checker that fails flags the image."""
        return self._checkers.check(image)
