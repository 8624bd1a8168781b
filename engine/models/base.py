"""What every model can do, whatever its family."""

from collections.abc import Mapping
from typing import Any, Protocol

import torch
from PIL import Image

from engine.contract import ModelCard, Recipe, Verdict
from engine.device import Device

Words = Mapping[str, torch.Tensor]
"""What a model is told beside latents and time: tensors whose first dimension is the row."""


class PaintModel(Protocol):
    """A loaded model: words and latents in, predictions and pictures out.

    Latents have the shape (rows, channels, height / 8, width / 8).
    """

    card: ModelCard
    device: Device
    scheduler_config: Mapping[str, object]
    """Of the model's own scheduler: what every sampler is made from."""
    pipeline: Any
    """diffusers' own, of the same parts: to compare with."""

    def __hash__(self) -> int:
        """Each is one of its kind."""

    def latent_shape(self, width: int, height: int) -> tuple[int, int, int, int]:
        """The latents of one picture of this many pixels."""

    def words(self, recipe: Recipe) -> Words:
        """What a picture's rows are told: without its prompt, if it is guided, and with it."""

    def encode(self, picture: Image.Image) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and standard deviation of a picture's latents, before `scale`."""

    def scale(self, latents: torch.Tensor) -> torch.Tensor:
        """Encoded latents in the range that the model paints in."""

    def predict(self, latents: torch.Tensor, timesteps: torch.Tensor, words: Words) -> torch.Tensor:
        """One evaluation of all rows; each row has its own timestep and words."""

    def example(self, width: int, height: int) -> Recipe:
        """Some picture of one row, to try things with."""

    def exact(self, width: int, height: int, rows: int) -> bool:
        """Is a picture of this size the same to the bit whatever shares its batch of so many rows?

        It is found out when it is asked for the first time.
        """

    def fits(self, width: int, height: int, rows: int) -> bool:
        """Is there memory for such a batch, by what others took?"""

    def decode(self, latents: torch.Tensor) -> Image.Image:
        """One picture. Raises InvalidJob if the numbers in it are no picture."""

    def verdicts(self, picture: Image.Image) -> tuple[Verdict, ...]:
        """What each safety checker says of it; one that fails has flagged it."""
