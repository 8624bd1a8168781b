"""Parts of pictures painted over as diffusers' pipelines for inpainting do it, while the pixels of
the rest stay as they are."""

import tempfile
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy
import pytest
import torch
from diffusers import (
    Flux2KleinInpaintPipeline,
    StableDiffusion3InpaintPipeline,
    StableDiffusionInpaintPipeline,
    StableDiffusionXLInpaintPipeline,
    ZImageInpaintPipeline,
)
from PIL import Image, ImageDraw

from engine.contract import (
    Change,
    Img2Img,
    Inpaint,
    Paint,
    Recipe,
    Sampler,
    sha256,
)
from engine.contract.images.encode import encode_png
from engine.core.engine_core import EngineCore
from tests import (
    test_flux_2_klein,
    test_stable_diffusion_3,
    test_z_image,
    tiny_model,
)
from tests.diffusers_pipeline import MAX_DIFFERENCE, make_scheduler, unchecked_pipeline
from tests.engine_parts import (
    INPUT_FILES,
    engine_core,
    job,
    load_engine_core,
    painted_images,
    recipe,
    rendered_images,
    run_together,
    sketch,
)

PIPELINES: Final = {
    "StableDiffusionPipeline": StableDiffusionInpaintPipeline,
    "StableDiffusionXLPipeline": StableDiffusionXLInpaintPipeline,
    "StableDiffusion3Pipeline": StableDiffusion3InpaintPipeline,
    "ZImagePipeline": ZImageInpaintPipeline,
    "Flux2KleinPipeline": Flux2KleinInpaintPipeline,
}
SAMPLERS: Final = (
    *(Sampler.EULER, Sampler.PNDM, Sampler.HEUN, Sampler.EULER_A, Sampler.DPMPP_2M),
    *(Sampler.DDIM, Sampler.UNIPC, Sampler.LCM, Sampler.DPM2),
)


def mask(width: int = 64, height: int = 64) -> Image.Image:
    """A white disc."""
    image = Image.new("L", (width, height))
    ImageDraw.Draw(image).ellipse((width // 4, height // 8, width * 7 // 8, height * 3 // 4), 255)
    return image


def added(image: Image.Image) -> str:
    """The digest of an image that jobs may name."""
    data = encode_png(image.convert("RGB"))
    INPUT_FILES[sha256(data)] = data
    return sha256(data)


def inpainting(
    core: EngineCore | None = None,
    *,
    image: Image.Image | None = None,
    painted: Image.Image | None = None,
    strength: float = 0.8,
    **changes: Any,  # noqa: ANN401 - any of a recipe's fields
) -> Recipe:
    """A recipe that paints a disc of a sketch."""
    card = (core or engine_core()).model.card
    source = Inpaint(added(image or sketch()), added(painted or mask()), strength, card.rounding)
    return recipe(core, **({"steps": 5, "source": source} | changes))


def job_of(*recipes: Recipe, **changes: Any) -> Paint:  # noqa: ANN401 - any of a job's fields
    """A job of these recipes with their input images."""
    inputs = tuple(dict.fromkeys(digest for each in recipes for digest in each.images))
    return job(*recipes, inputs=inputs, **changes)


@torch.inference_mode()
def diffusers_image(
    run: Recipe,
    core: EngineCore,
    scheduler: Any = None,  # noqa: ANN401 - has no type
    *,
    image: Image.Image | None = None,
    painted: Image.Image | None = None,
) -> Image.Image:
    """The image of diffusers' own pipeline for inpainting. That for Stable Diffusion 3 forgets the
    shift of the latents when it decodes them, so they are decoded here. In the scale of guidance of
    Z-Image, 0 is off."""
    plain = unchecked_pipeline(core)
    components = dict(plain.components)
    if "safety_checker" in components:
        components["requires_safety_checker"] = False
    if "is_distilled" in plain.config:
        components["is_distilled"] = plain.config.is_distilled
    pipeline = PIPELINES[type(plain).__name__](**components)
    config = pipeline.scheduler.config
    pipeline.scheduler = scheduler or make_scheduler(run.sampler.scheduler, config)
    pipeline.set_progress_bar_config(disable=True)
    options: dict[str, Any] = {
        "prompt": run.prompt,
        "image": image or sketch(),
        "mask_image": painted or mask(),
        "strength": run.source.strength,
        "num_inference_steps": run.steps,
        "guidance_scale": run.guidance - isinstance(pipeline, ZImageInpaintPipeline),
        "generator": torch.Generator("cpu").manual_seed(run.seed),
        "width": run.width,
        "height": run.height,
    }
    if isinstance(pipeline, StableDiffusion3InpaintPipeline):
        return core.model.decode_latents(pipeline(**options, output_type="latent").images)
    picture = pipeline(**options).images[0]
    assert isinstance(picture, Image.Image)
    return picture


def assert_inpainted(
    ours: Image.Image,
    theirs: Image.Image,
    *,
    image: Image.Image | None = None,
    painted: Image.Image | None = None,
) -> None:
    """Assert that the engine's picture is that of diffusers below the mask, and else the sketch."""
    pixels, expected, original = (
        numpy.asarray(each.convert("RGB")).astype(int) for each in (ours, theirs, image or sketch())
    )
    inside = numpy.asarray(painted or mask()) == 255
    outside = numpy.asarray(painted or mask()) == 0
    assert abs(pixels - expected)[inside].max() <= MAX_DIFFERENCE
    assert (pixels == original)[outside].all()
    assert abs(expected - original)[inside].max() > 20, "an unchanged picture proves nothing"


@cache
def nine_channels() -> EngineCore:
    """An engine core with a UNet that has the mask as an input."""
    with tempfile.TemporaryDirectory() as folder:
        return load_engine_core(
            str(tiny_model.save(Path(folder) / "inpaint", unet={"in_channels": 9}))
        )


@cache
def four_channels_xl() -> EngineCore:
    """An engine core with a tiny SDXL."""
    with tempfile.TemporaryDirectory() as folder:
        return load_engine_core(str(tiny_model.save_xl(Path(folder) / "xl")))


@cache
def nine_channels_xl() -> EngineCore:
    """The same with a mask as an input of its UNet."""
    with tempfile.TemporaryDirectory() as folder:
        return load_engine_core(
            str(tiny_model.save_xl(Path(folder) / "inpaint-xl", unet={"in_channels": 9}))
        )


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("strength", [1.0, 0.7])
def test_a_unet_of_four_channels_equals_the_pipeline(sampler: Sampler, strength: float) -> None:
    """The kept parts replace the latents after each evaluation."""
    run = inpainting(sampler=sampler, strength=strength)
    [ours] = rendered_images(job_of(run))
    assert_inpainted(ours, diffusers_image(run, engine_core()))


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("strength", [1.0, 0.7])
def test_a_unet_of_nine_channels_equals_the_pipeline(sampler: Sampler, strength: float) -> None:
    """Mask and masked image are inputs of the UNet."""
    core = nine_channels()
    run = inpainting(core, sampler=sampler, strength=strength)
    [ours] = rendered_images(job_of(run), core)
    assert_inpainted(ours, diffusers_image(run, core))


@pytest.mark.parametrize("guidance", [1.0, 5.0])
@pytest.mark.parametrize("strength", [1.0, 0.6])
def test_sdxl_equals_the_pipeline(strength: float, guidance: float) -> None:
    """With four and with nine channels, with and without guidance."""
    for core in (four_channels_xl(), nine_channels_xl()):
        run = inpainting(core, strength=strength, guidance=guidance)
        [ours] = rendered_images(job_of(run), core)
        assert_inpainted(ours, diffusers_image(run, core))


@pytest.mark.parametrize("sampler", [Sampler.FLOW_EULER, Sampler.FLOW_HEUN])
@pytest.mark.parametrize("strength", [1.0, 0.6])
def test_stable_diffusion_3_equals_the_pipeline(strength: float, sampler: Sampler) -> None:
    """With flow matching."""
    core = test_stable_diffusion_3.core()
    run = inpainting(core, strength=strength, sampler=sampler)
    [ours] = rendered_images(job_of(run), core)
    scheduler = test_stable_diffusion_3.scheduler(sampler)
    assert_inpainted(ours, diffusers_image(run, core, scheduler))


@pytest.mark.parametrize("strength", [1.0, 0.6])
def test_z_image_equals_the_pipeline(strength: float) -> None:
    """Its pipeline draws noise for the masked image too."""
    core = test_z_image.core()
    run = inpainting(core, strength=strength, guidance=1.0)
    scheduler = test_stable_diffusion_3.scheduler(Sampler.FLOW_EULER)
    [ours] = rendered_images(job_of(run), core)
    assert_inpainted(ours, diffusers_image(run, core, scheduler))


@pytest.mark.parametrize("strength", [1.0, 0.6])
def test_flux_2_klein_equals_the_pipeline(strength: float) -> None:
    """The whole init image is a reference too; edges of the mask are soft."""
    core = test_flux_2_klein.core()
    run = inpainting(core, strength=strength, guidance=1.0)
    [ours] = rendered_images(job_of(run), core)
    assert_inpainted(ours, diffusers_image(run, core, test_flux_2_klein.scheduler()))


def test_a_size_of_its_own_and_long_prompts_equal_the_pipeline() -> None:
    """Of a picture that is not square."""
    image, painted = sketch(96, 64), mask(96, 64)
    run = inpainting(image=image, painted=painted, width=96, height=64, prompt="a red house " * 9)
    [ours] = rendered_images(job_of(run))
    theirs = diffusers_image(run, engine_core(), image=image, painted=painted)
    assert_inpainted(ours, theirs, image=image, painted=painted)


def test_a_mask_of_nine_channels_is_white_for_other_pictures() -> None:
    """A sketch that is painted over is one without kept parts."""
    core, white = nine_channels(), Image.new("L", (64, 64), 255)
    source = Img2Img(added(sketch()), 0.6)
    run = recipe(core, steps=5, source=source)
    [ours] = rendered_images(job_of(run), core)
    theirs = diffusers_image(run, core, painted=white)
    assert_inpainted(ours, theirs, painted=white)
    [whole] = painted_images(job(recipe(core)), core)
    covered = inpainting(core, painted=white, strength=1.0, steps=4)
    [expected] = painted_images(job_of(covered), core)
    assert whole.sha256 == expected.sha256


def test_a_mask_that_covers_all_paints_the_whole_picture() -> None:
    """As img2img, but with a strength of 1 nothing is left of the init image."""
    white = Image.new("L", (64, 64), 255)
    first = inpainting(painted=white, strength=1.0)
    other = inpainting(painted=white, strength=1.0, image=Image.new("RGB", (64, 64), "red"))
    [digest, same] = [image.sha256 for image in painted_images(job_of(first, other))]
    assert digest == same
    img2img = recipe(steps=5, source=Img2Img(added(sketch()), 0.6))
    weak = inpainting(painted=white, strength=0.6)
    [mine, plain] = rendered_images(job_of(weak, img2img))
    assert_alike_images(mine, plain)


def assert_alike_images(first: Image.Image, second: Image.Image) -> None:
    """Assert that they differ by rounding alone."""
    difference = numpy.asarray(first).astype(int) - numpy.asarray(second).astype(int)
    assert abs(difference).max() <= MAX_DIFFERENCE


@pytest.mark.parametrize("core", [engine_core, nine_channels])
def test_company_changes_no_pixel(core: Any) -> None:  # noqa: ANN401 - a function
    """Plain pictures, sketches and pictures with different masks share batches."""
    model = core()
    other_mask = mask().transpose(Image.Transpose.ROTATE_90)
    recipes = [
        inpainting(model, row_class=8),
        inpainting(model, row_class=8, painted=other_mask, seed=8, sampler=Sampler.PNDM),
        inpainting(model, row_class=8, strength=1.0, guidance=1.0, steps=3),
        recipe(model, row_class=8, source=Img2Img(added(sketch()), 0.6)),
        recipe(model, row_class=8, seed=3),
    ]
    alone = [painted_images(job_of(each), model)[0].sha256 for each in recipes]
    assert len(set(alone)) == len(recipes)
    endings = run_together(model, *(job_of(each, job=str(n)) for n, each in enumerate(recipes)))
    assert [ending.pictures[0].sha256 for ending in endings] == alone  # type: ignore[union-attr] # all are painted
    assert [image.sha256 for image in painted_images(job_of(*recipes), model)] == alone


def test_another_sampler_from_a_step_on_keeps_the_parts() -> None:
    """The noise of the kept parts is that of the sampler that runs."""
    change = Change(step=2, sampler=Sampler.DDIM, prompt="a blue dog")
    run = inpainting(changes=(change,), sampler=Sampler.HEUN, steps=6)
    [ours] = rendered_images(job_of(run))
    outside = numpy.asarray(mask()) == 0
    assert (numpy.asarray(ours) == numpy.asarray(sketch()))[outside].all()
    assert numpy.asarray(ours)[~outside].std() > 4
