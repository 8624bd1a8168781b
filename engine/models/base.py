"""The protocol of loaded models, and of the families that load them."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, Protocol

import torch
from PIL import Image

from engine.contract import (
    ROW_CLASSES,
    Backend,
    Edit,
    ModelCard,
    Omission,
    PromptFormat,
    Recipe,
    Txt2Img,
    Verdict,
)
from engine.device import Device
from engine.safety import Checker
from engine.steering.rows import SteeredRows, Steering
from engine.weights.loras import Loras
from engine.weights.model_files import ModelFiles

Conditioning = Mapping[str, torch.Tensor]
"""The inputs of the denoiser besides latents and timesteps; the first dimension is the row."""
IMAGE_CHANNELS: Final = "image_channels"
"""The conditioning of a denoiser whose input has more channels than the latents: (rows, channels,
height / 8, width / 8), those that follow the latents."""


class DiffusionModel(Protocol):
    """A loaded model.

    Latents have the shape (rows, channels, height / 8, width / 8); sizes are in pixels.
    """

    card: ModelCard
    device: Device
    scheduler_config: Mapping[str, object]
    """The noise schedule in the model's scheduler config, which all samplers use."""

    noise_dtype: torch.dtype
    """In which the noise of the latents is drawn, as in diffusers' pipeline of the family."""

    def offer_adapters(self, loras: Loras) -> None:
        """Put those of these LoRAs on the card that fit, and no others. Pictures in progress keep
        theirs. Any thread may call this, one at a time."""

    @property
    def mask_interpolation(self) -> str:
        """How masks become as small as latents, as torch calls it."""

    @property
    def image_channels(self) -> int:
        """The channels of the denoiser's input that are not those of the latents: 0, or those of an
        image to edit, or of a mask and of an image without the parts below the mask."""

    @property
    def is_resident(self) -> bool:
        """Whether its weights are on the device; all other methods that compute need them there."""

    @property
    def memory_bytes(self) -> int:
        """Estimated bytes on the device for its weights and its batches of the native size."""

    def to_host(self) -> None:
        """Move its weights to the host's memory, and drop its captured forward passes."""

    def to_device(self) -> None:
        """Move its weights back. Raises RuntimeError or MemoryError if they do not fit."""

    def latent_shape(self, width: int, height: int) -> tuple[int, int, int, int]:
        """The shape of the latents of one image."""

    def text_chunks(self, recipe: Recipe) -> int:
        """The number of chunks of the longest of the recipe's prompts; see `prompt_chunks`."""

    def omission(self, recipe: Recipe) -> Omission | None:
        """What the text encoders do not read of the recipe's prompts; None if they read all."""

    def encode_prompt(self, recipe: Recipe, text_chunks: int = 1) -> Conditioning:
        """The conditioning of one image: with classifier-free guidance 2 rows, unconditional and
        conditional, else 1. Shorter prompts are padded to so many chunks."""

    def with_references(
        self, conditioning: Conditioning, recipe: Recipe, images: Mapping[str, Image.Image]
    ) -> Conditioning:
        """The conditioning with those references of a recipe that are the model's own prompts;
        `images` are its input images, by their digests."""

    def with_init_image(
        self, conditioning: Conditioning, image_latents: torch.Tensor
    ) -> Conditioning:
        """The conditioning of an image that is painted over these latents of `scale_latents`."""

    def encode_image(
        self, image: Image.Image, mask: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Mean and standard deviation of an image's latents, before `scale_latents`; without the
        latter, the latents are the mean.

        The parts of the image where `mask` is 1, (1, 1, height, width), are made grey.
        """

    def scale_latents(self, latents: torch.Tensor) -> torch.Tensor:
        """Encoded latents, normalised to the range of the denoiser's input."""

    def predict(
        self,
        latents: torch.Tensor,
        timesteps: torch.Tensor,
        conditioning: Conditioning,
        backend: Backend = Backend.TORCH,
    ) -> torch.Tensor:
        """The model output for all rows; each row has its own timestep and conditioning."""

    def predict_steered(
        self,
        latents: torch.Tensor,
        timesteps: torch.Tensor,
        conditioning: Conditioning,
        steered: Sequence[SteeredRows],
    ) -> torch.Tensor:
        """The same by torch for a batch some of whose images have adapters, controls or references.

        `steered` are the rows of these images. The bits of other rows are those of `predict`, and
        those of a steered image do not depend on other images.
        """

    def steering_for(self, recipe: Recipe, images: Mapping[str, Image.Image]) -> Steering:
        """What steers an image of this recipe, made of its input images, which are in their own
        sizes."""

    def prove_backends(self) -> None:
        """Try the backends of this machine, and put those on the card that give torch's results, up
        to rounding. Until then the card has torch alone."""

    def backend_fingerprint(self, backend: Backend) -> str:
        """What a backend adds to the card's fingerprint; empty for torch."""

    def is_batch_invariant(
        self,
        width: int,
        height: int,
        rows: int,
        text_chunks: int = 1,
        backend: Backend = Backend.TORCH,
    ) -> bool:
        """Whether the bits of an image are independent of the rest of its batch of `rows` rows.

        Tested at the first call for a shape, which can take seconds.
        """

    def has_equal_rows(
        self,
        width: int,
        height: int,
        rows: int,
        other_rows: int,
        text_chunks: int = 1,
        backend: Backend = Backend.TORCH,
    ) -> bool:
        """Whether the bits of an image are the same in batches of `rows` and `other_rows` rows, and
        independent of the rest of the batch. Tested at the first call for a shape."""

    def compile_for_all_cores(self, width: int, height: int, rows: int, backend: Backend) -> None:
        """Compile what passes of this shape use that have all cores (`device/cores.py`), if that is
        another network. Otherwise it is compiled in the background when it is first used."""

    def fits_in_memory(self, width: int, height: int, rows: int, text_chunks: int = 1) -> bool:
        """Whether there is enough free memory for such a batch, estimated from measurements."""

    def decode_latents(
        self, latents: torch.Tensor, backend: Backend = Backend.TORCH
    ) -> Image.Image:
        """One image from latents (1, channels, height / 8, width / 8).

        Raises InvalidJob if they overflow or the image is black.
        """

    def decode_frames(
        self, latents: torch.Tensor, backend: Backend = Backend.TORCH
    ) -> list[Image.Image | None]:
        """The images of latents (frames, channels, height / 8, width / 8); None for those that
        overflow or are black.

        Their bits may differ from those of `decode_latents`.
        """

    def check_safety(self, image: Image.Image) -> tuple[Verdict, ...]:
        """The verdict of each safety checker; a checker that fails flags the image."""


class FamilyLoader(Protocol):
    """Loads a model of one family."""

    def __call__(
        self,
        files: ModelFiles,
        device: Device,
        checkers: Sequence[Checker],
        *,
        use_builtin_checker: bool,
    ) -> DiffusionModel:
        """Load a model with these safety checkers and optionally its own.

        Raises ModelCorrupt or NoSafetyChecker, whose messages are for the operator, or one of
        LOAD_ERRORS for damaged files.
        """


class Family(NamedTuple):
    """Models of one architecture."""

    name: str
    """The name in messages for the operator."""
    pipelines: tuple[str, ...]
    """The class names in model_index.json that belong to the family."""
    load: FamilyLoader


def dummy_recipe(card: ModelCard, width: int, height: int) -> Recipe:
    """A recipe of one row, for warm-up and measurements."""
    return Recipe(
        model=card.name,
        revision=card.revision,
        prompt="proof",
        prompt_format=PromptFormat.A1111,
        seed=0,
        steps=1,
        guidance=0.0,
        guidance_embedding=card.guidance_embedding,
        sampler=card.sampler,
        width=width,
        height=height,
        source=Edit("", card.image_guidance) if card.is_editor else Txt2Img(),
        row_class=ROW_CLASSES[0],
    )


def expanded(conditioning: Conditioning, rows: int) -> Conditioning:
    """The conditioning of `rows` rows that are all equal to the first row of this one."""
    return {
        name: tensor[:1].expand(rows, *tensor.shape[1:]).contiguous()
        for name, tensor in conditioning.items()
    }
