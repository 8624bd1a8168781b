"""One picture in progress: from its noise to its latents, one evaluation at a time."""

from dataclasses import dataclass

import torch
from PIL import Image

from engine.contract import Recipe
from engine.models import PaintModel
from engine.noise import Noise
from engine.samplers import Course
from engine.sketches import fit


@dataclass(frozen=True)
class Rows:
    """One picture's rows of a batch, all of the same first dimension."""

    latents: torch.Tensor
    timesteps: torch.Tensor
    text: torch.Tensor


class Desk:
    """What the pictures of one job share: its source, and the texts that it has read already."""

    def __init__(self, model: PaintModel, source: Image.Image | None = None) -> None:
        self.model = model
        self._source = source
        self._texts: dict[str, torch.Tensor] = {}
        self._encoded: dict[tuple[int, int], tuple[torch.Tensor, torch.Tensor]] = {}

    def read(self, prompt: str) -> torch.Tensor:
        """The prompt as the model sees it."""
        if prompt not in self._texts:
            self._texts[prompt] = self.model.read(prompt)
        return self._texts[prompt]

    def encode(self, width: int, height: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and deviation of the source's latents at this size."""
        if self._source is None:
            raise ValueError("This recipe needs its source picture, which did not come along.")
        if (width, height) not in self._encoded:
            fitted = fit(self._source, width, height)
            self._encoded[width, height] = self.model.encode(fitted)
        return self._encoded[width, height]


class Canvas:
    """The state of one picture between two evaluations.

    Raises Unpaintable if the recipe asks for what its sampler cannot do.
    """

    def __init__(self, recipe: Recipe, desk: Desk) -> None:
        self.recipe = recipe
        self._model = desk.model
        self._device = desk.model.hardware.device
        self._noise = Noise(recipe, desk.model.hardware.dtype)
        self._course = Course(recipe, desk.model.scheduler_config, self._device)
        self._text = self._texts(desk)
        self.latents = self._start(desk)
        self._seen = self._told = self.latents
        self._done = 0

    @property
    def evaluations(self) -> int:
        """All of them; second-order samplers have about two for each step."""
        return len(self._course.timesteps)

    @property
    def finished(self) -> bool:
        """Is there nothing left to evaluate?"""
        return self._done == self.evaluations

    @property
    def guess(self) -> torch.Tensor:
        """What the latents will be in the end, as far as the last evaluation knew."""
        if self._done == 0:
            return self.latents
        timestep = self._course.timesteps[self._done - 1]
        return self._course.denoised(self._seen, self._told, timestep)

    def rows(self) -> Rows:
        """What the model is asked next: without the prompt (if guided), then with it."""
        timestep = self._course.timesteps[self._done]
        self._seen = self._course.scaled(self.latents, timestep)
        count = len(self._text)
        return Rows(
            self._seen.expand(count, -1, -1, -1), timestep.float().expand(count), self._text
        )

    def advance(self, predicted: torch.Tensor) -> None:
        """Take the model's answer for `rows`, in their order."""
        timestep = self._course.timesteps[self._done]
        prediction = self._guided(predicted)
        self._told = prediction
        self.latents = self._course.step(prediction, timestep, self.latents, self._noise.seeded)
        self._done += 1

    def _texts(self, desk: Desk) -> torch.Tensor:
        told = desk.read(self.recipe.prompt)
        return torch.cat([desk.read(self.recipe.negative), told]) if self.recipe.guided else told

    def _start(self, desk: Desk) -> torch.Tensor:
        shape = self._model.latent_shape(self.recipe.width, self.recipe.height)
        if self.recipe.strength is None:
            return self._course.first(self._draw(shape))
        mean, deviation = desk.encode(self.recipe.width, self.recipe.height)
        source = self._model.scale(mean + deviation * self._draw(shape))
        return self._course.covered(source, self._draw(shape))

    def _draw(self, shape: tuple[int, ...]) -> torch.Tensor:
        return self._noise.draw(shape).to(self._device)

    def _guided(self, predicted: torch.Tensor) -> torch.Tensor:
        """Classifier-free guidance (Ho and Salimans 2022, https://arxiv.org/abs/2207.12598)."""
        if not self.recipe.guided:
            return predicted
        without, told = predicted.chunk(2)
        return without + self.recipe.guidance * (told - without)


def evaluate(model: PaintModel, canvases: list[Canvas]) -> None:
    """One forward pass for these pictures, padded to their row class by repeating rows.

    The shape of a batch changes the bits of its rows, other rows and places in it do not.
    """
    asked = [canvas.rows() for canvas in canvases]
    counts = [len(rows.text) for rows in asked]
    spare = canvases[0].recipe.row_class - sum(counts)

    def full(parts: list[torch.Tensor]) -> torch.Tensor:
        used = torch.cat(parts)
        return torch.cat([used, used[:1].expand(spare, *used.shape[1:])])

    predicted = model.predict(
        full([rows.latents for rows in asked]),
        full([rows.timesteps for rows in asked]),
        full([rows.text for rows in asked]),
    )
    used = 0
    for canvas, count in zip(canvases, counts, strict=True):
        canvas.advance(predicted[used : used + count])
        used += count
