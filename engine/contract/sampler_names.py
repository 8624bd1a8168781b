"""The names of samplers in AUTOMATIC1111's web UI, in Forge and in ComfyUI.

The web UI and Forge write a sampler and a schedule type, `DPM++ 2M` and `Karras`; the web UI before
version 1.9 and the nodes of ComfyUI write one name, `DPM++ 2M Karras` or `dpmpp_2m_karras`.
"""

import re
from collections.abc import Collection
from typing import Final, NamedTuple

from engine.contract.samplers import Sampler

FLOW_SCHEDULE: Final = "simple"
"""The schedule of models with flow matching: their training steps, evenly spaced and then shifted.
Other models have it too in those programs, but not here."""
_KARRAS: Final = "Karras"
_UNIFORM: Final = "Uniform"
_SIMPLE: Final = "Simple"
_NAMES: Final = {
    Sampler.PNDM: ("PLMS", None),
    Sampler.LMS: ("LMS", _UNIFORM),
    Sampler.DDIM: ("DDIM", None),
    Sampler.DDPM: ("DDPM", None),
    Sampler.EULER: ("Euler", _UNIFORM),
    Sampler.EULER_A: ("Euler a", _UNIFORM),
    Sampler.HEUN: ("Heun", _UNIFORM),
    Sampler.DPM2: ("DPM2", _UNIFORM),
    Sampler.DPM2_A: ("DPM2 a", _UNIFORM),
    Sampler.DPMPP_2M: ("DPM++ 2M", _UNIFORM),
    Sampler.DPMPP_2M_KARRAS: ("DPM++ 2M", _KARRAS),
    Sampler.DPMPP_2M_SDE: ("DPM++ 2M SDE", _UNIFORM),
    Sampler.UNIPC: ("UniPC", None),
    Sampler.DEIS: ("DEIS", None),
    Sampler.LCM: ("LCM", None),
    Sampler.TCD: ("TCD", None),
    Sampler.FLOW_EULER: ("Euler", _SIMPLE),
    Sampler.FLOW_HEUN: ("Heun", _SIMPLE),
}
"""The web UI's sampler and schedule type of each sampler; of a model with flow matching, the
schedule type of all is _SIMPLE."""
_BY_SCHEDULE: Final = {
    (Sampler.DPMPP_2M, "karras"): Sampler.DPMPP_2M_KARRAS,
    (Sampler.DPMPP_2M, "automatic"): Sampler.DPMPP_2M_KARRAS,
    (Sampler.DPMPP_2M_KARRAS, "karras"): Sampler.DPMPP_2M_KARRAS,
    (Sampler.EULER, FLOW_SCHEDULE): Sampler.FLOW_EULER,
    (Sampler.HEUN, FLOW_SCHEDULE): Sampler.FLOW_HEUN,
}
_BY_NAME: Final = {
    **{
        name.lower(): sampler
        for sampler, (name, _) in _NAMES.items()
        if sampler not in _BY_SCHEDULE.values()
    },
    "euler_ancestral": Sampler.EULER_A,
    "dpm_2": Sampler.DPM2,
    "dpm_2_ancestral": Sampler.DPM2_A,
    "dpmpp_2m_sde_gpu": Sampler.DPMPP_2M_SDE,
    "uni_pc": Sampler.UNIPC,
    "uni_pc_bh2": Sampler.UNIPC,
    **{sampler.value: sampler for sampler in Sampler},
}
"""The samplers by their names in the web UI, in ComfyUI and here."""
_SUFFIX: Final = re.compile(
    r"[ _](karras|exponential|polyexponential|normal|simple|beta|sgm_uniform|ddim_uniform)$"
)
"""The schedule at the end of a name."""
_USUAL: Final = frozenset({"", "automatic", "uniform", "normal"})
_COUNTERPARTS: Final = {
    Sampler.EULER: Sampler.FLOW_EULER,
    Sampler.HEUN: Sampler.FLOW_HEUN,
    Sampler.FLOW_EULER: Sampler.EULER,
    Sampler.FLOW_HEUN: Sampler.HEUN,
    Sampler.DPMPP_2M_KARRAS: Sampler.DPMPP_2M,
}


class NamedSampler(NamedTuple):
    """The sampler of a name, and the schedule that was named with it."""

    sampler: Sampler | None
    """None if there is none of this name."""
    schedule: str
    """FLOW_SCHEDULE, or another one that the sampler does not have, in lower case; else empty."""


NO_SAMPLER: Final = NamedSampler(None, "")


def web_ui_name(sampler: Sampler, *, is_flow: bool = False) -> tuple[str, str | None]:
    """The web UI's sampler and, if it has some for that, schedule type; `is_flow` for a model with
    flow matching."""
    name, schedule = _NAMES[sampler]
    return name, _SIMPLE if is_flow else schedule


def find_sampler(name: str, schedule_type: str) -> NamedSampler:
    """The sampler of this name and schedule type, or the nearest one that there is."""
    name = name.strip().lower()
    suffix = None if name in _BY_NAME else _SUFFIX.search(name)
    schedule = schedule_type.strip().lower() or ("" if suffix is None else suffix[1])
    sampler = _BY_NAME.get(name if suffix is None else name[: suffix.start()])
    if sampler is None:
        return NO_SAMPLER
    with_schedule = _BY_SCHEDULE.get((sampler, schedule))
    is_own = schedule in _USUAL or (with_schedule is not None and schedule != FLOW_SCHEDULE)
    return NamedSampler(with_schedule or sampler, "" if is_own else schedule)


def schedule_not_offered(schedule: str, sampler: Sampler) -> str:
    """A sentence for the user."""
    return f"The schedule {schedule} is not offered with {sampler}; its usual one is used."


def counterpart(sampler: Sampler, samplers: Collection[Sampler]) -> Sampler | None:
    """The sampler if it is one of these, else the one of them with the same method and another
    schedule; None if there is neither."""
    if sampler in samplers:
        return sampler
    other = _COUNTERPARTS.get(sampler)
    return other if other in samplers else None
