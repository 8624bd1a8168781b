"""The samplers that a recipe can name, each a scheduler of diffusers with options."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple

FLOW_PREDICTION: Final = "flow_prediction"
"""diffusers' prediction type of models with flow matching."""


class SchedulerSpec(NamedTuple):
    """How diffusers makes a scheduler: `class_name.from_config(config, **options)`."""

    class_name: str
    options: Mapping[str, object] = MappingProxyType({})
    order: int = 1
    """Model evaluations in each step; diffusers' `scheduler.order`."""
    float32_noise: bool = False
    """Whether the scheduler draws the noise of a step in float32 even if the model is float16."""


_NO_SCHEDULER = SchedulerSpec("")


class Sampler(StrEnum):
    """The samplers: the value is the name in recipes and options."""

    scheduler: SchedulerSpec

    def __new__(cls, name: str, scheduler: SchedulerSpec = _NO_SCHEDULER) -> "Sampler":
        """Create a member. `scheduler` has a default because type checkers take the look-up
        `Sampler("euler")` for a call of this method."""
        sampler = str.__new__(cls, name)
        sampler._value_ = name
        sampler.scheduler = scheduler
        return sampler

    PNDM = "pndm", SchedulerSpec("PNDMScheduler", {"skip_prk_steps": True})
    LMS = "lms", SchedulerSpec("LMSDiscreteScheduler")
    DDIM = (
        "ddim",
        SchedulerSpec("DDIMScheduler", {"clip_sample": False, "set_alpha_to_one": False}),
    )
    DDPM = "ddpm", SchedulerSpec("DDPMScheduler", {"clip_sample": False})
    EULER = "euler", SchedulerSpec("EulerDiscreteScheduler")
    EULER_A = "euler_a", SchedulerSpec("EulerAncestralDiscreteScheduler")
    HEUN = "heun", SchedulerSpec("HeunDiscreteScheduler", order=2)
    DPM2 = "dpm2", SchedulerSpec("KDPM2DiscreteScheduler", order=2)
    DPM2_A = "dpm2_a", SchedulerSpec("KDPM2AncestralDiscreteScheduler", order=2)
    DPMPP_2M = "dpmpp_2m", SchedulerSpec("DPMSolverMultistepScheduler")
    DPMPP_2M_KARRAS = (
        "dpmpp_2m_karras",
        SchedulerSpec("DPMSolverMultistepScheduler", {"use_karras_sigmas": True}),
    )
    DPMPP_2M_SDE = (
        "dpmpp_2m_sde",
        SchedulerSpec(
            "DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++"}, float32_noise=True
        ),
    )
    UNIPC = "unipc", SchedulerSpec("UniPCMultistepScheduler")
    DEIS = "deis", SchedulerSpec("DEISMultistepScheduler")
    LCM = "lcm", SchedulerSpec("LCMScheduler")
    TCD = "tcd", SchedulerSpec("TCDScheduler")
    FLOW_EULER = "flow_euler", SchedulerSpec("FlowMatchEulerDiscreteScheduler")
    FLOW_HEUN = "flow_heun", SchedulerSpec("FlowMatchHeunDiscreteScheduler", order=2)


DIFFUSION_SAMPLERS: Final = tuple(
    sampler for sampler in Sampler if sampler not in (Sampler.FLOW_EULER, Sampler.FLOW_HEUN)
)
"""The samplers for models with a noise schedule of betas."""
FLOW_SAMPLERS: Final = (
    Sampler.DPMPP_2M,
    Sampler.DPMPP_2M_SDE,
    Sampler.UNIPC,
    Sampler.DEIS,
    Sampler.FLOW_EULER,
    Sampler.FLOW_HEUN,
)
"""The samplers for models with flow matching."""
