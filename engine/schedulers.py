"""The diffusers schedulers of the samplers, with the noise schedule of a model."""

import copy
import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, Protocol

import diffusers
import torch

from engine import flow_matching
from engine.contract import Sampler
from engine.contract.samplers import DIFFUSION_SAMPLERS, FLOW_SAMPLERS

NOISE_SCHEDULE: Final = frozenset(
    {
        "num_train_timesteps",
        "beta_start",
        "beta_end",
        "beta_schedule",
        "trained_betas",
        "rescale_betas_zero_snr",
        "set_alpha_to_one",
        "prediction_type",
        "timestep_spacing",
        "steps_offset",
        "original_inference_steps",
        "timestep_scaling",
    }
)
"""The keys of a scheduler config that describe the model. All others are options of the solver,
which the schedulers of other samplers ignore or interpret differently."""
SCHEDULER_ERRORS: Final = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    AssertionError,
    ImportError,
    RuntimeError,
)
"""The exceptions of diffusers' schedulers for an unsupported config or number of steps."""
_SLOW_CLASSES: Final = ("KDPM2DiscreteScheduler", "KDPM2AncestralDiscreteScheduler")
"""Their constructors set the timesteps of the whole training, which takes half a second."""


class Scheduler(Protocol):
    """The members of diffusers' schedulers that are used here; their base class, SchedulerMixin,
    has none of them."""

    config: Any
    timesteps: torch.Tensor
    order: int
    init_noise_sigma: float
    alphas_cumprod: torch.Tensor

    def set_timesteps(self, num_inference_steps: int) -> None: ...

    def scale_model_input(self, sample: torch.Tensor, timestep: torch.Tensor) -> torch.Tensor: ...

    def add_noise(
        self, original_samples: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor
    ) -> torch.Tensor: ...

    @property
    def step(self) -> Any:  # noqa: ANN401 - its options differ between the schedulers
        """`step(model_output, timestep, sample, **options)`."""


def noise_schedule(config: Mapping[str, object]) -> dict[str, object]:
    """The part of a model's scheduler config that all samplers share.

    Values that diffusers lists as defaults of the model's scheduler class are left out, because
    each class has its own defaults.
    """
    schedule_keys = NOISE_SCHEDULE
    if flow_matching.is_flow(config):
        schedule_keys |= flow_matching.SCHEDULE
    defaults = config.get("_use_default_values")
    defaults = defaults if isinstance(defaults, list) else []
    keys = (key for key in config if key in schedule_keys and key not in defaults)
    return {key: config[key] for key in keys}


def make_scheduler(sampler: Sampler, config: Mapping[str, object]) -> Scheduler:
    """A new diffusers scheduler with the noise schedule of the model's scheduler config.

    Raises one of SCHEDULER_ERRORS if the scheduler does not support the noise schedule.
    """
    return copy.deepcopy(_cached_scheduler(sampler, noise_schedule_json(config)))


def samplers_for(config: Mapping[str, object]) -> tuple[Sampler, ...]:
    """The samplers that may work with this kind of noise schedule."""
    return FLOW_SAMPLERS if flow_matching.is_flow(config) else DIFFUSION_SAMPLERS


def set_timesteps(scheduler: Scheduler, steps: int, config: Mapping[str, object]) -> None:
    """Set the timesteps of a scheduler of this noise schedule.

    Raises one of SCHEDULER_ERRORS if the scheduler does not support the number of steps.
    """
    if flow_matching.is_flow(config):
        flow_matching.set_timesteps(scheduler, steps, config)
    else:
        scheduler.set_timesteps(steps)


def noise_schedule_json(config: Mapping[str, object]) -> str:
    """`noise_schedule` as JSON, which is hashable, for use as a key of caches."""
    return json.dumps(noise_schedule(config), sort_keys=True)


@lru_cache(maxsize=64)
def _cached_scheduler(sampler: Sampler, config: str) -> Scheduler:
    """Cached because some schedulers are slow to construct."""
    spec, values = sampler.scheduler, json.loads(config)
    scheduler: Scheduler
    if flow_matching.is_flow(values):
        scheduler = flow_matching.make_flow_scheduler(sampler, values)
        return scheduler
    scheduler_class = getattr(diffusers, spec.class_name)
    scheduler = _construct(scheduler_class, values, spec.options)
    alphas_cumprod = scheduler.alphas_cumprod
    if not ((alphas_cumprod >= 0) & (alphas_cumprod <= 1)).all():  # NaN fails this too
        raise ValueError("its betas are not between 0 and 1")
    return scheduler


def _construct(
    scheduler_class: Any,  # noqa: ANN401 - diffusers has no types for mypy
    config: Mapping[str, object],
    options: Mapping[str, object],
) -> Any:  # noqa: ANN401 - as above
    """A scheduler whose timesteps are to be set before it is used: _SLOW_CLASSES set one here."""
    if scheduler_class.__name__ not in _SLOW_CLASSES:
        return scheduler_class.from_config(config, **options)

    class QuickScheduler(scheduler_class):  # type: ignore[misc] # diffusers has no types
        def set_timesteps(self, _: int, *options: object) -> None:
            super().set_timesteps(1, *options)

    scheduler = QuickScheduler.from_config(config, **options)
    scheduler.__class__ = scheduler_class
    return scheduler
