"""Models of image variations paint what diffusers' own pipeline paints."""

import json
import shutil
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pytest
import torch
from diffusers import StableDiffusionImageVariationPipeline
from PIL import Image

from engine.contract import (
    Backend,
    Change,
    Img2Img,
    Inpaint,
    Paint,
    PictureOptions,
    Recipe,
    Sampler,
    make_recipes,
    sha256,
)
from engine.contract.images.encode import encode_png
from engine.core.engine_core import EngineCore
from engine.errors import ModelCorrupt
from engine.models.description import describe
from engine.weights.model_files import find_model_files
from tests import tiny_model
from tests.controlled import stored
from tests.diffusers_pipeline import assert_alike, make_scheduler
from tests.engine_parts import (
    engine_core,
    failure_reason,
    job,
    load_engine_core,
    new_engine_core,
    painted_images,
    recipe,
    rendered_images,
    sketch,
)
from tests.reference_models import picture, reference

_HOME = TemporaryDirectory()


@cache
def folder() -> Path:
    """The folder of a tiny model."""
    return tiny_model.save_variation(Path(_HOME.name) / "variation")


@cache
def core() -> EngineCore:
    """An engine core with it."""
    return load_engine_core(str(folder()))


def variation(nth: int = 1, **changes: Any) -> Recipe:  # noqa: ANN401 - any of a recipe's fields
    """A variation of one of the pictures."""
    scale = changes.pop("scale", 1.0)
    references = (reference(core(), picture(nth), scale),)
    return recipe(core(), **({"references": references} | changes))


def variations(*recipes: Recipe) -> Paint:
    """A job of these recipes."""
    inputs = tuple(dict.fromkeys(image for run in recipes for image in run.images))
    return job(*recipes, inputs=inputs)


def theirs(run: Recipe, image: Image.Image) -> Image.Image:
    """The picture of diffusers' pipeline."""
    pipeline = StableDiffusionImageVariationPipeline.from_pretrained(folder(), safety_checker=None)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.scheduler = make_scheduler(run.sampler.scheduler, pipeline.scheduler.config)
    painted = pipeline(
        image,
        width=run.width,
        height=run.height,
        num_inference_steps=run.steps,
        guidance_scale=run.guidance,
        generator=torch.Generator("cpu").manual_seed(run.seed),
    ).images[0]
    assert isinstance(painted, Image.Image)
    return painted


@pytest.mark.parametrize("guidance", [1.0, 4.0])
@pytest.mark.parametrize("nth", [1, 2])
def test_a_variation_equals_the_pipeline(guidance: float, nth: int) -> None:
    """The image is processed as its own feature extractor does it."""
    run = variation(nth, guidance=guidance, height=96)
    assert_alike(rendered_images(variations(run), core())[0], theirs(run, picture(nth)))


def test_company_changes_no_bit() -> None:
    """Variations of other images, with changes, over a sketch, and pictures of another model."""
    both = new_engine_core(core().model, engine_core().model)
    data = encode_png(sketch())
    reference(core(), sketch())  # makes its file known
    mask = Image.new("RGB", (64, 64))
    mask.paste((255, 255, 255), (16, 8, 56, 48))
    change = Change(step=2, guidance=7.0, sampler=Sampler.DDIM)
    runs = [
        variation(0, row_class=8),
        variation(1, row_class=8, guidance=1.0),
        variation(2, row_class=8, scale=0.5),
        variation(2, row_class=8, changes=(change,)),
        variation(1, row_class=8, source=Img2Img(sha256(data), 0.7), steps=5),
        variation(1, row_class=8, source=Inpaint(sha256(data), stored(mask), 0.7), steps=5),
        recipe(row_class=8),
    ]
    alone = [painted_images(variations(run), both)[0].sha256 for run in runs]
    assert [image.sha256 for image in painted_images(variations(*runs), both)] == alone
    assert len(set(alone)) == len(alone)


def test_its_prompt_is_not_read() -> None:
    """The picture follows from the image alone; the text is for people."""
    runs = [variation(prompt=text, negative=text) for text in ("a red house", "a blue tree " * 40)]
    one, other = painted_images(variations(*runs), core())
    assert one.sha256 == other.sha256


def test_each_picture_needs_one_reference() -> None:
    """Neither none nor two."""
    sentence = "needs one reference picture for each picture"
    assert sentence in failure_reason(job(recipe(core())), core())
    run = variation()
    two = msgspec.structs.replace(run, references=run.references * 2)
    assert sentence in failure_reason(variations(two), core())


def test_no_backend_is_excluded() -> None:
    """The image is the prompt, so nothing but the prompt steers the network."""
    card = msgspec.structs.replace(core().model.card, backends=(Backend.OPENVINO, Backend.TORCH))
    references = variation().references
    [run, *_] = make_recipes(
        PictureOptions(prompt="a house"), card, size=(64, 64), seed=1, references=references
    )
    assert run.backend is Backend.OPENVINO
    assert not run.is_steered


def test_it_is_described_without_loading_it() -> None:
    """As `python -m engine models` shows it."""
    description = describe(find_model_files(str(folder())))
    assert description.family.abilities == ("variations", "img2img", "inpaint")
    assert description.guidance == 3.0


def test_an_image_encoder_of_another_width_is_refused(tmp_path: Path) -> None:
    """Its embeddings are what the UNet reads."""
    copy = shutil.copytree(folder(), tmp_path / "copy")
    config = copy / "unet" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"cross_attention_dim": 32}))
    with pytest.raises(ModelCorrupt, match="cannot be loaded"):
        load_engine_core(str(copy))


def test_a_model_without_image_encoder_is_refused(tmp_path: Path) -> None:
    """The sentence names the missing part."""
    copy = shutil.copytree(folder(), tmp_path / "copy")
    shutil.rmtree(copy / "image_encoder")
    with pytest.raises(ModelCorrupt, match="it has no image_encoder"):
        load_engine_core(str(copy))
