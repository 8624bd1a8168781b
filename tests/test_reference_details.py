"""Pictures without words, and Details, of references in the engine core."""

from functools import cache

import msgspec
import pytest

from engine.contract import Detail, Reference, pixels_sha256, sha256
from engine.contract.images.encode import encode_png
from engine.core.engine_core import EngineCore
from engine.core.enlarger import Enlarger
from engine.core.postprocess import Postprocessor
from engine.core.preparation import check_job
from engine.errors import InvalidJob
from engine.upscale import load_upscalers
from tests.diffusers_pipeline import assert_alike
from tests.engine_parts import INPUT_FILES, job, painted_images, sketch
from tests.reference_models import (
    digests,
    job_of,
    picture,
    pipeline_with,
    reference,
    reference_core,
    run_of,
)
from tests.test_references import ours, theirs


@cache
def core() -> EngineCore:
    """An engine core with an IP-Adapter and an upscaler."""
    model = reference_core().model
    return EngineCore([model], Postprocessor(1.0), enlarger=Enlarger(load_upscalers()))


def detail(*references: Reference, prompt: str = "") -> Detail:
    """A Detail of a picture with these references, in tiles of 64 pixels."""
    upscaler = load_upscalers()[0]
    return Detail(
        picture=run_of(core(), *references, prompt=prompt, steps=4),
        image=pixels_sha256(sketch()),
        upscaler=upscaler.name,
        upscaler_revision=upscaler.revision,
        scale=2,
        tile=64,
        overlap=16,
        strength=0.5,
        row_class=2,
        references=references,
    )


def painted(work: Detail) -> str:
    """The digest of its pixels."""
    png = encode_png(sketch())
    INPUT_FILES[sha256(png)] = png
    images = dict.fromkeys([sha256(png), *(item.image for item in work.references)])
    [image] = painted_images(job(work, inputs=tuple(images)), core())
    return image.sha256


@pytest.mark.parametrize("guidance", [1.0, 6.0])
def test_a_picture_without_words_is_that_of_the_pipeline(guidance: float) -> None:
    """Of an empty prompt; other pictures in the batch change nothing."""
    run = run_of(core(), reference(core(), picture(1), 0.7), prompt="", guidance=guidance)
    pipeline = pipeline_with()
    pipeline.set_ip_adapter_scale(0.7)
    assert_alike(ours(core(), run), theirs(pipeline, run, ip_adapter_image=picture(1)))
    other = msgspec.structs.replace(run, prompt="a red house", seed=run.seed + 1)
    runs = [msgspec.structs.replace(item, row_class=8) for item in (run, other)]
    assert digests(core(), *runs)[0] == digests(core(), runs[0])[0]


def test_the_tiles_of_a_detail_are_steered() -> None:
    """Each by the references of the Detail; a stored one without any is painted as it was."""
    one, other = reference(core(), picture(1)), reference(core(), picture(2))
    first = painted(detail(one))
    assert painted(detail(one)) == first
    stored = msgspec.structs.replace(detail(one, prompt="a house"), references=())
    assert len({first, painted(detail(other)), painted(stored)}) == 3


def test_a_detail_without_its_reference_is_refused() -> None:
    """Before anything is painted."""
    run = job_of(run_of(core(), reference(core(), picture(1))))
    work = detail(reference(core(), picture(1)))
    check_job(run, [core().model], INPUT_FILES)
    with pytest.raises(InvalidJob, match="An input image is missing"):
        check_job(job(work), [core().model], INPUT_FILES)
