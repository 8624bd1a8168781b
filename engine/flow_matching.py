"""The noise schedules of flow matching (Lipman et al. 2022, https://arxiv.org/abs/2210.02747), and
the schedulers of diffusers for them.

Latents are a mix `(1 - sigma) * image + sigma * noise`, and the model predicts `noise - image`.
"""

import inspect
import math
from collections.abc import Mapping
from typing import Any, Final

import diffusers

from engine.contract import Sampler
from engine.contract.samplers import FLOW_PREDICTION, FLOW_SAMPLERS

_EULER_OPTIONS: Final = (
    "invert_sigmas",
    "shift_terminal",
    "use_karras_sigmas",
    "use_exponential_sigmas",
    "use_beta_sigmas",
    "stochastic_sampling",
)
"""Keys of a scheduler config that only Euler's scheduler has for flow matching."""
SCHEDULE: Final = frozenset(
    {
        *_EULER_OPTIONS,
        "shift",
        "use_dynamic_shifting",
        "base_shift",
        "max_shift",
        "base_image_seq_len",
        "max_image_seq_len",
        "time_shift_type",
        "token_side",
        "shift_rule",
        "has_even_sigmas",
        "mu",
    }
)
"""The keys of a noise schedule that only models with flow matching have. The first ones are those
of diffusers. `token_side` is the side in pixels of a square that is one token, `shift_rule` the
name of a rule in _SHIFTS, `has_even_sigmas` whether the pipeline gives Euler's scheduler evenly
spaced sigmas, and `mu` the shift for one size of pictures, which `for_picture` adds."""
_DEFAULTS: Final[Mapping[str, float]] = {
    "base_image_seq_len": 256,
    "max_image_seq_len": 4096,
    "base_shift": 0.5,
    "max_shift": 1.15,
}
"""Of diffusers' FlowMatchEulerDiscreteScheduler."""
_ANY_MU: Final = 1.0
"""For test runs without a size."""
_MULTISTEP: Final = {"use_flow_sigmas": True, "prediction_type": FLOW_PREDICTION}
"""Options of the schedulers that are not only for flow matching."""


def is_flow(config: Mapping[str, object]) -> bool:
    """Whether this is the noise schedule of a model with flow matching."""
    return config.get("prediction_type") == FLOW_PREDICTION


def for_picture(
    config: Mapping[str, Any], width: int, height: int, steps: int
) -> Mapping[str, Any]:
    """The noise schedule for pictures of this size in pixels: with dynamic shifting, larger ones
    begin with more noise. Raises TypeError or ValueError for values that are no numbers."""
    if not config.get("use_dynamic_shifting"):
        return config
    tokens = (height // config["token_side"]) * (width // config["token_side"])
    return {**config, "mu": _SHIFTS[config["shift_rule"]](config, tokens, steps)}


def make_flow_scheduler(sampler: Sampler, config: Mapping[str, Any]) -> Any:  # noqa: ANN401 - diffusers' schedulers have no common type
    """A new scheduler of diffusers. Raises ValueError if the sampler does not work with this noise
    schedule."""
    if sampler not in FLOW_SAMPLERS:
        raise ValueError("it is not for models with flow matching")
    spec = sampler.scheduler
    scheduler_class = getattr(diffusers, spec.class_name)
    options = {**_MULTISTEP, **spec.options}
    if sampler is not Sampler.FLOW_EULER:
        shift = _constant_shift(config)
        options |= {"shift": shift, "flow_shift": shift}
        config = {"num_train_timesteps": config.get("num_train_timesteps", 1000)}
    parameters = inspect.signature(scheduler_class).parameters
    return scheduler_class(
        **{key: value for key, value in {**config, **options}.items() if key in parameters}
    )


def set_timesteps(scheduler: Any, steps: int, config: Mapping[str, Any]) -> None:  # noqa: ANN401 - as above
    """As diffusers' pipelines do for a model with this noise schedule."""
    options: dict[str, Any] = {}
    if isinstance(scheduler, diffusers.FlowMatchEulerDiscreteScheduler):
        options["mu"] = config.get("mu", _ANY_MU)
        if config.get("has_even_sigmas"):
            options["sigmas"] = [1.0 - index / steps for index in range(steps)]
    scheduler.set_timesteps(steps, **options)


def _constant_shift(config: Mapping[str, Any]) -> float:
    """The shift for one size. Raises ValueError if only Euler's scheduler can make this noise
    schedule."""
    if any(config.get(option) for option in _EULER_OPTIONS):
        raise ValueError("it cannot space the steps as this model needs it")
    if not config.get("use_dynamic_shifting"):
        return float(config.get("shift", 1.0))
    if config.get("time_shift_type", "exponential") != "exponential":
        raise ValueError("it cannot shift the steps as this model needs it")
    return math.exp(config.get("mu", _ANY_MU))


def _linear_shift(config: Mapping[str, Any], tokens: int, steps: int) -> float:
    """That of the pipelines of Stable Diffusion 3 and Z-Image."""
    from diffusers.pipelines.stable_diffusion_3.pipeline_stable_diffusion_3 import calculate_shift

    values = (config.get(key, default) for key, default in _DEFAULTS.items())
    return float(calculate_shift(tokens, *values))


def _flux_2_shift(config: Mapping[str, Any], tokens: int, steps: int) -> float:
    """That of the pipelines of FLUX.2, which depends on the number of steps too."""
    from diffusers.pipelines.flux2.pipeline_flux2_klein import compute_empirical_mu

    return float(compute_empirical_mu(image_seq_len=tokens, num_steps=steps))


_SHIFTS: Final = {"linear": _linear_shift, "flux_2": _flux_2_shift}
