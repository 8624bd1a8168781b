"""Check the values in a model's scheduler config, without torch.

diffusers' schedulers do not check them: they fail at a later place, or paint noise.
"""

import json
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from engine.errors import ModelCorrupt

SCHEDULER_FILE: Final = "scheduler/scheduler_config.json"
_MAX_TIMESTEPS: Final = 100_000
_MAX_VALUE_CHARS: Final = 60


class _Rule(NamedTuple):
    """What the value of a key may be."""

    is_allowed: Callable[[object], bool]
    allowed: str
    """In the words of a sentence."""


def _integer(lowest: int, highest: int) -> _Rule:
    def is_allowed(value: object) -> bool:
        return type(value) is int and lowest <= value <= highest

    return _Rule(is_allowed, f"a whole number from {lowest} to {highest}")


def _number(lowest: float, highest: float) -> _Rule:
    return _Rule(
        lambda value: _is_number(value, lowest, highest), f"a number from {lowest:g} to {highest:g}"
    )


def _choice(*values: str) -> _Rule:
    *others, last = values
    return _Rule(lambda value: value in values, f"{', '.join(others)} or {last}")


def _is_number(value: object, lowest: float, highest: float) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return lowest <= value <= highest  # neither NaN nor infinite


def _is_beta_list(value: object) -> bool:
    if value is None:
        return True
    return isinstance(value, list) and any(value) and all(_is_number(beta, 0, 1) for beta in value)


_SWITCH: Final = _Rule(lambda value: value is None or isinstance(value, bool), "true or false")
_BETA: Final = _number(0, 1)
_TIMESTEPS: Final = {"num_train_timesteps": _integer(1, _MAX_TIMESTEPS)}
_DIFFUSION: Final = _TIMESTEPS | {
    "beta_start": _BETA,
    "beta_end": _BETA,
    "beta_schedule": _choice("linear", "scaled_linear", "squaredcos_cap_v2", "sigmoid"),
    "trained_betas": _Rule(_is_beta_list, "null or a list of numbers from 0 to 1, not all 0"),
    "rescale_betas_zero_snr": _SWITCH,
    "set_alpha_to_one": _SWITCH,
    "prediction_type": _choice("epsilon", "v_prediction", "sample"),
    "timestep_spacing": _choice("linspace", "leading", "trailing"),
    "steps_offset": _integer(0, _MAX_TIMESTEPS),
    "original_inference_steps": _integer(1, _MAX_TIMESTEPS),
    "timestep_scaling": _number(0, 1e6),
}
"""The keys of `schedulers.NOISE_SCHEDULE`."""
_OWN_BETAS: Final = ("squaredcos_cap_v2",)
"""The values of `beta_schedule` that do not use beta_start and beta_end."""
_SHIFT: Final = _number(-100, 100)
_TOKENS: Final = _integer(1, 10**9)
_FLOW: Final = _TIMESTEPS | {
    "shift": _number(1e-3, 1e3),
    "shift_terminal": _Rule(
        lambda value: value is None or _is_number(value, 0, 1), "null or a number from 0 to 1"
    ),
    "base_shift": _SHIFT,
    "max_shift": _SHIFT,
    "base_image_seq_len": _TOKENS,
    "max_image_seq_len": _TOKENS,
    "time_shift_type": _choice("exponential", "linear"),
    **dict.fromkeys(
        (
            "use_dynamic_shifting",
            "invert_sigmas",
            "use_karras_sigmas",
            "use_exponential_sigmas",
            "use_beta_sigmas",
            "stochastic_sampling",
        ),
        _SWITCH,
    ),
}
"""The keys of diffusers in `flow_matching.SCHEDULE`."""


def check_scheduler_config(model: str, config: Mapping[str, object], *, is_flow: bool) -> None:
    """Raise ModelCorrupt, with the key and its value, unless the noise schedule in the config of
    this model is one for flow matching, or else one of betas."""
    for key, rule in (_FLOW if is_flow else _DIFFUSION).items():
        is_unread = key in ("beta_start", "beta_end") and config.get("trained_betas") is not None
        if key in config and not is_unread and not rule.is_allowed(config[key]):
            raise ModelCorrupt(
                f"The {key} in {SCHEDULER_FILE} of the model {model} is {_shown(config[key])}; it "
                f"must be {rule.allowed}."
            )
    if is_flow:
        _check_shifts(model, config)
    else:
        _check_betas(model, config)


def _check_shifts(model: str, config: Mapping[str, object]) -> None:
    """Raise ModelCorrupt if the line from one shift to the other has no length."""
    base = config.get("base_image_seq_len", 256)
    if config.get("use_dynamic_shifting") and config.get("max_image_seq_len", 4096) == base:
        raise ModelCorrupt(
            f"The base_image_seq_len and the max_image_seq_len in {SCHEDULER_FILE} of the model "
            f"{model} are both {_shown(base)}; they must differ."
        )


def _check_betas(model: str, config: Mapping[str, object]) -> None:
    """Raise ModelCorrupt if there is no noise at any timestep."""
    is_read = config.get("trained_betas") is None and config.get("beta_schedule") not in _OWN_BETAS
    if is_read and config.get("beta_start") == config.get("beta_end") == 0:
        raise ModelCorrupt(
            f"The beta_start and the beta_end in {SCHEDULER_FILE} of the model {model} are both 0; "
            "one must be larger."
        )


def check_scheduler_class(
    model: str, config: Mapping[str, object], names: tuple[str, ...], *, is_allowed: bool
) -> None:
    """Raise ModelCorrupt unless the scheduler class in the config of this model has one of these
    names or prefixes, or, if `is_allowed` is false, none of them."""
    name = config.get("_class_name")
    if str(name).startswith(names) is not is_allowed:
        must = f"be {' or '.join(names)}" if is_allowed else f"not begin with {' or '.join(names)}"
        raise ModelCorrupt(
            f"The model {model} needs the scheduler {_shown(name)}, for which the engine has no "
            f"sampler: the _class_name in {SCHEDULER_FILE} must {must}."
        )


def _shown(value: object) -> str:
    text = value if isinstance(value, str) and value.isprintable() else json.dumps(value)
    return text if len(text) <= _MAX_VALUE_CHARS else f"{text[:_MAX_VALUE_CHARS]}…"
