"""Every sampler paints what diffusers' own pipelines paint."""

import re
from pathlib import Path
from typing import Final

import numpy
import pytest

from engine import schedulers
from engine.contract import Img2Img, Sampler, Txt2Img, sha256
from engine.contract.images.encode import encode_png
from engine.contract.samplers import DIFFUSION_SAMPLERS
from engine.errors import InvalidJob
from engine.pipeline.timeline import timeline_for
from engine.samplers import log_unusable_samplers, schedule_from, usable_samplers
from tests.diffusers_pipeline import assert_alike, diffusers_image, make_scheduler
from tests.engine_parts import engine_core, job, recipe, rendered_images, sketch

README: Final = Path(__file__).parents[1] / "engine" / "README.md"


@pytest.mark.parametrize("sampler", DIFFUSION_SAMPLERS)
def test_txt2img_equals_the_pipeline(sampler: Sampler) -> None:
    """Each sampler is tested with guidance and a negative prompt."""
    run = recipe(sampler=sampler, steps=6, negative="blue", guidance=6.0)
    assert_alike(rendered_images(job(run))[0], diffusers_image(run))


@pytest.mark.parametrize("strength", [0.35, 0.8, 1.0])
@pytest.mark.parametrize("sampler", DIFFUSION_SAMPLERS)
def test_img2img_equals_the_pipeline(sampler: Sampler, strength: float) -> None:
    """Each sampler is tested at several strengths."""
    source = sketch()
    data = encode_png(source)
    run = recipe(sampler=sampler, steps=6, source=Img2Img(sha256(data), strength))
    assert_alike(rendered_images(job(run, source=data))[0], diffusers_image(run, source))


@pytest.mark.parametrize("sampler", DIFFUSION_SAMPLERS)
def test_a_grid_equals_the_pipeline(sampler: Sampler) -> None:
    """Four images that share their batches equal those that the pipeline paints one by one."""
    grid = [recipe(sampler=sampler, steps=3, seed=seed, row_class=8) for seed in range(90, 94)]
    for ours, single in zip(rendered_images(job(*grid)), grid, strict=True):
        assert_alike(ours, diffusers_image(single))


@pytest.mark.parametrize("guidance", [0.0, 1.0, 1.5, 30.0])
def test_any_guidance_equals_the_pipeline(guidance: float) -> None:
    """There is no classifier-free guidance at 1 and below; the maximum is 30."""
    run = recipe(guidance=guidance, negative="green, dull", steps=6)
    assert_alike(rendered_images(job(run))[0], diffusers_image(run))


@pytest.mark.parametrize(("width", "height"), [(64, 128), (120, 72), (200, 64)])
def test_any_size_equals_the_pipeline(width: int, height: int) -> None:
    """Images need not be square, nor multiples of 64 pixels."""
    run = recipe(width=width, height=height, steps=3)
    assert_alike(rendered_images(job(run))[0], diffusers_image(run))


def test_a_long_prompt_is_truncated_as_in_the_pipeline() -> None:
    """The limit is the text encoder's number of tokens."""
    run = recipe(prompt="a very long story of a house " * 20, negative="no end " * 60)
    assert_alike(rendered_images(job(run))[0], diffusers_image(run))


@pytest.mark.parametrize("steps", [1, 2, 25])
@pytest.mark.parametrize("sampler", DIFFUSION_SAMPLERS)
def test_any_number_of_steps_equals_the_pipeline(sampler: Sampler, steps: int) -> None:
    """Each sampler is tested from one step on."""
    run = recipe(sampler=sampler, steps=steps)
    assert_alike(rendered_images(job(run))[0], diffusers_image(run))


@pytest.mark.parametrize("sampler", [Sampler.LCM, Sampler.TCD])
def test_the_steps_of_distillation_samplers_are_limited(sampler: Sampler) -> None:
    """The limit is the number of steps from which the model was distilled."""
    assert usable_samplers(engine_core().model.scheduler_config)[sampler] == 50
    with pytest.raises(InvalidJob, match="cannot take 51 steps"):
        schedule_from(sampler, 51, None, engine_core().model.scheduler_config)


def test_the_samplers_are_the_documented_schedulers() -> None:
    """The table in engine/README.md has each sampler with its scheduler and options."""
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \| (.*?) ?\|$", README.read_text(), re.MULTILINE)
    assert rows == [
        (
            sampler.value,
            sampler.scheduler.class_name,
            ", ".join(f"`{name}={value!r}`" for name, value in sampler.scheduler.options.items()),
        )
        for sampler in Sampler
    ]


@pytest.mark.parametrize("sampler", DIFFUSION_SAMPLERS)
def test_a_sampler_has_the_order_and_options_of_its_scheduler(sampler: Sampler) -> None:
    """`order` equals that of diffusers, which would ignore unknown options in `from_config`."""
    scheduler = make_scheduler(sampler.scheduler, engine_core().model.scheduler_config)
    assert scheduler.order == sampler.scheduler.order
    for name, value in sampler.scheduler.options.items():
        assert scheduler.config[name] == value


BETAS: Final = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
OTHER_SOLVERS: Final[list[dict[str, object]]] = [
    {"algorithm_type": "deis", "solver_type": "logrho", "solver_order": 2},
    {"algorithm_type": "sde-dpmsolver++", "use_karras_sigmas": True},
    {"use_karras_sigmas": True},
    {"use_exponential_sigmas": True},
    {"use_beta_sigmas": True},
    {"use_flow_sigmas": True},
    {"variance_type": "learned_range"},
    {"final_sigmas_type": "sigma_min", "thresholding": True, "clip_sample": True},
]
"""Options of the scheduler that a model's config names."""


@pytest.mark.parametrize("sampler", DIFFUSION_SAMPLERS)
def test_a_scheduler_is_that_of_diffusers(sampler: Sampler) -> None:
    """Once its timesteps are set, it has the same class and state, however it was constructed."""
    config = engine_core().model.scheduler_config
    ours, theirs = (
        schedulers.make_scheduler(sampler, config),
        make_scheduler(sampler.scheduler, config),
    )
    assert type(ours) is type(theirs)
    assert ours.config == theirs.config
    for scheduler in (ours, theirs):
        scheduler.set_timesteps(7)
    assert vars(ours).keys() == vars(theirs).keys()
    for name, value in vars(theirs).items():
        numpy.testing.assert_equal(numpy.asarray(vars(ours)[name]), numpy.asarray(value), name)


@pytest.mark.parametrize("options", OTHER_SOLVERS, ids=lambda options: next(iter(options)))
def test_a_sampler_has_no_options_of_another_scheduler(options: dict[str, object]) -> None:
    """Only the noise schedule of the model's scheduler config is used."""
    assert list(usable_samplers(BETAS | options)) == list(DIFFUSION_SAMPLERS)
    for sampler in DIFFUSION_SAMPLERS:
        run = recipe(sampler=sampler, steps=3)
        assert timeline_for(run, BETAS | options) == timeline_for(run, BETAS)


@pytest.mark.parametrize(
    "change",
    [
        {"beta_end": 0.02},
        {"trained_betas": [0.001] * 1000},
        {"num_train_timesteps": 500},
        {"prediction_type": "v_prediction"},
        {"timestep_spacing": "trailing"},
        {"timestep_spacing": "leading", "steps_offset": 3},
        {"rescale_betas_zero_snr": True, "prediction_type": "v_prediction"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_sampler_has_the_noise_schedule_of_the_model(change: dict[str, object]) -> None:
    """Each of its values changes the steps."""
    run = recipe(sampler=Sampler.DPMPP_2M, steps=3)
    assert timeline_for(run, BETAS | change) != timeline_for(run, BETAS)


def test_a_sampler_that_does_not_support_the_noise_schedule_is_not_usable(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The log has a line for each."""
    config = BETAS | {"prediction_type": "sample"}
    unusable = [Sampler.PNDM, Sampler.EULER_A, Sampler.DPM2, Sampler.DPM2_A]
    usable = usable_samplers(config)
    assert [sampler for sampler in DIFFUSION_SAMPLERS if sampler not in usable] == unusable
    log_unusable_samplers(config)
    assert [message.split()[2] for message in caplog.messages] == unusable


@pytest.mark.parametrize(
    "change",
    [
        {"prediction_type": "velocity"},
        {"beta_schedule": "unheard of"},
        {"num_train_timesteps": "many"},
        {"beta_start": float("nan")},
        {"beta_end": 7.0},
        {"trained_betas": []},
        {"timestep_spacing": 1, "original_inference_steps": 0},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_noise_schedule_that_no_sampler_supports_has_a_reason(change: dict[str, object]) -> None:
    """The error is a ValueError, whatever diffusers raises."""
    with pytest.raises(ValueError, match="no sampler works with its scheduler config"):
        usable_samplers(BETAS | change)


@pytest.mark.parametrize("steps", [25, 30, 50])
@pytest.mark.parametrize("strength", [None, 0.6, 1.0])
def test_steps_of_equal_timesteps_are_separate(steps: int, strength: float | None) -> None:
    """With a schedule that ends in pure noise, several steps begin at the last timestep."""
    config = BETAS | {
        "prediction_type": "v_prediction",
        "rescale_betas_zero_snr": True,
        "timestep_spacing": "trailing",
    }
    source = Txt2Img() if strength is None else Img2Img("0" * 64, strength)
    run = recipe(sampler=Sampler.DPMPP_2M_KARRAS, steps=steps, source=source)
    timesteps = [step.timestep for step in timeline_for(run, config).steps]
    assert len(timesteps) == (steps if strength is None else int(steps * strength))
    assert strength == 0.6 or timesteps[0] == timesteps[1]
