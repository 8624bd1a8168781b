"""Models: each family loads and runs behind one protocol."""

from collections.abc import Mapping
from typing import Any, Protocol

import torch
from PIL import Image

from engine.contract import Model
from engine.exits import ModelBroken
from engine.hardware import Hardware
from engine.models.files import Files


class PaintModel(Protocol):
    """A loaded model: text and latents in, predictions and pictures out.

    Latents have the shape (rows, channels, height / 8, width / 8).
    """

    card: Model
    hardware: Hardware
    scheduler_config: Mapping[str, object]
    """Of the model's own scheduler: what every sampler is made from."""

    pipeline: Any
    """diffusers' own, of the same parts: to compare with."""

    def latent_shape(self, width: int, height: int) -> tuple[int, int, int, int]:
        """The latents of one picture of this many pixels."""

    def read(self, prompt: str) -> torch.Tensor:
        """The prompt as the model sees it: (1, tokens, channels)."""

    def encode(self, picture: Image.Image) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and standard deviation of a picture's latents, before `scale`."""

    def scale(self, latents: torch.Tensor) -> torch.Tensor:
        """Encoded latents in the range that the model paints in."""

    def predict(
        self, latents: torch.Tensor, timesteps: torch.Tensor, text: torch.Tensor
    ) -> torch.Tensor:
        """One evaluation of all rows; each row has its own timestep and text."""

    def decode(self, latents: torch.Tensor) -> Image.Image:
        """One picture. Raises Unpaintable if the numbers in it are no picture."""

    def flagged(self, picture: Image.Image) -> bool:
        """Must this picture be withheld? True as well when that cannot be found out."""


def load(name: str, hardware: Hardware) -> PaintModel:
    """The model of this name, ready to paint; its files are downloaded if need be.

    Raises ModelMissing, ModelGated, ModelBroken or ModelUnchecked, in words for its operator.
    """
    from engine.models import stable_diffusion

    files = Files(name)
    if files.family in stable_diffusion.FAMILIES:
        return stable_diffusion.load(files, hardware)
    raise ModelBroken(
        f"The model {name} is a {files.family}; the engine paints with Stable Diffusion 1 and 2."
    )
