"""The recipes inside of PNG files."""

import json
from io import BytesIO

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from engine.contract import Change, Img2Img, Sampler, Subseed, Upscale, Work, pixels_sha256
from engine.contract.images.encode import encode_png
from engine.contract.images.png_text import BadText, with_texts
from engine.contract.infotext import RECIPES_KEYWORD
from engine.contract.metadata import (
    decode_recipes,
    encode_recipes,
    read_metadata,
    with_metadata,
)
from tests.engine_parts import sketch
from tests.samples import encoded, recipe

PNG = encode_png(sketch())
CHANGED = recipe(
    negative="rain, 雨",
    subseeds=(Subseed(3, 0.15), Subseed(4, 0.1)),
    changes=(Change(step=2, prompt="a dog", guidance=3.0), Change(step=3, sampler=Sampler.DDIM)),
    source=Img2Img("b" * 64, 1.0),
)


def file_with(recipes: object) -> bytes:
    """A PNG that has this JSON in place of recipes."""
    text = recipes if isinstance(recipes, str) else json.dumps(recipes)
    return with_texts(PNG, {RECIPES_KEYWORD: text})


def test_recipes_are_read_as_they_were_written() -> None:
    """All of them, and the text of the first."""
    recipes = (CHANGED, recipe(seed=8))
    metadata = read_metadata(with_metadata(PNG, recipes))
    assert metadata.recipes == recipes
    assert metadata.infotext is not None
    assert (metadata.infotext.prompt, metadata.infotext.seed) == ("a [red house:dog:2]", 7)


def test_the_pixels_are_unchanged() -> None:
    """So the digest of the picture is that of the file without a recipe."""
    with Image.open(BytesIO(with_metadata(PNG, [CHANGED]))) as image:
        assert pixels_sha256(image) == pixels_sha256(sketch())


def test_the_folder_of_a_model_is_not_written() -> None:
    """Neither into the text nor into the recipe."""
    data = with_metadata(PNG, [recipe(model="/srv/secret/dream.safetensors")])
    assert b"secret" not in data
    assert read_metadata(data).recipes[0].model == "dream.safetensors"


def test_an_enlargement_has_the_recipe_of_its_picture() -> None:
    """The text has the settings of that recipe and of the upscaler."""
    work = Upscale(
        picture=recipe(model="/srv/secret/dream"),
        image="c" * 64,
        upscaler="esrgan",
        upscaler_revision="1",
        scale=4,
    )
    data = with_metadata(PNG, [work])
    metadata = read_metadata(data)
    assert b"secret" not in data
    assert metadata.recipes == (msgspec.structs.replace(work, picture=recipe(model="dream")),)
    assert b"Size: 64x64" in data
    assert b"Postprocess upscale by: 4, Postprocess upscaler: esrgan" in data
    assert metadata.infotext is not None and metadata.infotext.notes == ()


def test_recipes_that_do_not_fit_are_left_out() -> None:
    """The first ones stay."""
    recipes = [recipe(seed=seed) for seed in range(50)]
    text = encode_recipes(recipes, 2000)
    assert len(text) <= 2000
    decoded = decode_recipes(text)
    assert 5 < len(decoded) < 50
    assert decoded == tuple(recipes[: len(decoded)])
    assert read_metadata(with_metadata(PNG, [])).recipes == ()


def test_a_file_without_metadata_says_nothing() -> None:
    """It is no error."""
    metadata = read_metadata(encoded(sketch()))
    assert (metadata.recipes, metadata.infotext) == ((), None)


VALUES = {
    "type": "Recipe",
    "model": "flat",
    "revision": "0",
    "prompt": "a house",
    "seed": 7,
    "steps": 4,
    "guidance": 5.0,
    "sampler": "euler",
    "width": 64,
    "height": 64,
    "row_class": 8,
}


@pytest.mark.parametrize(
    "changes",
    [
        {"steps": 10**9},
        {"seed": -1},
        {"seed": 10**30},
        {"width": 10**6},
        {"guidance": 1e308},
        {"prompt": ""},
        {"prompt": "x" * 1001},
        {"prompt": 7},
        {"prompt": {"a": {"b": []}}},
        {"sampler": "rm -rf"},
        {"row_class": 10**6},
        {"source": {"type": "Img2Img", "image": "../../etc/passwd", "strength": 0.5}},
        {"source": {"type": "File", "path": "/etc/passwd"}},
        {"path": "/etc/passwd"},
        {"changes": [{"step": 1}]},
        {"subseeds": [[1, 2.0]]},
        {"subseeds": [[1, 0.5]] * 10_000},
    ],
)
def test_an_impossible_recipe_is_refused(changes: dict[str, object]) -> None:
    """The reason is a sentence that names the value."""
    with pytest.raises(BadText, match="The recipe inside of the file is not valid: "):
        read_metadata(file_with([VALUES | changes]))


def test_the_images_of_an_enlarged_picture_are_digests() -> None:
    """A file is not named by the recipe of the picture either that was enlarged."""
    picture = recipe(source=Img2Img("../../etc/passwd", 1.0))
    work = Upscale(picture=picture, image="a" * 64, upscaler="any", upscaler_revision="b", scale=2)
    with pytest.raises(BadText, match="an image has no sha256"):
        decode_recipes(msgspec.json.encode([work]))


@pytest.mark.parametrize(
    "text", ["", "{}", "null", "[1]", "[" * 100_000, '{"a":' * 10_000, "[NaN]", "\ud800"]
)
def test_other_json_is_refused(text: str) -> None:
    """Also JSON that is nested too deeply, or damaged."""
    with pytest.raises(BadText, match="is not valid"):
        read_metadata(file_with(text))


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists))
def test_any_json_is_refused_or_read(value: object) -> None:
    """Nothing else happens."""
    try:
        recipes = decode_recipes(json.dumps(value))
    except BadText:
        return
    assert all(isinstance(item, Work) for item in recipes)
