"""Pictures edited by instructions as diffusers' pipelines of InstructPix2Pix do it."""

import tempfile
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy
import pytest
import torch
from diffusers import (
    StableDiffusionInstructPix2PixPipeline,
    StableDiffusionXLInstructPix2PixPipeline,
)
from PIL import Image

from engine.contract import BatchSizes, Edit, Recipe, Sampler
from engine.core.engine_core import EngineCore
from tests import tiny_model
from tests.diffusers_pipeline import assert_alike, make_scheduler, unchecked_pipeline
from tests.engine_parts import (
    before_each_pass,
    engine_core,
    failure_reason,
    load_engine_core,
    painted_images,
    recipe,
    rendered_images,
    run_together,
    sketch,
)
from tests.test_inpaint import added, inpainting, job_of

SAMPLERS: Final = (
    *(Sampler.EULER, Sampler.PNDM, Sampler.HEUN, Sampler.EULER_A, Sampler.DPMPP_2M),
    *(Sampler.DDIM, Sampler.UNIPC),
)
PIPELINES: Final = {
    "StableDiffusionPipeline": StableDiffusionInstructPix2PixPipeline,
    "StableDiffusionXLPipeline": StableDiffusionXLInstructPix2PixPipeline,
}


@cache
def editor() -> EngineCore:
    """An engine core with a tiny InstructPix2Pix."""
    with tempfile.TemporaryDirectory() as folder:
        path = tiny_model.save(Path(folder) / "edit", unet={"in_channels": 8})
        return load_engine_core(str(path))


@cache
def editor_xl() -> EngineCore:
    """The same of SDXL."""
    with tempfile.TemporaryDirectory() as folder:
        path = tiny_model.save_xl(Path(folder) / "edit-xl", unet={"in_channels": 8})
        return load_engine_core(str(path))


def edit(
    core: EngineCore | None = None,
    image_guidance: float = 1.5,
    image: Image.Image | None = None,
    **changes: Any,  # noqa: ANN401 - any of a recipe's fields
) -> Recipe:
    """A recipe that edits a sketch."""
    source = Edit(added(image or sketch()), image_guidance)
    fields: dict[str, Any] = {"source": source, "row_class": 4, "prompt": "make it red"}
    return recipe(core or editor(), **(fields | changes))


def diffusers_image(run: Recipe, core: EngineCore, image: Image.Image | None = None) -> Image.Image:
    """The image of diffusers' own pipeline."""
    assert isinstance(run.source, Edit)
    plain = unchecked_pipeline(core)
    components = dict(plain.components)
    options: dict[str, Any] = {"width": run.width, "height": run.height}
    if "safety_checker" in components:
        components["requires_safety_checker"] = False
        options = {}
    else:
        del components["image_encoder"], components["feature_extractor"]
    pipeline = PIPELINES[type(plain).__name__](**components)
    pipeline.scheduler = make_scheduler(run.sampler.scheduler, pipeline.scheduler.config)
    pipeline.set_progress_bar_config(disable=True)
    if run.negative:
        options["negative_prompt"] = run.negative
    picture = pipeline(
        prompt=run.prompt,
        image=image or sketch(),
        num_inference_steps=run.steps,
        guidance_scale=run.guidance,
        image_guidance_scale=run.source.image_guidance,
        generator=torch.Generator("cpu").manual_seed(run.seed),
        **options,
    ).images[0]
    assert isinstance(picture, Image.Image)
    return picture


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_edits_equal_the_pipeline(sampler: Sampler) -> None:
    """With both guidances, in three rows."""
    run = edit(sampler=sampler)
    assert run.rows == 3
    [ours] = rendered_images(job_of(run), editor())
    assert_alike(ours, diffusers_image(run, editor()))


@pytest.mark.parametrize("image_guidance", [1.0, 2.5, 0.5])
@pytest.mark.parametrize("changes", [{"negative": "blue", "guidance": 3.0}, {"guidance": 1.0}])
def test_other_guidances_equal_the_pipeline(image_guidance: float, changes: dict[str, Any]) -> None:
    """Where one of the two is off, the other one is too."""
    run = edit(image_guidance=image_guidance, **changes)
    assert run.rows == (3 if run.guidance > 1.0 and image_guidance >= 1.0 else 1)
    [ours] = rendered_images(job_of(run), editor())
    assert_alike(ours, diffusers_image(run, editor()))


@pytest.mark.parametrize("guidance", [1.0, 5.0])
def test_edits_of_sdxl_equal_the_pipeline(guidance: float) -> None:
    """With two text encoders."""
    run = edit(editor_xl(), guidance=guidance)
    [ours] = rendered_images(job_of(run), editor_xl())
    assert_alike(ours, diffusers_image(run, editor_xl()))


def test_an_edit_of_another_size_equals_the_pipeline() -> None:
    """The picture is not square."""
    run = edit(width=96, image=sketch(96, 64))
    [ours] = rendered_images(job_of(run), editor())
    assert_alike(ours, diffusers_image(run, editor(), sketch(96, 64)))


def test_company_changes_no_pixel() -> None:
    """Edits with and without guidance share batches, whose row classes hold three rows each."""
    recipes = [
        edit(row_class=8),
        edit(row_class=8, seed=9, image_guidance=2.0, sampler=Sampler.PNDM),
        edit(row_class=8, guidance=1.0),
        edit(row_class=8, seed=3, image=sketch().transpose(Image.Transpose.ROTATE_90)),
    ]
    alone = [painted_images(job_of(each), editor())[0].sha256 for each in recipes]
    assert len(set(alone)) == len(recipes)
    endings = run_together(editor(), *(job_of(each, job=str(n)) for n, each in enumerate(recipes)))
    assert [ending.pictures[0].sha256 for ending in endings] == alone  # type: ignore[union-attr] # all are painted
    assert [image.sha256 for image in painted_images(job_of(*recipes), editor())] == alone


def test_nan_in_one_edit_reaches_no_other() -> None:
    """An overflow in the rows of one picture of a batch."""
    good, bad = edit(row_class=8), edit(row_class=8, seed=2)
    [expected] = painted_images(job_of(good), editor())

    def poison(embeds: torch.Tensor) -> None:
        embeds[3:6] = float("nan")

    with before_each_pass(editor(), poison):
        first, second = painted_images(job_of(good, bad), editor())
    assert first.sha256 == expected.sha256
    assert second.failed is not None


def test_row_classes_hold_three_rows() -> None:
    """Those of an editor, for pictures of any size; a recipe with a smaller one is refused."""
    card = editor().model.card
    assert card.is_editor
    assert not card.can_inpaint
    assert min(min(sizes.default + sizes.under_load) for sizes in card.batch_sizes) == 4
    [run] = card.with_row_class([edit(width=1024, height=1024)])
    assert run.row_class == 4
    assert card.with_smaller_row_class(run) is None
    assert failure_reason(job_of(edit(row_class=2)), editor()) == (
        "This picture takes 3 rows, so its row class must be at least 4; it is 2."
    )


@pytest.mark.parametrize(
    ("classes", "expected"), [((2,), (4,)), ((2, 4), (4,)), ((2, 8, 16), (8, 16)), ((8,), (8,))]
)
def test_row_classes_of_all_devices_hold_three_rows(
    classes: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    """On GPUs, large pictures of other models have batches of two rows alone."""
    sizes = BatchSizes(pixels=64, default=classes, under_load=classes).holding(3)
    assert (sizes.default, sizes.under_load) == (expected, expected)


def test_edits_are_painted_where_batches_are_not_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """Alone in batches that hold three rows."""
    monkeypatch.setattr(editor().model, "is_batch_invariant", lambda *_: False)
    [image] = painted_images(job_of(edit(row_class=8)), editor())
    assert image.row_class == 4
    assert "alone in its batches" in image.fingerprint


def test_edits_with_little_memory_get_a_smaller_row_class(monkeypatch: pytest.MonkeyPatch) -> None:
    """Never one below three rows."""
    monkeypatch.setattr(editor().model, "fits_in_memory", lambda *shape: shape[2] < 4)
    [image] = painted_images(job_of(edit(row_class=8)), editor())
    assert image.row_class == 4


def test_an_editor_does_nothing_else() -> None:
    """And other models do not edit."""
    only = "edits pictures by instructions, and does nothing else."
    assert only in failure_reason(job_of(recipe(editor(), row_class=4)), editor())
    assert only in failure_reason(job_of(inpainting(editor(), row_class=4)), editor())
    assert failure_reason(job_of(edit(engine_core()))).endswith(
        "does not edit pictures by instructions."
    )


def test_the_prompt_changes_the_edit() -> None:
    """So do the picture and both guidances."""
    recipes = [
        edit(),
        edit(prompt="make it night"),
        edit(image=Image.new("RGB", (64, 64), "red")),
        edit(guidance=7.0),
        edit(image_guidance=3.0),
    ]
    pictures = rendered_images(job_of(*recipes), editor())
    assert len({picture.tobytes() for picture in pictures}) == len(recipes)
    assert all(numpy.asarray(picture).std() > 4 for picture in pictures)
