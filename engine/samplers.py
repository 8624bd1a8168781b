"""The samplers: schedulers of diffusers, converted to tables of coefficients.

Every scheduler here is affine: the sample after a step is a weighted sum of the sample before it,
the model output, noise, and tensors that the scheduler stores from earlier steps. One run of the
scheduler over unit impulses, in float64, gives the weights of all steps. With them, one weighted
sum of tensors advances images of different samplers together.
"""

import inspect
import json
import logging
from collections.abc import Iterator, Mapping
from copy import copy
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Final, NamedTuple

import torch

from engine.contract import Sampler
from engine.contract.samplers import FLOW_PREDICTION
from engine.errors import InvalidJob, first_line
from engine.schedulers import (
    SCHEDULER_ERRORS,
    Scheduler,
    make_scheduler,
    noise_schedule_json,
    samplers_for,
    set_timesteps,
)

_USABLE_STEPS: Final = 2
"""Number of steps in the test run of a sampler: enough for second-order updates."""
REGISTERS: Final = 5
"""Number of tensors that an image keeps between steps: the sample, and those of its scheduler."""
MODEL_OUTPUT, NOISE = REGISTERS, REGISTERS + 1
"""Indices of these terms in the weighted sum, after the registers."""
TERMS: Final = REGISTERS + 2
_STATE_TENSORS: Final = 12
"""Maximum number of tensors that a scheduler stores, including those that no later step reads."""
_IMPULSES: Final = 1 + _STATE_TENSORS + 1
_SHAPE: Final = (1, 1, 1, _IMPULSES + 2)
"""Shape of an impulse tensor. Each element is 1 in one term and 0 in all others; two elements are 0
in all terms."""
_TOLERANCE: Final = 1e-6
"""Maximum deviation of a step from a weighted sum."""
_MIN_WEIGHT: Final = 1e-7
"""Smaller weights are rounding errors and are set to 0."""
log = logging.getLogger(__name__)


class InitWeights(NamedTuple):
    """The initial latents as a weighted sum."""

    image_latents: float
    noise: float


CLEAN: Final = InitWeights(1.0, 0.0)
"""Of latents without noise."""


class X0Weights(NamedTuple):
    """The predicted original sample (x0) as a weighted sum."""

    sample: float
    """Weight of the scaled model input."""
    model_output: float


@dataclass(frozen=True)
class Step:
    """One evaluation of the model and the update that follows it."""

    timestep: float
    input_scale: float
    """Factor of the latents, as diffusers' `scale_model_input`."""
    weights: tuple[float, ...]
    """REGISTERS rows of TERMS columns: the new value of each register as a weighted sum of all
    registers, the model output and noise. Register 0 is the sample."""
    needs_noise: bool
    """Whether the step adds noise from the image's generator."""
    x0: X0Weights

    @cached_property
    def terms(self) -> tuple[int, ...]:
        """The indices of the terms that have a weight other than 0."""
        return tuple(term for term in range(TERMS) if any(self.weights[term::TERMS]))


@dataclass(frozen=True)
class Schedule:
    """All steps of a sampler; recipes with equal sampler, steps and strength share it."""

    steps: tuple[Step, ...]
    init: InitWeights


def usable_samplers(config: Mapping[str, object]) -> dict[Sampler, int | None]:
    """The samplers that work with this noise schedule, each with its maximum number of steps or
    None.

    Samplers of distilled models have a maximum: the number of steps from which the model was
    distilled. Raises ValueError, with a reason, if no sampler works.
    """
    usable, reasons = _probe_samplers(noise_schedule_json(config))
    if not usable:
        reason = next(iter(reasons.values()))
        raise ValueError(f"no sampler works with its scheduler config: {reason}")
    return usable


def log_unusable_samplers(config: Mapping[str, object]) -> None:
    """Log a line for each sampler that does not work with this noise schedule."""
    for sampler, reason in _probe_samplers(noise_schedule_json(config))[1].items():
        log.warning("the sampler %s is not offered: %s", sampler, reason)


@lru_cache(maxsize=16)
def _probe_samplers(config: str) -> tuple[dict[Sampler, int | None], dict[Sampler, str]]:
    """The samplers that work, with their limits; and the others, with the reasons."""
    usable: dict[Sampler, int | None] = {}
    reasons: dict[Sampler, str] = {}
    values = json.loads(config)
    for sampler in samplers_for(values):
        try:
            scheduler = make_scheduler(sampler, values)
            limit = _max_steps(scheduler)
            steps = _USABLE_STEPS if limit is None else min(_USABLE_STEPS, limit)
            _trace(scheduler, steps, None, values)
        except SCHEDULER_ERRORS as error:
            reasons[sampler] = first_line(error)
        else:
            usable[sampler] = limit
    return usable, reasons


def _max_steps(scheduler: Scheduler) -> int | None:
    if "original_inference_steps" not in inspect.signature(scheduler.set_timesteps).parameters:
        return None
    return int(scheduler.config.original_inference_steps)


def noise_dtype(sampler: Sampler, model_dtype: torch.dtype) -> torch.dtype:
    """The dtype in which the sampler's diffusers scheduler draws the noise of a step."""
    return torch.float32 if sampler.scheduler.float32_noise else model_dtype


def schedule_from(
    sampler: Sampler, steps: int, begin: int | None, config: Mapping[str, object]
) -> Schedule:
    """The schedule of a sampler from the step `begin` of `steps` on, with this scheduler config.

    It starts from noise if `begin` is None, else from an image with noise, as
    StableDiffusionImg2ImgPipeline. Raises InvalidJob if the sampler cannot take this number of
    steps.
    """
    return _schedule(sampler, steps, begin, noise_schedule_json(config))


def noise_levels(
    sampler: Sampler, steps: int, config: Mapping[str, object]
) -> tuple[InitWeights, ...]:
    """Image and noise in the latents of a sampler before each of its evaluations, and after the
    last one, where they have no noise."""
    return _noise_levels(sampler, steps, noise_schedule_json(config))


@lru_cache(maxsize=256)
def _schedule(sampler: Sampler, steps: int, begin: int | None, config: str) -> Schedule:
    try:
        values = json.loads(config)
        return _trace(make_scheduler(sampler, values), steps, begin, values)
    except SCHEDULER_ERRORS as error:
        raise InvalidJob(
            f"The sampler {sampler} cannot take {steps} steps with this model: {first_line(error)}"
        ) from error


@lru_cache(maxsize=256)
def _noise_levels(sampler: Sampler, steps: int, config: str) -> tuple[InitWeights, ...]:
    values = json.loads(config)
    scheduler = make_scheduler(sampler, values)
    set_timesteps(scheduler, steps, values)
    levels = []
    for index in range(len(scheduler.timesteps)):
        at_index = copy(scheduler)  # some schedulers remember the first index
        levels.append(_img2img_weights(at_index, _timesteps_from(at_index, index)))
    return (*levels, CLEAN)


def _trace(
    scheduler: Scheduler, steps: int, begin: int | None, config: Mapping[str, object]
) -> Schedule:
    set_timesteps(scheduler, steps, config)
    timesteps = _timesteps_from(scheduler, (begin or 0) * scheduler.order)
    # The schedulers for flow matching begin with pure noise and do not say so.
    init = InitWeights(0.0, float(getattr(scheduler, "init_noise_sigma", 1.0)))
    if begin is not None:
        init = _img2img_weights(scheduler, timesteps)
    traced_steps = list(_Probe(scheduler).trace(timesteps))
    return Schedule(tuple(_allocate_registers(traced_steps)), init)


def _timesteps_from(scheduler: Scheduler, index: int) -> torch.Tensor:
    """As StableDiffusionImg2ImgPipeline.get_timesteps.

    The scheduler is told the position of the first timestep: it would look for its value, which
    another step can have too.
    """
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(index)
    return scheduler.timesteps[index:]


def _img2img_weights(scheduler: Scheduler, timesteps: torch.Tensor) -> InitWeights:
    pair = torch.eye(2, dtype=torch.float64).reshape(2, 1, 1, 2)
    if hasattr(scheduler, "scale_noise"):  # of schedulers for flow matching
        mixed = scheduler.scale_noise(pair[:1], timesteps[:1], pair[1:]).flatten()
    else:
        mixed = scheduler.add_noise(pair[:1], pair[1:], timesteps[:1]).flatten()
    return InitWeights(float(mixed[0]), float(mixed[1]))


@dataclass(frozen=True)
class _TracedStep:
    """A step with weights, (1 + _STATE_TENSORS, _IMPULSES + 1), of all tensors that were stored."""

    timestep: float
    input_scale: float
    weights: torch.Tensor
    needs_noise: bool
    x0: X0Weights


_Slot = tuple[str, int]
"""Where a scheduler stores a tensor: the attribute, and its index if that is a list, else -1."""


class _Probe:
    """Runs a scheduler with impulses in place of the sample and of its stored tensors."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._options = _step_options(scheduler)
        self._columns: dict[_Slot, int] = {}

    def trace(self, timesteps: torch.Tensor) -> Iterator[_TracedStep]:
        for seed, timestep in enumerate(timesteps):
            for slot, column in self._state_tensors():
                self._set(slot, _impulse(column))
            ones = torch.ones(_SHAPE, dtype=torch.float64)
            input_scale = self._scale_model_input(ones, timestep).flatten()[0]
            generator = torch.Generator().manual_seed(seed)
            initial_state = generator.get_state()
            options = self._options | (
                {"generator": generator} if "generator" in self._options else {}
            )
            prev_sample = self._scheduler.step(
                _impulse(_IMPULSES - 1), timestep, _impulse(0), **options, return_dict=False
            )[0]
            needs_noise = not torch.equal(initial_state, generator.get_state())
            noises = _possible_noises(seed) if needs_noise else []
            weights = torch.zeros(_STATE_TENSORS + 1, _IMPULSES + 1, dtype=torch.float64)
            weights[0] = _weights(prev_sample.double(), noises)
            for slot, column in self._state_tensors():
                weights[column] = _weights(self._get(slot).double(), noises)
            x0 = _x0_weights(self._scheduler, float(timestep))
            yield _TracedStep(float(timestep), float(input_scale), weights, needs_noise, x0)

    def _scale_model_input(self, sample: torch.Tensor, timestep: torch.Tensor) -> torch.Tensor:
        """The schedulers for flow matching do not scale it."""
        if not hasattr(self._scheduler, "scale_model_input"):
            return sample
        return self._scheduler.scale_model_input(sample, timestep)

    def _state_tensors(self) -> Iterator[tuple[_Slot, int]]:
        """The slots in which the scheduler stores tensors of the sample's shape, and the column of
        each."""
        for name, value in vars(self._scheduler).items():
            values = value if isinstance(value, list) else [value]
            for index, tensor in enumerate(values):
                if isinstance(tensor, torch.Tensor) and tensor.shape == _SHAPE:
                    slot = name, index if isinstance(value, list) else -1
                    yield slot, self._columns.setdefault(slot, len(self._columns) + 1)

    def _get(self, slot: _Slot) -> torch.Tensor:
        name, index = slot
        value = getattr(self._scheduler, name)
        tensor: torch.Tensor = value if index < 0 else value[index]
        return tensor

    def _set(self, slot: _Slot, tensor: torch.Tensor) -> None:
        name, index = slot
        if index < 0:
            setattr(self._scheduler, name, tensor)
        else:
            getattr(self._scheduler, name)[index] = tensor


def _impulse(column: int) -> torch.Tensor:
    tensor = torch.zeros(_SHAPE, dtype=torch.float64)
    tensor[..., column] = 1.0
    return tensor


def _possible_noises(seed: int) -> list[torch.Tensor]:
    """The noises that schedulers draw with this seed: some draw float32 for a float64 sample."""
    return [
        torch.randn(_SHAPE, generator=torch.Generator().manual_seed(seed), dtype=dtype).double()
        for dtype in (torch.float64, torch.float32)
    ]


def _weights(tensor: torch.Tensor, noises: list[torch.Tensor]) -> torch.Tensor:
    """The weight of each impulse in a tensor and, last, of the noise: (_IMPULSES + 1,).

    Raises ValueError if the tensor is not a weighted sum of impulses and noise.
    """
    for noise in noises or [torch.zeros(_SHAPE, dtype=torch.float64)]:
        noise_weight = (tensor[..., -1] / noise[..., -1]).nan_to_num(0.0)
        without_noise = tensor - noise_weight * noise
        if without_noise[..., -2:].abs().max() < _TOLERANCE:
            weights = torch.cat([without_noise.flatten()[:_IMPULSES], noise_weight.flatten()])
            return torch.where(weights.abs() < _MIN_WEIGHT, 0.0, weights)
    raise ValueError("This scheduler is not affine: its step is not a weighted sum.")


def _allocate_registers(traced_steps: list[_TracedStep]) -> Iterator[Step]:
    """The steps, with registers only for the sample and for tensors that a later step reads.

    A liveness analysis from the last step backwards finds these tensors.
    """
    live = [{0}]
    for step in reversed(traced_steps):
        read = step.weights[sorted(live[0])][:, : _STATE_TENSORS + 1].abs().sum(dim=0)
        live.insert(0, {0} | {int(column) for column in read.nonzero()})
    registers = {0: 0}
    for step, live_before, live_after in zip(traced_steps, live, live[1:], strict=False):
        old = {column: index for column, index in registers.items() if column in live_before}
        free = iter(sorted(set(range(REGISTERS)) - {old[c] for c in live_after if c in old}))
        registers = {
            column: old[column] if column in old else next(free) for column in sorted(live_after)
        }
        weights = torch.zeros(REGISTERS, TERMS, dtype=torch.float64)
        for column, index in registers.items():
            for old_column, old_index in old.items():
                weights[index, old_index] = step.weights[column, old_column]
            weights[index, MODEL_OUTPUT:] = step.weights[column, -2:]
        flat = tuple(weights.flatten().tolist())
        yield Step(step.timestep, step.input_scale, flat, step.needs_noise, step.x0)


def _x0_weights(scheduler: Scheduler, timestep: float) -> X0Weights:
    """The weights of x0 at a timestep.

    Without flow matching, the scaled model input is variance preserving with every sampler
    (Salimans and Ho 2022, https://arxiv.org/abs/2202.00512, appendix D).
    """
    prediction_type = scheduler.config.get("prediction_type", FLOW_PREDICTION)
    if prediction_type == FLOW_PREDICTION:
        return X0Weights(1.0, -timestep / scheduler.config.num_train_timesteps)
    alpha_prod = float(scheduler.alphas_cumprod[round(timestep)])
    if prediction_type == "v_prediction":
        return X0Weights(alpha_prod**0.5, -((1 - alpha_prod) ** 0.5))
    if prediction_type == "sample":
        return X0Weights(0.0, 1.0)
    if prediction_type != "epsilon":
        raise ValueError(f"the prediction type {prediction_type} is not supported")
    return X0Weights(alpha_prod**-0.5, -((1 - alpha_prod) ** 0.5) / alpha_prod**0.5)


def _step_options(scheduler: Scheduler) -> dict[str, Any]:
    """The options that diffusers' pipelines pass to `step`: eta 0 and a generator."""
    parameters = inspect.signature(scheduler.step).parameters
    options = (("eta", 0.0), ("generator", None))
    return {name: value for name, value in options if name in parameters}
