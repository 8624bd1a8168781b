"""Masks of pictures that are repainted: soft, of other sizes, empty or thin; and what is kept."""

import numpy
import pytest
import torch
from PIL import Image

from engine.contract import Inpaint
from engine.core.pictures import decode_frames
from engine.core.postprocess import _preview_image as preview_image
from engine.imaging.masks import fit_mask
from engine.pipeline.denoise import DenoisingState, forward_batch
from engine.pipeline.latent_masks import latent_mask, mask_tensor
from engine.pipeline.sources import InputImages
from tests.engine_parts import (
    before_each_pass,
    engine_core,
    failure_reason,
    fresh_engine_core,
    job,
    painted_images,
    recipe,
    rendered_images,
    sketch,
)
from tests.test_inpaint import added, inpainting, job_of, mask
from tests.tiny_model import ALWAYS


def test_soft_edges_of_a_mask_blend() -> None:
    """Between 0 and 255, the mask is the share of the painted picture."""
    soft = Image.linear_gradient("L").resize((64, 64))
    hard = soft.point(lambda level: 255 if level >= 128 else 0)
    [blended, painted] = rendered_images(job_of(inpainting(painted=soft), inpainting(painted=hard)))
    expected = Image.composite(painted, sketch(), soft)
    inside = numpy.asarray(hard) == 255
    difference = numpy.asarray(blended).astype(int) - numpy.asarray(expected)
    assert abs(difference)[inside].max() <= 1


@pytest.mark.parametrize("size", [(128, 128), (32, 32), (40, 100), (300, 30)])
def test_a_mask_of_another_size_is_resized_and_cropped(size: tuple[int, int]) -> None:
    """Pixels outside of it stay those of the resized sketch."""
    run = inpainting(painted=mask(*size))
    [ours] = rendered_images(job_of(run))
    outside = numpy.asarray(fit_mask(mask(*size), 64, 64)) == 0
    assert 0 < outside.sum() < outside.size
    assert (numpy.asarray(ours) == numpy.asarray(sketch()))[outside].all()


@pytest.mark.parametrize("level", [0, 100])
def test_an_empty_mask_is_refused(level: int) -> None:
    """Faint grey is not white."""
    run = inpainting(painted=Image.new("L", (64, 64), level))
    assert failure_reason(job_of(run)) == (
        "The mask is empty: make the parts white that are to be painted."
    )


def test_a_thin_mask_paints_the_latents_below_it() -> None:
    """A line between the pixels that are taken from a mask is painted all the same."""
    line = torch.zeros(1, 1, 64, 64)
    line[..., 3] = 1.0
    small = latent_mask(line, 8, 8, "nearest")
    assert small[0, 0].tolist() == [[1.0] + [0.0] * 7] * 8


def test_a_mask_is_white_from_half_of_the_levels_on() -> None:
    """As in diffusers."""
    levels = Image.frombytes("L", (4, 1), bytes([0, 127, 128, 255]))
    assert mask_tensor(levels).flatten().tolist() == [0.0, 0.0, 1.0, 1.0]


def test_a_missing_mask_is_refused() -> None:
    """The recipe names it, but the job does not have it."""
    run = inpainting()
    assert "missing" in failure_reason(job(run, inputs=(run.images[0],)))


def test_nan_below_one_mask_reaches_no_other_picture() -> None:
    """An overflow in one picture of a batch."""
    good = inpainting(row_class=4)
    [expected] = painted_images(job_of(good))
    bad = inpainting(row_class=4, guidance=30.0, prompt="overflow")
    core = engine_core()

    def poison(embeds: torch.Tensor) -> None:
        embeds[2:] = float("nan")

    with before_each_pass(core, poison):
        first, second = painted_images(job_of(good, bad), core)
    assert first.sha256 == expected.sha256
    assert second.failed is not None


def test_frames_and_previews_have_the_kept_parts() -> None:
    """At each step, in their own sizes."""
    core = engine_core()
    run = inpainting()
    inputs = InputImages(core.model, run.images)
    inputs.images = {run.images[0]: sketch(), run.images[1]: mask().convert("RGB")}
    state = DenoisingState(run, inputs)
    outside = numpy.asarray(mask()) == 0
    for _ in range(3):
        forward_batch([state], 2)
        [frame] = decode_frames(state, state.pred_original_sample)
        assert frame is not None
        assert (numpy.asarray(frame) == numpy.asarray(sketch()))[outside].all()
        assert (numpy.asarray(frame) != numpy.asarray(sketch()))[~outside].any()
        preview = preview_image(state, state.pred_original_sample)
        small = sketch().resize(preview.size)
        hidden = numpy.asarray(mask().resize(preview.size)) == 0
        assert (numpy.asarray(preview) == numpy.asarray(small))[hidden].all()
    kept = state._start.kept_latents
    assert kept is not None
    is_kept = (kept.mask == 0).expand_as(kept.image_latents)
    assert torch.equal(state.pred_original_sample[is_kept], kept.image_latents[is_kept])
    assert (state.latents[is_kept] != kept.image_latents[is_kept]).all()


def test_a_flagged_picture_is_refused_even_if_it_is_its_own_mask() -> None:
    """Only what is a mask and nothing else is not checked."""
    core = fresh_engine_core(threshold=ALWAYS)
    bright = added(Image.new("RGB", (64, 64), "white"))
    run = recipe(core, source=Inpaint(bright, bright, 0.8))
    assert "withheld" in failure_reason(job_of(run), core)
