"""Sketches painted over by models with flow matching: prepared as diffusers prepares them, and with
the samplers that diffusers' own img2img pipelines do not take."""

from collections.abc import Callable
from typing import Any, Final

import pytest
import torch
from diffusers.image_processor import VaeImageProcessor
from PIL import Image

from engine.contract import Img2Img, Recipe, Sampler, StepRounding, sha256
from engine.contract.images.encode import encode_png
from engine.contract.images.fit import resize_and_crop
from engine.contract.samplers import FLOW_SAMPLERS
from engine.core.engine_core import EngineCore
from tests import test_stable_diffusion_3, test_z_image
from tests.diffusers_pipeline import assert_alike, diffusers_image, unchecked_pipeline
from tests.engine_parts import IMG2IMG_STEPS, job, recipe, rendered_images, sketch

MULTISTEP: Final = [
    sampler for sampler in FLOW_SAMPLERS if sampler not in (Sampler.FLOW_EULER, Sampler.FLOW_HEUN)
]
"""Their schedulers have no `scale_noise`, so the pipelines cannot use them."""
Denoiser = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""The model output for latents (1, channels, height / 8, width / 8) and a timestep (1,)."""


def img2img(core: EngineCore, source: Image.Image, **changes: Any) -> tuple[Recipe, Image.Image]:  # noqa: ANN401 - any of a recipe's fields
    """A recipe with this sketch, and the engine's image of it."""
    data = encode_png(source)
    strength = changes.pop("strength", 0.6)
    init_image = Img2Img(sha256(data), strength, StepRounding.UP)
    run = recipe(core, **({"steps": 5, "source": init_image} | changes))
    return run, rendered_images(job(run, source=data), core)[0]


@pytest.mark.parametrize(
    ("sketch_size", "size"),
    [
        ((128, 128), (64, 64)),
        ((32, 48), (64, 96)),
        ((96, 64), (64, 64)),
        ((50, 70), (64, 96)),
        ((200, 20), (64, 64)),
    ],
)
def test_a_sketch_of_another_size_equals_the_pipeline(
    sketch_size: tuple[int, int], size: tuple[int, int]
) -> None:
    """Of the same aspect ratio it is resized as there. Of another one it is cropped, where
    diffusers would stretch it, so diffusers gets it cropped."""
    core, source = test_stable_diffusion_3.core(), sketch(*sketch_size)
    run, ours = img2img(core, source, width=size[0], height=size[1])
    if sketch_size[0] * size[1] != sketch_size[1] * size[0]:
        source = resize_and_crop(source, *size)
    scheduler = test_stable_diffusion_3.scheduler(run.sampler)
    assert_alike(ours, diffusers_image(run, source, core, scheduler))


@pytest.mark.parametrize("sampler", MULTISTEP)
@pytest.mark.parametrize(("steps", "strength"), IMG2IMG_STEPS)
def test_stable_diffusion_3_equals_a_loop_over_the_scheduler(
    steps: int, strength: float, sampler: Sampler
) -> None:
    """With guidance."""
    core, source = test_stable_diffusion_3.core(), sketch()
    run, ours = img2img(core, source, steps=steps, strength=strength, sampler=sampler)
    scheduler = test_stable_diffusion_3.scheduler(sampler)
    assert_alike(ours, looped_image(run, source, core, scheduler, sd3_denoiser(run, core)))


@pytest.mark.parametrize("sampler", [Sampler.FLOW_HEUN, *MULTISTEP])
@pytest.mark.parametrize("changes", [{"steps": 4, "strength": 1.0}, {"guidance": 1.0}, {}])
def test_z_image_equals_a_loop_over_the_scheduler(
    changes: dict[str, Any], sampler: Sampler
) -> None:
    """With and without guidance; its own pipeline takes Euler's scheduler alone."""
    core, source = test_z_image.core(), sketch()
    run, ours = img2img(core, source, sampler=sampler, **changes)
    scheduler = test_stable_diffusion_3.scheduler(sampler)
    assert_alike(ours, looped_image(run, source, core, scheduler, z_denoiser(run, core)))


@torch.inference_mode()
def looped_image(
    run: Recipe,
    source: Image.Image,
    core: EngineCore,
    scheduler: Any,  # noqa: ANN401 - has no type
    denoiser: Denoiser,
) -> Image.Image:
    """The image of a loop over one of diffusers' schedulers, with networks of the core's model."""
    vae, processor = unchecked_pipeline(core).vae, VaeImageProcessor()
    generator = torch.Generator("cpu").manual_seed(run.seed)
    scheduler.set_timesteps(run.steps)
    begin = (run.steps - run.executed_steps) * scheduler.order
    scheduler.set_begin_index(begin)
    timesteps = scheduler.timesteps[begin:]
    image_latents = vae.encode(processor.preprocess(source)).latent_dist.sample(generator)
    image_latents = (image_latents - vae.config.shift_factor) * vae.config.scaling_factor
    noise = torch.randn(image_latents.shape, generator=generator)
    if hasattr(scheduler, "scale_noise"):
        latents = scheduler.scale_noise(image_latents, timesteps[:1], noise)
    else:
        latents = scheduler.add_noise(image_latents, noise, timesteps[:1])
    scheduler.generator = generator  # of the one that adds noise
    for timestep in timesteps:
        noise_pred = denoiser(latents, timestep.reshape(1).float())
        latents = scheduler.step(noise_pred, timestep, latents).prev_sample
    pixels = vae.decode(latents / vae.config.scaling_factor + vae.config.shift_factor).sample
    image = processor.postprocess(pixels)[0]
    assert isinstance(image, Image.Image)
    return image


def sd3_denoiser(run: Recipe, core: EngineCore) -> Denoiser:
    """Stable Diffusion 3 with the recipe's prompts and guidance."""
    pipeline = unchecked_pipeline(core)
    prompt, negative, pooled, negative_pooled = pipeline.encode_prompt(
        run.prompt, None, None, negative_prompt=run.negative
    )

    def denoise(latents: torch.Tensor, timestep: torch.Tensor) -> torch.Tensor:
        text, uncond = (
            pipeline.transformer(latents, embeds, pooled_embeds, timestep, return_dict=False)[0]
            for embeds, pooled_embeds in ((prompt, pooled), (negative, negative_pooled))
        )
        guided: torch.Tensor = uncond + run.guidance * (text - uncond)
        return guided

    return denoise


def z_denoiser(run: Recipe, core: EngineCore) -> Denoiser:
    """Z-Image with the recipe's prompts and guidance. It predicts the image less the noise."""
    pipeline = unchecked_pipeline(core)
    prompt, negative = pipeline.encode_prompt(run.prompt, negative_prompt=run.negative)

    def denoise(latents: torch.Tensor, timestep: torch.Tensor) -> torch.Tensor:
        text, uncond = (
            pipeline.transformer([latents[0].unsqueeze(1)], 1 - timestep / 1000, embeds)[0][0]
            for embeds in (prompt, negative)
        )
        guided: torch.Tensor = text + (run.guidance - 1) * (text - uncond)
        return -guided.squeeze(1).unsqueeze(0)

    return denoise
