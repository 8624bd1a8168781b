"""Reference images by IP-Adapters act as in diffusers' own pipelines."""

import shutil
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy
import pytest
import torch
from diffusers import AutoPipelineForImage2Image
from PIL import Image
from transformers import CLIPImageProcessor

from engine.contract import Img2Img, Recipe, ReferenceRole, Subseed, sha256
from engine.contract.images.encode import encode_png
from engine.core.engine_core import EngineCore
from engine.steering.interpolation import slerp
from engine.weights.ip_adapters import IP_ADAPTER_VARIABLE
from tests.diffusers_pipeline import assert_alike, make_scheduler
from tests.engine_parts import load_engine_core, rendered_images, sketch
from tests.reference_models import (
    adapter_file,
    digests,
    embeddings,
    job_of,
    model_folder,
    picture,
    pipeline_with,
    reference,
    reference_core,
    run_of,
)

KINDS: Final = [
    {"is_xl": is_xl, "is_plus": is_plus} for is_xl in (False, True) for is_plus in (False, True)
]
SOME_KINDS: Final = [KINDS[0], KINDS[3]]
"""A plain one for Stable Diffusion, and a Plus for SDXL."""


def ours(core: EngineCore, run: Recipe) -> Image.Image:
    """The engine's picture."""
    return rendered_images(job_of(run), core)[0]


def theirs(pipeline: Any, run: Recipe, **options: Any) -> Image.Image:  # noqa: ANN401 - diffusers has no types
    """The picture of diffusers' pipeline."""
    pipeline.scheduler = make_scheduler(run.sampler.scheduler, pipeline.scheduler.config)
    if run.strength is None:
        options |= {"width": run.width, "height": run.height}
    else:
        options |= {"image": sketch(), "strength": run.strength}
        pipeline = AutoPipelineForImage2Image.from_pipe(pipeline)
        pipeline.set_progress_bar_config(disable=True)
    image = pipeline(
        prompt=run.prompt,
        num_inference_steps=run.steps,
        guidance_scale=run.guidance,
        generator=torch.Generator("cpu").manual_seed(run.seed),
        **options,
    ).images[0]
    assert isinstance(image, Image.Image)
    return image


def differs_by(one: Image.Image, other: Image.Image) -> int:
    """The largest difference between pixels."""
    levels = numpy.asarray(one).astype(int) - numpy.asarray(other).astype(int)
    return int(abs(levels).max())


def differs(one: Image.Image, other: Image.Image) -> bool:
    """Whether pictures differ clearly."""
    return differs_by(one, other) > 20


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("guidance", [1.0, 6.0])
def test_a_reference_acts_as_in_the_pipeline(kind: dict[str, bool], guidance: float) -> None:
    """Plain and Plus, for both families; the picture is another one without it."""
    core, pipeline = reference_core(**kind), pipeline_with(**kind)
    run = run_of(core, reference(core, picture(1), 0.7), guidance=guidance, height=96)
    pipeline.set_ip_adapter_scale(0.7)
    image = ours(core, run)
    assert_alike(image, theirs(pipeline, run, ip_adapter_image=picture(1)))
    assert differs(image, ours(core, msgspec.structs.replace(run, references=())))


@pytest.mark.parametrize("kind", SOME_KINDS)
def test_style_is_read_by_the_layers_of_instant_style(kind: dict[str, bool]) -> None:
    """The layers that diffusers' documentation names."""
    core, pipeline = reference_core(**kind), pipeline_with(**kind)
    run = run_of(core, reference(core, picture(2), 0.9, ReferenceRole.STYLE))
    blocks = {"block_0": [0.0, 0.9]} if kind["is_xl"] else {"block_1": [0.9, 0.9]}
    pipeline.set_ip_adapter_scale({"up": blocks})
    assert_alike(ours(core, run), theirs(pipeline, run, ip_adapter_image=picture(2)))


@pytest.mark.parametrize("kind", SOME_KINDS)
def test_several_references_add(kind: dict[str, bool]) -> None:
    """As several IP-Adapters in diffusers, each with an image and a scale."""
    core, pipeline = reference_core(**kind), pipeline_with(**kind, count=2)
    run = run_of(core, reference(core, picture(1), 0.4), reference(core, picture(2), 0.8))
    pipeline.set_ip_adapter_scale([0.4, 0.8])
    images = [picture(1), picture(2)]
    assert_alike(ours(core, run), theirs(pipeline, run, ip_adapter_image=images))


def test_blended_references_are_one_embedding() -> None:
    """One after the other, each with the share of its scale, beside the noise of a subseed."""
    core, pipeline = reference_core(), pipeline_with()
    scales = (0.8, 0.4, 0.4)
    blend = [
        reference(core, picture(nth), scale, ReferenceRole.BLEND)
        for nth, scale in enumerate(scales)
    ]
    first, second, third = (embeddings(pipeline, picture(nth)) for nth in range(3))
    embeds = slerp(slerp(first, second, 1 / 3), third, 1 / 4)
    pipeline.set_ip_adapter_scale(1.0)
    run = run_of(core, *blend)
    both_rows = torch.cat([torch.zeros_like(embeds), embeds]).unsqueeze(1)
    image = ours(core, run)
    assert_alike(image, theirs(pipeline, run, ip_adapter_image_embeds=[both_rows]))
    shares = [msgspec.structs.replace(each, scale=each.scale / 1.6) for each in blend]
    assert differs_by(image, ours(core, run_of(core, *shares))) <= 1
    mixed = msgspec.structs.replace(run, subseeds=(Subseed(99, 0.5),))
    assert differs(image, ours(core, mixed))


@pytest.mark.parametrize("is_xl", [False, True])
def test_a_sketch_may_have_references(is_xl: bool) -> None:
    """As diffusers' img2img pipeline does it."""
    core, pipeline = reference_core(is_xl=is_xl), pipeline_with(is_xl=is_xl)
    data = encode_png(sketch())
    run = run_of(core, reference(core, picture(1)), source=Img2Img(sha256(data), 0.7), steps=5)
    reference(core, sketch())  # makes its file known
    assert_alike(ours(core, run), theirs(pipeline, run, ip_adapter_image=picture(1)))


def test_a_scale_of_zero_changes_nothing() -> None:
    """As in diffusers, the layers do not read such an image."""
    core = reference_core()
    run = run_of(core, reference(core, picture(1), 0.0), row_class=4)
    plain = msgspec.structs.replace(run, references=())
    assert digests(core, run) == digests(core, plain)


@pytest.mark.parametrize("size", [(8, 200), (301, 9), (1, 1)])
def test_a_thin_strip_is_read_as_in_the_pipeline(size: tuple[int, int]) -> None:
    """The image processor enlarges it and cuts its ends off."""
    core, pipeline = reference_core(), pipeline_with()
    strip = picture(1).resize(size)
    run = run_of(core, reference(core, strip), steps=2)
    assert_alike(ours(core, run), theirs(pipeline, run, ip_adapter_image=strip))


def test_images_are_processed_as_the_pipeline_does_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the image processor of the model, if that has one."""
    folder = shutil.copytree(model_folder(is_xl=False), tmp_path / "model")
    processor = CLIPImageProcessor(
        size={"height": 32, "width": 32},
        do_center_crop=False,
        image_mean=[0.1, 0.5, 0.9],
        image_std=[0.5, 0.5, 0.2],
    )
    processor.save_pretrained(folder / "feature_extractor")
    monkeypatch.setenv(IP_ADAPTER_VARIABLE, str(adapter_file(is_xl=False, is_plus=False)))
    core, pipeline = load_engine_core(str(folder)), pipeline_with(folder)
    run = run_of(core, reference(core, picture(1)), guidance=4.0)
    image = ours(core, run)
    assert_alike(image, theirs(pipeline, run, ip_adapter_image=picture(1)))
    usual = run_of(reference_core(), reference(reference_core(), picture(1)), guidance=4.0)
    assert differs_by(image, ours(reference_core(), usual)) > 2
