"""The multistep samplers of models with flow matching, whose noise schedule depends on the size."""

from typing import Any, Final

import pytest
from diffusers import (
    DEISMultistepScheduler,
    DPMSolverMultistepScheduler,
    FlowMatchEulerDiscreteScheduler,
    UniPCMultistepScheduler,
)

from engine.contract import Sampler
from engine.core.engine_core import EngineCore
from tests import test_flux_2_klein, test_stable_diffusion_3
from tests.diffusers_pipeline import assert_alike, diffusers_image
from tests.engine_parts import job, recipe, rendered_images

SCHEDULERS: Final = {
    Sampler.DPMPP_2M: DPMSolverMultistepScheduler,
    Sampler.UNIPC: UniPCMultistepScheduler,
    Sampler.DEIS: DEISMultistepScheduler,
}


def scheduler(sampler: Sampler) -> Any:  # noqa: ANN401 - has no type
    """As diffusers makes it of the scheduler in a model's folder, which lists all values."""
    saved = FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=True, max_shift=1.15)
    options = {"use_flow_sigmas": True, "prediction_type": "flow_prediction"}
    return SCHEDULERS[sampler].from_config(saved.config, **options)


@pytest.mark.parametrize("width", [64, 128])
@pytest.mark.parametrize("sampler", SCHEDULERS)
@pytest.mark.parametrize("family", ["sd3", "klein"])
def test_pictures_equal_those_of_the_pipeline(family: str, sampler: Sampler, width: int) -> None:
    """The pipeline of Z-Image takes none of these samplers."""
    core: EngineCore
    if family == "sd3":
        core, guidance = test_stable_diffusion_3.core(use_dynamic_shifting=True), 5.0
    else:
        core, guidance = test_flux_2_klein.core(), 1.0
    run = recipe(core, sampler=sampler, steps=5, width=width, guidance=guidance)
    theirs = diffusers_image(run, None, core, scheduler(sampler))
    assert_alike(rendered_images(job(run), core)[0], theirs)
