"""One picture in progress: from its noise to its latents, one evaluation at a time."""

from collections.abc import Sequence
from itertools import accumulate

import msgspec
import torch
from PIL import Image

from engine.contract import ROW_CLASSES, Recipe
from engine.device import Device
from engine.imaging.init_image import fit
from engine.models.base import PaintModel
from engine.pipeline.noise import Noise
from engine.samplers import NOISE, PREDICTION, REGISTERS, SOURCES, Step, course, noise_dtype


class Desk:
    """What the pictures of one job share: its source, encoded once for each size."""

    def __init__(self, model: PaintModel) -> None:
        self.model = model
        self.source: Image.Image | None = None
        self._encoded: dict[tuple[int, int], tuple[torch.Tensor, torch.Tensor]] = {}

    def encode(self, width: int, height: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and deviation of the source's latents at this size."""
        if self.source is None:
            raise ValueError("This recipe needs its source picture, which did not come along.")
        if (width, height) not in self._encoded:
            fitted = fit(self.source, width, height)
            self._encoded[width, height] = self.model.encode(fitted)
        return self._encoded[width, height]


class Canvas:
    """The state of one picture between two evaluations.

    Raises InvalidJob if the recipe asks for what its sampler cannot do.
    """

    def __init__(self, recipe: Recipe, desk: Desk) -> None:
        self.alone = not desk.model.exact(recipe.width, recipe.height, recipe.row_class)
        """Does it share no batch, because its slot there would change its bits?"""
        if self.alone:
            recipe = msgspec.structs.replace(recipe, row_class=ROW_CLASSES[0])
        self.recipe = recipe
        self.model = desk.model
        self.desk = desk
        self.course = course(recipe, desk.model.scheduler_config)
        self.done = 0
        self._fresh: torch.Tensor | None = None
        self.words = desk.model.words(recipe)
        """For 2 rows, if the picture is guided, or 1."""
        self._dtype = desk.model.device.dtype
        self._noise = Noise(recipe)
        shape = desk.model.latent_shape(recipe.width, recipe.height)
        self.registers = torch.zeros(REGISTERS, *shape[1:], device=desk.model.device.torch_device)
        """(REGISTERS, channels, height / 8, width / 8), float32; the first is the picture."""
        self.registers[0] = self._start(desk, shape)
        self.guess = self.latents
        """(1, channels, height / 8, width / 8): the end, as far as the last evaluation knew."""

    @property
    def latents(self) -> torch.Tensor:
        """(1, channels, height / 8, width / 8)."""
        return self.registers[:1]

    @property
    def evaluations(self) -> int:
        """All of them; second-order samplers have about two for each step."""
        return len(self.course.steps)

    @property
    def finished(self) -> bool:
        """Is there nothing left to evaluate?"""
        return self.done == self.evaluations

    @property
    def step(self) -> Step:
        """What comes next."""
        return self.course.steps[self.done]

    def fresh_noise(self) -> torch.Tensor:
        """(channels, height / 8, width / 8), from the picture's own generator: for the next step,
        and the same again until that is done."""
        if self._fresh is None:
            dtype = noise_dtype(self.recipe.sampler, self._dtype)
            drawn = self._noise.own(self.latents.shape, dtype)[0]
            self._fresh = self.model.device.to_device(drawn.float())
        return self._fresh

    def advance(self, registers: torch.Tensor, guess: torch.Tensor) -> None:
        """The next step is done."""
        self.registers, self.guess, self._fresh = registers, guess, None
        self.done += 1

    def _start(self, desk: Desk, shape: Sequence[int]) -> torch.Tensor:
        device, start = desk.model.device.torch_device, self.course.start
        if self.recipe.strength is None:
            return self._noise.draw(shape, self._dtype).to(device) * start.other
        mean, deviation = desk.encode(self.recipe.width, self.recipe.height)
        drawn = self._noise.draw(shape, mean.dtype).to(device)
        source = desk.model.scale(mean + deviation * drawn)
        return source * start.one + self._noise.draw(shape, self._dtype).to(device) * start.other


@torch.inference_mode()
def evaluate(canvases: Sequence[Canvas]) -> None:
    """One forward pass for these pictures, all of one model, size and row class, and one update.

    The shape of a batch changes the bits of its rows, but not what else is in it or in what place:
    so it is always padded to its row class, by repeating rows. All other arithmetic treats each
    number by itself, and a picture of no numbers (NaN) spoils no other.
    """
    model = canvases[0].model
    numbers = _Numbers(canvases, model.device)
    batch = _Rows(canvases, model.device)
    sources = torch.stack([_sources(canvas) for canvas in canvases])
    seen = sources[:, 0] * numbers.scale
    predicted = model.predict(
        seen[batch.owners].to(model.device.dtype), numbers.timestep[batch.owners], batch.words
    )
    # Classifier-free guidance (Ho and Salimans 2022, https://arxiv.org/abs/2207.12598).
    without, told = predicted.float()[batch.without], predicted.float()[batch.told]
    sources[:, PREDICTION] = without + numbers.guidance * (told - without)
    registers = torch.zeros_like(sources[:, :REGISTERS])
    for column in range(SOURCES):
        registers += numbers.weights[:, :, column] * sources[:, column, None]
    guess = numbers.of_seen * seen + numbers.of_predicted * sources[:, PREDICTION]
    for place, canvas in enumerate(canvases):
        canvas.advance(registers[place], guess[place : place + 1])


def _sources(canvas: Canvas) -> torch.Tensor:
    """(SOURCES, channels, height / 8, width / 8): the prediction is still missing."""
    sources = canvas.registers.new_zeros(SOURCES, *canvas.registers.shape[1:])
    sources[:REGISTERS] = canvas.registers
    if canvas.step.draws:
        sources[NOISE] = canvas.fresh_noise()
    return sources


class _Numbers:
    """What is different for each picture: one small tensor on its way to the device."""

    def __init__(self, canvases: Sequence[Canvas], device: Device) -> None:
        lines = [
            [
                canvas.step.timestep,
                canvas.step.scale,
                canvas.recipe.guidance,
                *canvas.step.guess,
                *canvas.step.weights,
            ]
            for canvas in canvases
        ]
        table = device.to_device(torch.tensor(lines, dtype=torch.float32))
        wide = table[:, :, None, None, None]
        self.timestep = table[:, 0]
        self.scale, self.guidance, self.of_seen, self.of_predicted = wide[:, 1:5].unbind(1)
        self.weights = wide[:, 5:].unflatten(1, (REGISTERS, SOURCES))


class _Rows:
    """Which rows of the batch belong to which picture."""

    def __init__(self, canvases: Sequence[Canvas], device: Device) -> None:
        counts = [canvas.recipe.rows for canvas in canvases]
        spare = canvases[0].recipe.row_class - sum(counts)
        ends = list(accumulate(counts))
        owners = [place for place, count in enumerate(counts) for _ in range(count)]
        told = [canvas.words for canvas in canvases]
        self.words = {
            name: torch.cat([*(words[name] for words in told), *[told[0][name][:1]] * spare])
            for name in told[0]
        }
        without = [end - count for end, count in zip(ends, counts, strict=True)]
        told_at = [end - 1 for end in ends]
        self.owners, self.told, self.without = device.to_device(
            torch.tensor([*owners, *[0] * spare, *told_at, *without])
        ).split([len(owners) + spare, len(ends), len(ends)])
