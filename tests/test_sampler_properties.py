"""What the samplers compute, derived from their definitions and not from diffusers' options."""

from typing import Final

import numpy
import pytest

from engine.contract import Sampler
from engine.contract.samplers import DIFFUSION_SAMPLERS
from engine.samplers import MODEL_OUTPUT, NOISE, REGISTERS, TERMS, Schedule, Step, schedule_from
from engine.schedulers import make_scheduler

CONFIG: Final = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
"""The noise schedule of Stable Diffusion."""
BETAS: Final = numpy.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
ALPHAS_CUMPROD: Final = numpy.cumprod(1 - BETAS)
WIDTH: Final = 0.5
"""The standard deviation of the one-dimensional images."""
FIRST_ORDER: Final = {Sampler.DDIM, Sampler.DDPM, Sampler.EULER, Sampler.EULER_A, Sampler.TCD}
STOCHASTIC: Final = {
    Sampler.DDPM,
    Sampler.EULER_A,
    Sampler.DPM2_A,
    Sampler.DPMPP_2M_SDE,
    Sampler.LCM,
}
TWO_EVALUATIONS: Final = {Sampler.HEUN, Sampler.DPM2, Sampler.DPM2_A}


def schedule(sampler: Sampler, steps: int) -> Schedule:
    """The schedule of a sampler for Stable Diffusion."""
    return schedule_from(sampler, steps, None, CONFIG)


def noise_prediction(step: Step) -> float:
    """The factor of the ideal model: noise = factor * sample, for normally distributed images."""
    positions = numpy.arange(len(ALPHAS_CUMPROD))
    alpha = numpy.exp(numpy.interp(step.timestep, positions, numpy.log(ALPHAS_CUMPROD)))
    variance = alpha * WIDTH**2 + 1 - alpha
    return float(step.input_scale * (1 - alpha) ** 0.5 / variance)


def sampled_width(sampler: Sampler, steps: int) -> float:
    """The standard deviation of the samples, if the model knows that images have WIDTH.

    All steps are linear, so the covariance of the registers follows exactly.
    """
    run = schedule(sampler, steps)
    covariance = numpy.zeros((REGISTERS, REGISTERS))
    covariance[0, 0] = run.init.noise**2
    for step in run.steps:
        weights = numpy.reshape(step.weights, (REGISTERS, TERMS))
        update = weights[:, :REGISTERS].copy()
        update[:, 0] += weights[:, MODEL_OUTPUT] * noise_prediction(step)
        noise = weights[:, NOISE]
        covariance = update @ covariance @ update.T + numpy.outer(noise, noise)
    return float(covariance[0, 0] ** 0.5)


@pytest.mark.parametrize(
    "sampler", [sampler for sampler in DIFFUSION_SAMPLERS if sampler is not Sampler.LCM]
)
def test_the_samples_have_the_distribution_of_the_images(sampler: Sampler) -> None:
    """The error falls with the number of steps: faster if the sampler is of second order.

    LCM needs a model that was distilled for it, which the ideal model is not.
    """
    errors = [abs(sampled_width(sampler, steps) / WIDTH - 1) for steps in (10, 50)]
    assert errors[1] < (0.1 if sampler in FIRST_ORDER else 0.035)
    assert errors[1] < errors[0] / 2


def test_stochastic_samplers_add_noise() -> None:
    """All others are deterministic after the initial noise."""
    assert {
        sampler
        for sampler in DIFFUSION_SAMPLERS
        if any(step.needs_noise for step in schedule(sampler, 9).steps)
    } == STOCHASTIC


def test_samplers_of_two_evaluations_have_twice_the_steps() -> None:
    """Except the last one, which is a plain Euler step; PNDM repeats one to start."""
    for sampler in DIFFUSION_SAMPLERS:
        expected = 17 if sampler in TWO_EVALUATIONS else 10 if sampler is Sampler.PNDM else 9
        assert len(schedule(sampler, 9).steps) == expected, sampler


def test_only_the_karras_sampler_has_karras_sigmas() -> None:
    """Their seventh roots are equidistant (Karras et al. 2022, equation 5)."""
    for sampler in DIFFUSION_SAMPLERS:
        scheduler = make_scheduler(sampler, CONFIG)
        scheduler.set_timesteps(12)
        if not hasattr(scheduler, "sigmas"):
            continue
        roots = numpy.unique(scheduler.sigmas.double().numpy()[:-1]) ** (1 / 7)
        gaps = numpy.diff(roots)
        is_equidistant = bool(abs(gaps / gaps.mean() - 1).max() < 1e-3)
        assert is_equidistant == (sampler is Sampler.DPMPP_2M_KARRAS), sampler
