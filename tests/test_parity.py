"""Whole runs with the coefficient tables end at the latents of diffusers' own step functions."""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, Final

import diffusers
import pytest
import torch

from engine import samplers
from engine.contract import Backend, Recipe, Sampler
from engine.contract.samplers import DIFFUSION_SAMPLERS
from engine.device import Device
from engine.models.base import Conditioning
from engine.pipeline.denoise import DenoisingState, forward_batch
from engine.pipeline.sources import InputImages
from engine.schedulers import make_scheduler
from tests.engine_parts import engine_core, recipe

MAX_ERROR: Final = 1e-5
"""Relative distance between the final latents."""
MAX_ERROR_ZERO_SNR: Final = 1e-3
"""The same if the latents begin 4096 times as large, with float32's 1e-7 of that as error."""
MAX_ERROR_FLOAT16: Final = 0.03
"""The same where diffusers rounds each step to float16; other noise gives 0.3 and more."""
ZERO_SNR: Final = {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
"""A noise schedule that ends in pure noise (Lin et al. 2024, https://arxiv.org/abs/2305.08891)."""
SHAPE: Final = (1, 4, 8, 8)


@pytest.fixture(scope="module", autouse=True)
def each_integral_once() -> Iterator[None]:
    """The coefficients of LMS, which diffusers integrates numerically, are stored: they depend on
    the noise levels alone, and both sides of a comparison need them."""
    scheduler = diffusers.LMSDiscreteScheduler
    integrate, stored = scheduler.get_lms_coefficient, dict[tuple[object, ...], float]()

    def coefficient(self: Any, order: int, t: int, current_order: int) -> float:  # noqa: ANN401 - a scheduler
        levels = self.sigmas[max(0, t - order) : t + 2]
        key = (order, min(t, order), current_order, levels.dtype, *levels.tolist())
        if key not in stored:
            stored[key] = integrate(self, order, t, current_order)
        return stored[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scheduler, "get_lms_coefficient", coefficient)
        yield


class FormulaModel:
    """A model whose output is a smooth function of latents and timestep."""

    def __init__(self, config: Mapping[str, object], dtype: torch.dtype = torch.float32) -> None:
        self.scheduler_config = config
        self.device = Device(torch.device("cpu"), dtype, 1)
        self.noise_dtype = dtype
        self.image_channels = 0
        self.card = SimpleNamespace(fingerprint="", backends=(Backend.TORCH,))

    def latent_shape(self, width: int, height: int) -> tuple[int, ...]:
        return SHAPE

    def text_chunks(self, recipe: Recipe) -> int:
        return 1

    def encode_prompt(self, recipe: Recipe, text_chunks: int = 1) -> Conditioning:
        return {}

    def is_batch_invariant(
        self,
        width: int,
        height: int,
        rows: int,
        text_chunks: int = 1,
        backend: Backend = Backend.TORCH,
    ) -> bool:
        return True

    def predict(
        self,
        latents: torch.Tensor,
        timesteps: torch.Tensor,
        conditioning: Conditioning,
        backend: Backend = Backend.TORCH,
    ) -> torch.Tensor:
        times = timesteps.reshape(-1, 1, 1, 1) / 1000
        return 0.9 * times * latents + 0.3 * torch.sin(2 * latents + 5 * times)


def scheduler_config(prediction_type: str, **changes: object) -> dict[str, object]:
    """The tiny model's scheduler config with another prediction type and other changes."""
    config = dict(engine_core().model.scheduler_config)
    return config | {"prediction_type": prediction_type, **changes}


def final_latents(recipes: list[Recipe], model: Any) -> list[torch.Tensor]:  # noqa: ANN401 - a FormulaModel
    """The final latents of these recipes, painted in shared batches."""
    init_image = InputImages(model)
    states = [DenoisingState(recipe, init_image) for recipe in recipes]
    while running := [state for state in states if not state.is_finished]:
        for start in range(0, len(running), 32):
            forward_batch(running[start : start + 32], 32)
    return [state.latents for state in states]


def diffusers_latents(recipe: Recipe, model: Any) -> torch.Tensor:  # noqa: ANN401 - a FormulaModel
    """The final latents of diffusers' scheduler, called as in its pipelines."""
    scheduler = make_scheduler(recipe.sampler, model.scheduler_config)
    scheduler.set_timesteps(recipe.steps)
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(0)
    generator = torch.Generator("cpu").manual_seed(recipe.seed)
    dtype = model.device.dtype
    latents: torch.Tensor = torch.randn(SHAPE, generator=generator, dtype=dtype)
    latents = latents * scheduler.init_noise_sigma
    options = samplers._step_options(scheduler)
    if "generator" in options:
        options["generator"] = generator
    for timestep in scheduler.timesteps:
        latent_model_input = scheduler.scale_model_input(latents, timestep)
        output = model.predict(latent_model_input, timestep.reshape(1).float(), {}).to(dtype)
        latents = scheduler.step(output, timestep, latents, **options, return_dict=False)[0]
    return latents


@pytest.mark.parametrize(
    ("prediction_type", "steps"),
    [("epsilon", range(1, 51)), ("v_prediction", (*range(1, 11), 15, 20, 25, 30, 40, 50))],
)
@pytest.mark.parametrize("sampler", DIFFUSION_SAMPLERS)
def test_a_whole_run_ends_where_diffusers_does(
    sampler: Sampler, prediction_type: str, steps: Sequence[int]
) -> None:
    """Runs of 1 to 50 steps share their batches."""
    assert_parity(sampler, steps, scheduler_config(prediction_type), MAX_ERROR)


@pytest.mark.parametrize("sampler", DIFFUSION_SAMPLERS)
def test_a_run_from_pure_noise_ends_where_diffusers_does(sampler: Sampler) -> None:
    """With dpmpp_2m_karras, two of the 25 or more steps have the same timestep."""
    config = scheduler_config("v_prediction", **ZERO_SNR)
    assert_parity(sampler, (2, 25, 30, 50), config, MAX_ERROR_ZERO_SNR)


def assert_parity(
    sampler: Sampler, steps: Iterable[int], config: Mapping[str, object], max_error: float
) -> None:
    """Run these numbers of steps in shared batches, and compare the final latents."""
    model = FormulaModel(config)
    recipes = [
        recipe(sampler=sampler, steps=count, guidance=1.0, row_class=32, seed=count)
        for count in steps
    ]
    for run, ours in zip(recipes, final_latents(recipes, model), strict=True):
        theirs = diffusers_latents(run, model)
        error = (ours - theirs).norm() / theirs.norm()
        assert error <= max_error, f"{run.steps} steps: {error:.1e}"


@pytest.mark.parametrize("sampler", DIFFUSION_SAMPLERS)
def test_step_noise_has_the_dtype_that_diffusers_draws(
    sampler: Sampler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The dtype determines the random numbers, so a float16 model must draw in diffusers' dtype."""
    model: Any = FormulaModel(scheduler_config("epsilon"), torch.float16)
    run = recipe(sampler=sampler, steps=8, guidance=1.0, row_class=2, seed=3)
    scheduler = make_scheduler(sampler, model.scheduler_config)
    module = sys.modules[type(scheduler).__module__]
    steps = DenoisingState(run, InputImages(model)).timeline.steps
    needs_noise = any(step.needs_noise for step in steps)
    if not hasattr(module, "randn_tensor"):
        assert not needs_noise
        return
    dtypes: set[torch.dtype] = set()
    randn_tensor = module.randn_tensor

    def record_dtype(*args: Any, dtype: torch.dtype, **options: Any) -> torch.Tensor:  # noqa: ANN401 # as torch
        dtypes.add(dtype)
        noise: torch.Tensor = randn_tensor(*args, dtype=dtype, **options)
        return noise

    monkeypatch.setattr(module, "randn_tensor", record_dtype)
    diffusers_latents(run, model)
    assert dtypes == ({samplers.noise_dtype(sampler, torch.float16)} if needs_noise else set())


@pytest.mark.parametrize("sampler", DIFFUSION_SAMPLERS)
def test_a_float16_run_ends_where_diffusers_does(sampler: Sampler) -> None:
    """The tolerance covers the precision that diffusers loses by rounding each step to float16."""
    model: Any = FormulaModel(scheduler_config("epsilon"), torch.float16)
    run = recipe(sampler=sampler, steps=8, guidance=1.0, row_class=2, seed=3)
    ours, theirs = final_latents([run], model)[0], diffusers_latents(run, model).float()
    error = (ours - theirs).norm() / theirs.norm()
    assert error <= MAX_ERROR_FLOAT16, f"{error:.1e}"
