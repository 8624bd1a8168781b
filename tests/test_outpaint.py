"""Pictures on larger canvases, whose rest is painted."""

from typing import Any

import numpy
import pytest
from PIL import Image

from engine.contract import Outpaint, Recipe, Sampler
from engine.core.engine_core import EngineCore
from engine.imaging.outpainting import OVERLAP, canvas, canvas_mask
from tests.diffusers_pipeline import assert_alike
from tests.engine_parts import (
    engine_core,
    failure_reason,
    painted_images,
    recipe,
    rendered_images,
    run_together,
    sketch,
)
from tests.test_inpaint import added, diffusers_image, inpainting, job_of, nine_channels


def place(**changes: Any) -> Outpaint:  # noqa: ANN401 - any of the fields
    """A sketch in the middle of a canvas."""
    fields: dict[str, Any] = {"image": added(sketch()), "left": 16, "top": 16}
    fields |= {"width": 64, "height": 64}
    return Outpaint(**(fields | changes))


def outpainting(
    core: EngineCore | None = None,
    source: Outpaint | None = None,
    **changes: Any,  # noqa: ANN401 - any of a recipe's fields
) -> Recipe:
    """A recipe that zooms out 1.5 times."""
    fields: dict[str, Any] = {"source": source or place(), "width": 96, "height": 96, "steps": 5}
    return recipe(core, **(fields | changes))


@pytest.mark.parametrize("core", [engine_core, nine_channels])
@pytest.mark.parametrize("strength", [0.8, 0.4])
@pytest.mark.parametrize("sampler", [Sampler.EULER, Sampler.DPMPP_2M, Sampler.HEUN])
def test_outpainting_equals_the_pipeline_for_inpainting(
    core: Any,  # noqa: ANN401 - a function
    strength: float,
    sampler: Sampler,
) -> None:
    """With the same canvas and mask. The image in the middle is the sketch, to the bit."""
    model, source = core(), place(strength=strength)
    run = outpainting(model, source, sampler=sampler)
    [ours] = rendered_images(job_of(run), model)
    image, mask = canvas(sketch(), source, run.size), canvas_mask(source, run.size)
    theirs = diffusers_image(run, model, image=image, painted=mask)
    assert_alike(ours, Image.composite(theirs, image, mask))
    kept = numpy.asarray(ours)[16:80, 16:80][OVERLAP:-OVERLAP, OVERLAP:-OVERLAP]
    assert (kept == numpy.asarray(sketch())[OVERLAP:-OVERLAP, OVERLAP:-OVERLAP]).all()


@pytest.mark.parametrize(
    ("source", "size"),
    [
        (place(), (96, 96)),
        (place(left=0, top=0), (128, 128)),
        (place(left=0, top=0), (96, 64)),
        (place(left=32, top=0), (96, 64)),
        (place(left=5, top=9, width=33, height=21), (64, 64)),
        (place(left=0, top=32, width=64, height=64), (64, 96)),
    ],
)
def test_the_mask_fades_at_edges_inside_the_canvas_alone(
    source: Outpaint, size: tuple[int, int]
) -> None:
    """At the edges of the canvas the picture is kept."""
    levels = numpy.asarray(canvas_mask(source, size)).astype(int)
    assert levels.shape == size[::-1]
    inside = levels[
        source.top : source.top + source.height, source.left : source.left + source.width
    ]
    assert inside.min() == 0
    assert (numpy.delete(levels.flatten(), numpy.flatnonzero(levels < 255)) == 255).all()
    outside = levels.copy()
    outside[source.top : source.top + source.height, source.left : source.left + source.width] = 255
    assert (outside == 255).all()
    middle = inside[source.height // 2]
    assert (middle[0] > 128) == (source.left > 0)
    assert (middle[-1] > 128) == (source.left + source.width < size[0])


def test_the_canvas_continues_the_colours_of_the_edges() -> None:
    """Left of a picture that is red on its left side it is red, with noise."""
    image = Image.new("RGB", (64, 64), (200, 30, 30))
    image.paste((30, 30, 200), (32, 0, 64, 64))
    filled = numpy.asarray(canvas(image, place(left=64, top=32), (192, 128))).astype(float)
    left, right = filled[40:90, :24].mean(axis=(0, 1)), filled[40:90, -24:].mean(axis=(0, 1))
    assert left[0] > left[2] + 60
    assert right[2] > right[0] + 60
    assert filled[:, :24].std(axis=(0, 1)).min() > 5


@pytest.mark.parametrize("core", [engine_core, nine_channels])
def test_a_strength_of_one_begins_with_a_trace_of_the_canvas(core: Any) -> None:  # noqa: ANN401 - a function
    """As img2img does. The image is kept."""
    recipes = [
        outpainting(core(), place(strength=1.0)),
        outpainting(core(), place(strength=1.0, image=added(Image.new("RGB", (64, 64), "red")))),
    ]
    first, other = (numpy.asarray(each) for each in rendered_images(job_of(*recipes), core()))
    assert (first[30:60, 30:60] == numpy.asarray(sketch())[14:44, 14:44]).all()
    assert (other[30:60, 30:60] == (255, 0, 0)).all()
    assert (first[:16] != other[:16]).any()


def test_the_picture_on_the_canvas_is_resized() -> None:
    """A zoom-out keeps the size of the result."""
    source = place(left=16, top=16, width=32, height=32)
    [ours] = rendered_images(job_of(outpainting(source=source, width=64, height=64)))
    small = sketch().resize((32, 32), Image.Resampling.LANCZOS)
    expected = canvas(sketch(), source, (64, 64))
    kept = numpy.asarray(canvas_mask(source, (64, 64))) == 0
    assert expected.crop((16, 16, 48, 48)) == small
    assert (numpy.asarray(ours) == numpy.asarray(expected))[kept].all()
    assert kept.sum() > 400


def test_company_changes_no_pixel() -> None:
    """Different places of one picture and a picture with a mask share batches, and jobs."""
    left, right = place(left=0, top=0, width=48, height=64), place(left=16, top=0, width=48)
    fields: dict[str, Any] = {"width": 64, "height": 64, "row_class": 8}
    recipes = [
        outpainting(source=left, **fields),
        outpainting(source=right, **fields),
        inpainting(row_class=8),
        recipe(row_class=8),
    ]
    alone = [painted_images(job_of(each))[0].sha256 for each in recipes]
    assert len(set(alone)) == len(recipes)
    jobs = (job_of(each, job=str(n)) for n, each in enumerate(recipes))
    endings = run_together(engine_core(), *jobs)
    assert [ending.pictures[0].sha256 for ending in endings] == alone  # type: ignore[union-attr] # all are painted
    assert [image.sha256 for image in painted_images(job_of(*recipes))] == alone


def test_a_picture_that_covers_the_canvas_is_refused() -> None:
    """There is nothing to paint."""
    run = outpainting(source=place(left=0, top=0, width=96, height=96))
    assert failure_reason(job_of(run)) == (
        "The picture covers the whole canvas, so there is nothing to paint around it."
    )


def test_a_picture_beside_the_canvas_is_refused() -> None:
    """No recipe can have it."""
    with pytest.raises(ValueError, match="does not lie on the canvas"):
        outpainting(source=place(left=64))
