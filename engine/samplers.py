"""The samplers on offer, each one of diffusers' own schedulers, read off as a table of numbers.

Every scheduler here is affine: what it makes of a picture at a step is a weighted sum of the
picture, the model's prediction, noise, and what the scheduler remembers of earlier steps. So one
walk of the scheduler over unit impulses, in float64, gives all weights of all steps, and one
multiplication and addition of tensors serves pictures of all samplers together.
"""

import copy
import inspect
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, NamedTuple

import diffusers
import torch

from engine.contract import Recipe, Sampler
from engine.errors import InvalidJob

REGISTERS: Final = 5
"""Tensors that a picture carries from step to step: itself, and what its scheduler remembers."""
PREDICTION, NOISE = REGISTERS, REGISTERS + 1
"""Where the weights of the prediction and of fresh noise stand, behind those of the registers."""
SOURCES: Final = REGISTERS + 2
_NAMES: Final = 12
"""Places for what a scheduler remembers, before what is never used again is forgotten."""
_IMPULSES: Final = 1 + _NAMES + 1
_SHAPE: Final = (1, 1, 1, _IMPULSES + 2)
"""A picture of impulses: each pixel is 1 in one source and 0 in all others; two are always 0."""
_EXACT: Final = 1e-6
_NOTHING: Final = 1e-7
"""Weights below it are what rounding left over."""


class Weighed(NamedTuple):
    """A sum of two things: how much of each."""

    one: float
    other: float


@dataclass(frozen=True)
class Step:
    """One evaluation of the model, and what becomes of the picture by it."""

    timestep: float
    scale: float
    """Of the latents, as the model wants to see them."""
    weights: tuple[float, ...]
    """REGISTERS lines of SOURCES: each register's next value, out of all registers, the prediction
    and noise. Register 0 is the picture."""
    draws: bool
    """Is fresh noise drawn from the picture's generator?"""
    guess: Weighed
    """Of what the model saw and what it predicted: the finished picture, as far as it can tell."""


@dataclass(frozen=True)
class Course:
    """The way from noise to latents; pictures of one sampler, steps and strength share it."""

    steps: tuple[Step, ...]
    start: Weighed
    """Of the source's latents, and of noise: the first latents."""


def make(sampler: Sampler, config: Mapping[str, object]) -> Any:  # noqa: ANN401 - has no type
    """A fresh scheduler of diffusers, from the model's own scheduler config."""
    return copy.deepcopy(_template(sampler, json.dumps(dict(config))))


@lru_cache(maxsize=64)
def _template(sampler: Sampler, config: str) -> Any:  # noqa: ANN401 - schedulers have no type
    """Kept, because some take long to make."""
    spec = sampler.scheduler
    return getattr(diffusers, spec.class_name).from_config(json.loads(config), **spec.options)


def longest(config: Mapping[str, object]) -> dict[Sampler, int]:
    """Most steps of the samplers that walk a teacher's steps: no more than the teacher took."""
    schedulers = {sampler: make(sampler, config) for sampler in Sampler}
    return {
        sampler: int(scheduler.config.original_inference_steps)
        for sampler, scheduler in schedulers.items()
        if "original_inference_steps" in inspect.signature(scheduler.set_timesteps).parameters
    }


def noise_dtype(sampler: Sampler, model_dtype: torch.dtype) -> torch.dtype:
    """The dtype in which the sampler's diffusers scheduler draws the noise of a step."""
    return torch.float32 if sampler.scheduler.float32_noise else model_dtype


def course(recipe: Recipe, config: Mapping[str, object]) -> Course:
    """The course of this recipe. Raises InvalidJob if its sampler cannot take so many steps."""
    return _course(recipe.sampler, recipe.steps, recipe.strength, json.dumps(dict(config)))


@lru_cache(maxsize=256)
def _course(sampler: Sampler, steps: int, strength: float | None, config: str) -> Course:
    scheduler = make(sampler, json.loads(config))
    try:
        scheduler.set_timesteps(steps)
    except (ValueError, IndexError, ZeroDivisionError) as error:
        raise InvalidJob(f"The sampler {sampler} cannot take {steps} steps: {error}") from error
    timesteps = _timesteps(scheduler, steps, strength)
    start = Weighed(0.0, float(scheduler.init_noise_sigma))
    if strength is not None:
        start = _start_over_source(scheduler, timesteps)
    walk = list(_Probe(scheduler).walk(timesteps))
    return Course(tuple(_without_the_dead(walk)), start)


def _timesteps(scheduler: Any, steps: int, strength: float | None) -> torch.Tensor:  # noqa: ANN401
    """As StableDiffusionImg2ImgPipeline.get_timesteps does it."""
    timesteps: torch.Tensor = scheduler.timesteps
    if strength is None:
        return timesteps
    painted = min(int(steps * strength), steps)
    skipped = (steps - painted) * scheduler.order
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(skipped)
    return timesteps[skipped:]


def _start_over_source(scheduler: Any, timesteps: torch.Tensor) -> Weighed:  # noqa: ANN401
    pair = torch.eye(2, dtype=torch.float64).reshape(2, 1, 1, 2)
    mixed = scheduler.add_noise(pair[:1], pair[1:], timesteps[:1]).flatten()
    return Weighed(float(mixed[0]), float(mixed[1]))


@dataclass(frozen=True)
class _Walked:
    """A step with weights, (1 + _NAMES, _IMPULSES + 1), for all that was ever remembered."""

    timestep: float
    scale: float
    weights: torch.Tensor
    draws: bool
    guess: Weighed


class _Probe:
    """Walks a scheduler with impulses in place of the picture and of all that it remembers."""

    def __init__(self, scheduler: Any) -> None:  # noqa: ANN401 - schedulers have no type
        self._scheduler = scheduler
        self._options = _step_options(scheduler)
        self._places: dict[tuple[str, int], int] = {}

    def walk(self, timesteps: torch.Tensor) -> Iterator[_Walked]:
        for nth, timestep in enumerate(timesteps):
            for place, column in self._remembered():
                self._put(place, _impulse(column))
            ones = torch.ones(_SHAPE, dtype=torch.float64)
            scale = self._scheduler.scale_model_input(ones, timestep).flatten()[0]
            generator = torch.Generator().manual_seed(nth)
            untouched = generator.get_state()
            options = self._options | (
                {"generator": generator} if "generator" in self._options else {}
            )
            stepped = self._scheduler.step(
                _impulse(_IMPULSES - 1), timestep, _impulse(0), **options, return_dict=False
            )[0]
            draws = not torch.equal(untouched, generator.get_state())
            drawn = _drawn(nth) if draws else []
            weights = torch.zeros(_NAMES + 1, _IMPULSES + 1, dtype=torch.float64)
            weights[0] = _weights(stepped.double(), drawn)
            for place, column in self._remembered():
                weights[column] = _weights(self._get(place).double(), drawn)
            guess = _guess(self._scheduler, float(timestep))
            yield _Walked(float(timestep), float(scale), weights, draws, guess)

    def _remembered(self) -> Iterator[tuple[tuple[str, int], int]]:
        """Where the scheduler keeps pictures, and which column each has."""
        for name, value in vars(self._scheduler).items():
            kept = value if isinstance(value, list) else [value]
            for nth, one in enumerate(kept):
                if isinstance(one, torch.Tensor) and one.shape == _SHAPE:
                    place = name, nth if isinstance(value, list) else -1
                    yield place, self._places.setdefault(place, len(self._places) + 1)

    def _get(self, place: tuple[str, int]) -> torch.Tensor:
        name, nth = place
        value = getattr(self._scheduler, name)
        picture: torch.Tensor = value if nth < 0 else value[nth]
        return picture

    def _put(self, place: tuple[str, int], picture: torch.Tensor) -> None:
        name, nth = place
        if nth < 0:
            setattr(self._scheduler, name, picture)
        else:
            getattr(self._scheduler, name)[nth] = picture


def _impulse(column: int) -> torch.Tensor:
    picture = torch.zeros(_SHAPE, dtype=torch.float64)
    picture[..., column] = 1.0
    return picture


def _drawn(seed: int) -> list[torch.Tensor]:
    """What a scheduler may have drawn with this seed: some draw in float32 whatever they get."""
    return [
        torch.randn(_SHAPE, generator=torch.Generator().manual_seed(seed), dtype=dtype).double()
        for dtype in (torch.float64, torch.float32)
    ]


def _weights(picture: torch.Tensor, drawn: list[torch.Tensor]) -> torch.Tensor:
    """How much of each impulse is in this picture, and how much noise, if any was drawn.

    Raises ValueError if it is no weighted sum: then the scheduler cannot be read off.
    """
    for noise in drawn or [torch.zeros(_SHAPE, dtype=torch.float64)]:
        of_noise = (picture[..., -1] / noise[..., -1]).nan_to_num(0.0)
        silent = picture - of_noise * noise
        if silent[..., -2:].abs().max() < _EXACT:
            weights = torch.cat([silent.flatten()[:_IMPULSES], of_noise.flatten()])
            return torch.where(weights.abs() < _NOTHING, 0.0, weights)
    raise ValueError("This scheduler does more than to weigh and to add.")


def _without_the_dead(walk: list[_Walked]) -> Iterator[Step]:
    """The steps with registers for what is used again, and for nothing else.

    From the last step backwards: what is alive is the picture, and what a later step takes.
    """
    alive = [{0}]
    for step in reversed(walk):
        needed = step.weights[sorted(alive[0])][:, : _NAMES + 1].abs().sum(dim=0)
        alive.insert(0, {0} | {int(column) for column in needed.nonzero()})
    registers = {0: 0}
    for step, before, after in zip(walk, alive, alive[1:], strict=False):
        kept = {column: place for column, place in registers.items() if column in before}
        free = iter(sorted(set(range(REGISTERS)) - {kept[c] for c in after if c in kept}))
        registers = {
            column: kept[column] if column in kept else next(free) for column in sorted(after)
        }
        weights = torch.zeros(REGISTERS, SOURCES, dtype=torch.float64)
        for column, place in registers.items():
            for old, old_place in kept.items():
                weights[place, old_place] = step.weights[column, old]
            weights[place, PREDICTION:] = step.weights[column, -2:]
        yield Step(
            step.timestep, step.scale, tuple(weights.flatten().tolist()), step.draws, step.guess
        )


def _guess(scheduler: Any, timestep: float) -> Weighed:  # noqa: ANN401 - schedulers have no type
    """What a model sees is variance-preserving with every sampler (Salimans and Ho 2022,
    https://arxiv.org/abs/2202.00512, appendix D)."""
    kept = float(scheduler.alphas_cumprod[round(timestep)])
    kind = scheduler.config.prediction_type
    if kind == "v_prediction":
        return Weighed(kept**0.5, -((1 - kept) ** 0.5))
    if kind == "sample":
        return Weighed(0.0, 1.0)
    return Weighed(kept**-0.5, -((1 - kept) ** 0.5) / kept**0.5)


def _step_options(scheduler: Any) -> dict[str, Any]:  # noqa: ANN401 - schedulers have no type
    """What the pipelines pass to `step` beside the tensors: eta 0, and a generator."""
    takes = inspect.signature(scheduler.step).parameters
    return {name: value for name, value in (("eta", 0.0), ("generator", None)) if name in takes}
