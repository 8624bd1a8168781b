"""Reference images by IP-Adapters: as diffusers' pipelines, and exact in any company."""

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy
import pytest
import torch
from diffusers import AutoPipelineForImage2Image
from PIL import Image

from engine.contract import (
    Change,
    Img2Img,
    PromptFormat,
    Recipe,
    Reference,
    ReferenceRole,
    Sampler,
    Subseed,
    sha256,
)
from engine.contract.images.encode import encode_png
from engine.core.engine_core import EngineCore
from engine.steering.interpolation import slerp
from tests.diffusers_pipeline import assert_alike, make_scheduler
from tests.engine_parts import (
    Painted,
    job,
    painted_images,
    recipe,
    rendered_images,
    run_together,
    sketch,
)
from tests.reference_models import (
    embeddings,
    picture,
    pipeline_with,
    reference,
    reference_core,
)

KINDS = [
    {"is_xl": is_xl, "is_plus": is_plus} for is_xl in (False, True) for is_plus in (False, True)
]


def run_of(core: EngineCore, *references: Reference, **changes: Any) -> Recipe:  # noqa: ANN401 - any field
    """A recipe with these references."""
    return recipe(core, references=references, **changes)


def job_of(*recipes: Recipe, **changes: Any) -> Any:  # noqa: ANN401 - any field of a job
    """A job with the images of these recipes."""
    inputs = tuple(dict.fromkeys(image for run in recipes for image in run.images))
    return job(*recipes, **({"inputs": inputs} | changes))


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


def differs(one: Image.Image, other: Image.Image) -> bool:
    """Whether pictures differ clearly."""
    levels = numpy.asarray(one).astype(int) - numpy.asarray(other).astype(int)
    return bool(abs(levels).max() > 20)


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


@pytest.mark.parametrize("kind", KINDS)
def test_style_is_read_by_the_layers_of_instant_style(kind: dict[str, bool]) -> None:
    """The layers that diffusers' documentation names."""
    core, pipeline = reference_core(**kind), pipeline_with(**kind)
    run = run_of(core, reference(core, picture(2), 0.9, ReferenceRole.STYLE))
    blocks = {"block_0": [0.0, 0.9]} if kind["is_xl"] else {"block_1": [0.9, 0.9]}
    pipeline.set_ip_adapter_scale({"up": blocks})
    assert_alike(ours(core, run), theirs(pipeline, run, ip_adapter_image=picture(2)))


@pytest.mark.parametrize("kind", KINDS)
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
    pipeline.set_ip_adapter_scale(0.8)
    run = run_of(core, *blend)
    both_rows = torch.cat([torch.zeros_like(embeds), embeds]).unsqueeze(1)
    image = ours(core, run)
    assert_alike(image, theirs(pipeline, run, ip_adapter_image_embeds=[both_rows]))
    mixed = msgspec.structs.replace(run, subseeds=(Subseed(99, 0.5),))
    assert differs(image, ours(core, mixed))


@pytest.mark.parametrize("is_xl", [False, True])
def test_a_sketch_may_have_references(is_xl: bool) -> None:
    """As diffusers' img2img pipeline does it."""
    core, pipeline = reference_core(is_xl=is_xl), pipeline_with(is_xl=is_xl)
    data = encode_png(sketch())
    run = run_of(core, reference(core, picture(1)), source=Img2Img(sha256(data), 0.7), steps=5)
    inputs = {"inputs": run.images}
    reference(core, sketch())  # makes its file known
    image = rendered_images(job_of(run, **inputs), core)[0]
    assert_alike(image, theirs(pipeline, run, ip_adapter_image=picture(1)))


def test_a_scale_of_zero_changes_nothing() -> None:
    """As in diffusers, the layers do not read such an image."""
    core = reference_core()
    run = run_of(core, reference(core, picture(1), 0.0), row_class=4)
    plain = msgspec.structs.replace(run, references=())
    assert digests(core, [run]) == digests(core, [plain])


def mixed_recipes(core: EngineCore) -> list[Recipe]:
    """Rows with other references, scales and prompts, and plain ones."""
    like, style, blend = ReferenceRole.LIKE, ReferenceRole.STYLE, ReferenceRole.BLEND
    references: list[tuple[Reference, ...]] = [
        (),
        (reference(core, picture(1), 0.5, like),),
        (reference(core, picture(1), 1.5, like), reference(core, picture(2), 0.5, style)),
        tuple(reference(core, picture(nth), 0.6, blend) for nth in range(5)),
        (),
    ]
    long_prompt = "a red house (by the sea:1.3) " * 6
    common = {"row_class": 8, "prompt_format": PromptFormat.A1111}
    runs = [
        run_of(core, *group, seed=seed, guidance=1.0 if seed == 1 else 5.0, **common)
        for seed, group in enumerate(references)
    ]
    change = Change(step=2, prompt="a blue tree", sampler=Sampler.DDIM)
    return [
        *runs,
        msgspec.structs.replace(runs[2], prompt=long_prompt),
        msgspec.structs.replace(runs[0], prompt=long_prompt),
        msgspec.structs.replace(runs[3], changes=(change,)),
        msgspec.structs.replace(runs[4], changes=(change,)),
    ]


def digests(core: EngineCore, runs: Sequence[Recipe]) -> list[str]:
    """The pixels of pictures that are painted together."""
    return [image.sha256 for image in painted_images(job_of(*runs), core)]


@pytest.mark.parametrize("kind", KINDS)
def test_company_changes_no_bit(kind: dict[str, bool]) -> None:
    """Steered and plain pictures have equal pixels alone, together, and in another order."""
    core = reference_core(**kind)
    runs = mixed_recipes(core)
    alone = [digests(core, [run])[0] for run in runs]
    assert digests(core, runs) == alone
    assert digests(core, runs[::-1]) == alone[::-1]
    jobs = [job_of(run, job=str(nth)) for nth, run in enumerate(runs)]
    together = run_together(core, *jobs)
    assert [
        painted.pictures[0].sha256 for painted in together if isinstance(painted, Painted)
    ] == alone
    assert len(set(alone)) == len(alone)


def test_plain_pictures_are_those_of_a_model_without_ip_adapter() -> None:
    """Also after references were used, when the layers have hooks."""
    core = reference_core()
    digests(core, [run_of(core, reference(core, picture(1)))])
    plain = recipe(core, row_class=4, seed=3)
    unsteered = pipeline_with()
    unsteered.unload_ip_adapter()
    assert_alike(ours(core, plain), theirs(unsteered, plain))
