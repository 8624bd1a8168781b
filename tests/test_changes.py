"""Changes of prompt, guidance and sampler while an image is painted."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any, Final

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine.bench.backends import pipeline_of
from engine.contract import Change, Img2Img, Recipe, Sampler, Txt2Img, sha256
from engine.contract.images.encode import encode_png
from engine.contract.samplers import DIFFUSION_SAMPLERS
from engine.pipeline.denoise import DenoisingState, forward_batch
from engine.pipeline.sources import InputImages
from engine.pipeline.timeline import timeline_for
from tests.diffusers_pipeline import assert_alike, make_scheduler, unchecked_pipeline
from tests.engine_parts import (
    digests,
    engine_core,
    failure_reason,
    job,
    painted_images,
    recipe,
    rendered_images,
    sketch,
)

CONFIG: Final = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
"""The noise schedule of Stable Diffusion."""
STEPS: Final = 6
AT: Final = 3
"""The step of the change."""
CHANGES: Final = [
    {"prompt": "a boat"},
    {"negative": "grey"},
    {"guidance": 2.0},
    {"guidance": 1.0},
    {"sampler": Sampler.DDIM},
    {"sampler": Sampler.HEUN},
]


def states(run: Recipe) -> list[torch.Tensor]:
    """The latents after each sampler step."""
    state = DenoisingState(run, InputImages(engine_core().model))
    latents: list[torch.Tensor] = []
    while not state.is_finished:
        before = state.completed_steps
        forward_batch([state], state.recipe.row_class)
        if state.completed_steps > before:
            latents.append(state.latents.clone())
    return latents


@pytest.mark.parametrize("change", CHANGES, ids=str)
@pytest.mark.parametrize("sampler", [Sampler.PNDM, Sampler.EULER_A, Sampler.DPM2, Sampler.UNIPC])
def test_the_steps_before_a_change_keep_their_bits(
    sampler: Sampler, change: dict[str, Any]
) -> None:
    """The change takes effect after AT steps; the last of them is shown before it."""
    plain = recipe(sampler=sampler, steps=STEPS)
    changed = recipe(sampler=sampler, steps=STEPS, changes=(Change(step=AT, **change),))
    before, after = states(plain), states(changed)
    assert len(before) == len(after) == STEPS
    assert all(map(torch.equal, before[: AT - 1], after[: AT - 1]))
    is_resampled = change.get("sampler", sampler) is not sampler
    assert is_resampled or torch.equal(before[AT - 1], after[AT - 1])
    assert not any(map(torch.equal, before[AT:], after[AT:]))


@pytest.mark.parametrize("sampler", [Sampler.EULER, Sampler.DPMPP_2M, Sampler.HEUN, Sampler.LMS])
def test_guidance_that_starts_late_keeps_the_bits_of_the_steps_without(sampler: Sampler) -> None:
    """The recipe has two rows from the start, and its first steps use one of them."""
    plain = recipe(sampler=sampler, steps=STEPS, guidance=1.0)
    late = recipe(
        sampler=sampler, steps=STEPS, guidance=1.0, changes=(Change(step=AT, guidance=6.0),)
    )
    before, after = states(plain), states(late)
    assert all(map(torch.equal, before[:AT], after[:AT]))
    assert not torch.equal(before[-1], after[-1])


def test_a_change_that_repeats_the_settings_changes_nothing() -> None:
    """The sampler keeps its history."""
    plain = recipe(steps=STEPS, sampler=Sampler.DPMPP_2M)
    same = Change(step=AT, prompt=plain.prompt, guidance=plain.guidance, sampler=plain.sampler)
    repeated = recipe(steps=STEPS, sampler=Sampler.DPMPP_2M, changes=(same,))
    assert digests(repeated) == digests(plain)


def with_callback(run: Recipe, on_step_end: Callable[..., dict[str, Any]]) -> Any:  # noqa: ANN401
    """The image of diffusers' pipeline, with a callback before the changed evaluation."""
    pipeline: Any = unchecked_pipeline(engine_core())
    pipeline.scheduler = make_scheduler(run.sampler.scheduler, pipeline.scheduler.config)
    pipeline.set_progress_bar_config(disable=True)
    [evaluation] = timeline_for(run, pipeline.scheduler.config).transitions

    def callback(
        pipe: Any,  # noqa: ANN401 - diffusers' pipeline
        index: int,
        _: object,
        values: dict[str, Any],
    ) -> dict[str, Any]:
        return on_step_end(pipe, values) if index == evaluation - 1 else values

    return pipeline(
        prompt=run.prompt,
        negative_prompt=run.negative or None,
        num_inference_steps=run.steps,
        guidance_scale=run.guidance,
        generator=torch.Generator("cpu").manual_seed(run.seed),
        width=run.width,
        height=run.height,
        callback_on_step_end=callback,
        callback_on_step_end_tensor_inputs=["prompt_embeds"],
    ).images[0]


@pytest.mark.parametrize("sampler", DIFFUSION_SAMPLERS)
def test_another_prompt_equals_the_pipeline(sampler: Sampler) -> None:
    """A callback replaces the embeddings of both prompts."""
    change = Change(step=AT, prompt="a boat at night", negative="grey")
    run = recipe(sampler=sampler, steps=STEPS, negative="blue", guidance=6.0, changes=(change,))

    def replace(pipe: Any, values: dict[str, Any]) -> dict[str, Any]:  # noqa: ANN401
        prompt, negative = pipe.encode_prompt(
            change.prompt, pipe.device, 1, True, negative_prompt=change.negative
        )
        return values | {"prompt_embeds": torch.cat([negative, prompt])}

    assert_alike(rendered_images(job(run))[0], with_callback(run, replace))


@pytest.mark.parametrize("guidance", [2.0, 1.0, 0.0])
def test_other_guidance_equals_the_pipeline(guidance: float) -> None:
    """At 1 and below, a callback also drops the negative prompt."""
    run = recipe(steps=STEPS, guidance=6.0, changes=(Change(step=AT, guidance=guidance),))

    def replace(pipe: Any, values: dict[str, Any]) -> dict[str, Any]:  # noqa: ANN401
        pipe._guidance_scale = guidance
        if guidance > 1.0:
            return values
        return values | {"prompt_embeds": values["prompt_embeds"].chunk(2)[1]}

    assert_alike(rendered_images(job(run))[0], with_callback(run, replace))


def level(scheduler: Any, index: int) -> tuple[float, float]:  # noqa: ANN401 - has no type
    """Image and noise in the latents at a timestep, as diffusers' img2img mixes them."""
    scheduler.set_begin_index(index) if hasattr(scheduler, "set_begin_index") else None
    pair = torch.eye(2).reshape(2, 1, 1, 2)
    mixed = scheduler.add_noise(pair[:1], pair[1:], scheduler.timesteps[index : index + 1])
    return float(mixed.flatten()[0]), float(mixed.flatten()[1])


@torch.inference_mode()
def resampled_by_diffusers(run: Recipe, new: Sampler) -> torch.Tensor:
    """The final latents if diffusers' schedulers run one after the other, without guidance."""
    model = engine_core().model
    pipeline: Any = pipeline_of(model)
    embeds = model.encode_prompt(run)["encoder_hidden_states"]
    first = make_scheduler(run.sampler.scheduler, pipeline.scheduler.config)
    second = make_scheduler(new.scheduler, pipeline.scheduler.config)
    first.set_timesteps(run.steps)
    second.set_timesteps(run.steps)
    generator = torch.Generator("cpu").manual_seed(run.seed)
    latents = torch.randn(1, 4, 8, 8, generator=generator) * first.init_noise_sigma
    [evaluation] = timeline_for(run, pipeline.scheduler.config).transitions
    image = latents
    for timestep in first.timesteps[:evaluation]:
        model_input = first.scale_model_input(latents, timestep)
        predicted = pipeline.unet(model_input, timestep, embeds).sample
        alpha = first.alphas_cumprod[round(float(timestep))]
        image = (model_input - (1 - alpha) ** 0.5 * predicted) / alpha**0.5
        latents = first.step(predicted, timestep, latents).prev_sample
    of_image, of_noise = level(
        make_steps(run.sampler, run.steps, pipeline.scheduler.config), evaluation
    )
    noise = (latents - of_image * image) / of_noise
    begin = AT * new.scheduler.order
    timesteps = second.timesteps[begin:]
    if hasattr(second, "set_begin_index"):
        second.set_begin_index(begin)
    latents = second.add_noise(image, noise, timesteps[:1])
    for timestep in timesteps:
        model_input = second.scale_model_input(latents, timestep)
        predicted = pipeline.unet(model_input, timestep, embeds).sample
        latents = second.step(predicted, timestep, latents).prev_sample
    result: torch.Tensor = latents
    return result


def make_steps(sampler: Sampler, steps: int, config: dict[str, object]) -> Any:  # noqa: ANN401
    """A scheduler with its timesteps."""
    scheduler = make_scheduler(sampler.scheduler, config)
    scheduler.set_timesteps(steps)
    return scheduler


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (Sampler.EULER, Sampler.DDIM),
        (Sampler.DDIM, Sampler.DPMPP_2M),
        (Sampler.PNDM, Sampler.EULER),
        (Sampler.HEUN, Sampler.PNDM),
        (Sampler.DPMPP_2M_KARRAS, Sampler.HEUN),
        (Sampler.UNIPC, Sampler.DPM2),
        (Sampler.DPM2, Sampler.LMS),
        (Sampler.LMS, Sampler.DEIS),
    ],
)
def test_another_sampler_equals_diffusers_schedulers(old: Sampler, new: Sampler) -> None:
    """It starts like img2img, with the image and the noise that the first one has found."""
    changes = (Change(step=AT, sampler=new),)
    run = recipe(sampler=old, steps=STEPS, guidance=1.0, changes=changes)
    expected = resampled_by_diffusers(run, new)
    assert (states(run)[-1] - expected).abs().max() < 1e-3 * expected.abs().max()


@pytest.mark.parametrize("sampler", [Sampler.EULER, Sampler.HEUN, Sampler.DPMPP_2M])
def test_changes_of_an_img2img_count_the_steps_that_are_run(sampler: Sampler) -> None:
    """With a strength of 0.5, three of six steps are run."""
    data = encode_png(sketch())
    source = Img2Img(sha256(data), 0.5)
    plain = recipe(sampler=sampler, steps=6, source=source)
    changed = recipe(
        sampler=sampler, steps=6, source=source, changes=(Change(step=2, prompt="a boat"),)
    )
    together = painted_images(job(plain, changed, source=data))
    assert together[0].sha256 != together[1].sha256
    assert [image.sha256 for image in painted_images(job(changed, source=data))] == [
        together[1].sha256
    ]


def test_changed_images_share_batches_with_others_and_keep_their_bits() -> None:
    """Prompts, guidance and samplers change at different steps."""
    mixed = [
        recipe(row_class=8, steps=5),
        recipe(row_class=8, steps=5, changes=(Change(step=2, prompt="a boat"),)),
        recipe(row_class=8, steps=5, changes=(Change(step=1, guidance=1.0),)),
        recipe(
            row_class=8,
            steps=5,
            changes=(
                Change(step=2, sampler=Sampler.HEUN),
                Change(step=4, sampler=Sampler.LCM, prompt="a cat"),
            ),
        ),
    ]
    together = digests(*mixed)
    assert len(set(together)) == 4
    assert together == [digests(single)[0] for single in mixed]


def test_a_sampler_that_cannot_take_the_steps_is_refused() -> None:
    """Those of changes too."""
    run = recipe(steps=60, changes=(Change(step=2, sampler=Sampler.LCM),))
    assert failure_reason(job(run)) == (
        "The sampler lcm takes at most 50 steps; this request has 60."
    )


@st.composite
def changed_recipes(draw: st.DrawFn) -> Recipe:
    """Recipes with changes of their sampler at any steps."""
    steps = draw(st.integers(2, 12))
    strength = draw(st.sampled_from([None, 0.5, 1.0]))
    source = Txt2Img() if strength is None else Img2Img("0" * 64, strength)
    executed = recipe(steps=steps, source=source).executed_steps
    at = draw(st.sets(st.integers(1, executed - 1))) if executed > 1 else set()
    samplers = st.sampled_from(DIFFUSION_SAMPLERS)
    changes = tuple(Change(step=step, sampler=draw(samplers)) for step in sorted(at))
    return recipe(sampler=draw(samplers), steps=steps, source=source, changes=changes)


@given(changed_recipes())
def test_each_step_has_an_end(run: Recipe) -> None:
    """A change takes effect at the end of a step."""
    timeline = timeline_for(run, CONFIG)
    ends = timeline.step_ends
    assert len(ends) == run.executed_steps
    assert all(1 <= after - before <= 2 for before, after in pairwise((0, *ends)))
    assert ends[-1] == len(timeline.steps)
    assert list(timeline.transitions) == [ends[change.step - 1] for change in run.changes]
