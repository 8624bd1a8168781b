"""The sampler table does what diffusers' own step functions do, over whole runs."""

import sys
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, Final

import pytest
import torch

from engine import samplers
from engine.contract import Recipe, Sampler
from engine.device import Device
from engine.models.base import Words
from engine.pipeline.denoise import Canvas, Desk, evaluate
from tests.engine_parts import painter, recipe

CLOSE: Final = 1e-5
"""How far apart two runs may end, beside their length."""
CLOSE_IN_FLOAT16: Final = 0.03
"""The same where diffusers rounds each step to float16; other noise is 0.3 away and more."""
KARRAS: Final = (
    *(Sampler.LMS, Sampler.EULER, Sampler.HEUN, Sampler.DPM2, Sampler.DPM2_A),
    *(Sampler.DPMPP_2M, Sampler.DPMPP_2M_SDE, Sampler.UNIPC, Sampler.DEIS),
)
"""The schedulers that take `use_karras_sigmas`."""
SHAPE: Final = (1, 4, 8, 8)


class Formula:
    """A model that is a formula: as smooth in its input and its time as a real one."""

    def __init__(self, config: Mapping[str, object], dtype: torch.dtype = torch.float32) -> None:
        self.scheduler_config = config
        self.device = Device(torch.device("cpu"), dtype, 1)
        self.card = SimpleNamespace(fingerprint="")

    def latent_shape(self, width: int, height: int) -> tuple[int, ...]:
        """Small."""
        return SHAPE

    def words(self, recipe: Recipe) -> Words:
        """It knows none."""
        return {}

    def exact(self, width: int, height: int, rows: int) -> bool:
        """It treats each number by itself."""
        return True

    def fits(self, width: int, height: int, rows: int) -> bool:
        """It takes none to speak of."""
        return True

    def predict(self, latents: torch.Tensor, timesteps: torch.Tensor, words: Words) -> torch.Tensor:
        """Most of what it sees, bent a little; what is left at late times differs."""
        times = timesteps.reshape(-1, 1, 1, 1) / 1000
        return 0.9 * times * latents + 0.3 * torch.sin(2 * latents + 5 * times)


def config(prediction: str, *, karras: bool) -> dict[str, object]:
    """The tiny model's scheduler config, with this kind of prediction."""
    own = dict(painter().model.scheduler_config)
    return own | {"prediction_type": prediction, "use_karras_sigmas": karras}


def by_table(wanted: list[Recipe], model: Any) -> list[torch.Tensor]:  # noqa: ANN401 - a Formula
    """Where these recipes end, all of them painted together."""
    desk = Desk(model)
    canvases = [Canvas(each, desk) for each in wanted]
    while running := [canvas for canvas in canvases if not canvas.finished]:
        for first in range(0, len(running), 32):
            evaluate(running[first : first + 32])
    return [canvas.latents for canvas in canvases]


def by_diffusers(wanted: Recipe, model: Any) -> torch.Tensor:  # noqa: ANN401 - a Formula
    """Where diffusers' scheduler ends, stepped as the pipelines do."""
    scheduler = samplers.make(wanted.sampler, model.scheduler_config)
    scheduler.set_timesteps(wanted.steps)
    generator = torch.Generator("cpu").manual_seed(wanted.seed)
    dtype = model.device.dtype
    latents: torch.Tensor = torch.randn(SHAPE, generator=generator, dtype=dtype)
    latents = latents * scheduler.init_noise_sigma
    options = samplers._step_options(scheduler)
    if "generator" in options:
        options["generator"] = generator
    for timestep in scheduler.timesteps:
        seen = scheduler.scale_model_input(latents, timestep)
        predicted = model.predict(seen, timestep.reshape(1).float(), {}).to(dtype)
        latents = scheduler.step(predicted, timestep, latents, **options, return_dict=False)[0]
    return latents


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
@pytest.mark.parametrize(
    ("sampler", "karras"),
    [*((each, False) for each in Sampler), *((each, True) for each in KARRAS)],
)
def test_a_whole_run_ends_where_diffusers_does(
    sampler: Sampler, prediction: str, karras: bool
) -> None:
    """In 1 to 50 steps, all of which share their batches."""
    model = Formula(config(prediction, karras=karras))
    wanted = [
        recipe(sampler=sampler, steps=steps, guidance=1.0, row_class=32, seed=steps)
        for steps in range(1, 51)
    ]
    for each, ours in zip(wanted, by_table(wanted, model), strict=True):
        theirs = by_diffusers(each, model)
        error = (ours - theirs).norm() / theirs.norm()
        assert error <= CLOSE, f"{each.steps} steps: {error:.1e}"


@pytest.mark.parametrize("sampler", list(Sampler))
def test_step_noise_has_the_dtype_that_diffusers_draws(
    sampler: Sampler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The dtype is part of the random stream, so a float16 model must draw as diffusers does."""
    model: Any = Formula(config("epsilon", karras=False), torch.float16)
    wanted = recipe(sampler=sampler, steps=8, guidance=1.0, row_class=2, seed=3)
    module = sys.modules[type(samplers.make(sampler, model.scheduler_config)).__module__]
    if not hasattr(module, "randn_tensor"):
        assert not any(step.draws for step in Canvas(wanted, Desk(model)).course.steps)
        return
    dtypes: set[torch.dtype] = set()
    draw = module.randn_tensor

    def recorded(*args: Any, dtype: torch.dtype, **options: Any) -> torch.Tensor:  # noqa: ANN401
        dtypes.add(dtype)
        noise: torch.Tensor = draw(*args, dtype=dtype, **options)
        return noise

    monkeypatch.setattr(module, "randn_tensor", recorded)
    by_diffusers(wanted, model)
    if dtypes:
        assert dtypes == {samplers.noise_dtype(sampler, torch.float16)}


@pytest.mark.parametrize("sampler", list(Sampler))
def test_a_float16_run_ends_where_diffusers_does(sampler: Sampler) -> None:
    """Apart from what diffusers loses by rounding each step to float16."""
    model: Any = Formula(config("epsilon", karras=False), torch.float16)
    wanted = recipe(sampler=sampler, steps=8, guidance=1.0, row_class=2, seed=3)
    ours, theirs = by_table([wanted], model)[0], by_diffusers(wanted, model).float()
    error = (ours - theirs).norm() / theirs.norm()
    assert error <= CLOSE_IN_FLOAT16, f"{error:.1e}"
