"""Upscales and details: values beside recipes, which say how an earlier picture is enlarged."""

import msgspec
import pytest

from engine.contract import (
    MAX_SIZE,
    Change,
    Img2Img,
    PromptFormat,
    Recipe,
    Sampler,
    StepRounding,
    Subseed,
)
from engine.contract.work import Detail, Upscale, Work, detail_strength, tiling

RECIPE = Recipe(
    model="starter",
    revision="r",
    prompt="a fox",
    negative="rain",
    prompt_format=PromptFormat.A1111,
    seed=7,
    subseeds=(Subseed(3, 0.25),),
    steps=20,
    guidance=5.0,
    sampler=Sampler.EULER,
    width=128,
    height=96,
    changes=(Change(step=5, prompt="a cat", guidance=3.0, sampler=Sampler.DDIM),),
    row_class=4,
)


def upscale(picture: Work = RECIPE, scale: int = 2) -> Upscale:
    """An upscale of a picture."""
    return Upscale(
        picture=picture, image="f" * 64, upscaler="any", upscaler_revision="d", scale=scale
    )


def detail(picture: Work = RECIPE, strength: float = 0.3, tile: int = 128) -> Detail:
    """A Detail of a picture."""
    return Detail(
        picture=picture,
        image="f" * 64,
        upscaler="any",
        upscaler_revision="d",
        scale=2,
        tile=tile,
        overlap=32,
        strength=strength,
        row_class=2,
    )


@pytest.mark.parametrize(
    "work", [RECIPE, upscale(), detail(), detail(upscale()), upscale(detail())]
)
def test_work_survives_json(work: Work) -> None:
    """Each kind of work is recognized by its tag, also inside another."""
    assert msgspec.json.decode(msgspec.json.encode(work), type=Work) == work


def test_an_enlargement_has_the_properties_of_its_recipe() -> None:
    """What shows a recipe shows an enlargement; the size is that of the result."""
    work = upscale(upscale(), 4)
    for name in ("model", "revision", "prompt", "negative", "prompts", "seed", "seed_text"):
        assert getattr(work, name) == getattr(RECIPE, name)
    for name in ("subseeds", "steps", "guidance", "sampler", "strength", "rows", "uses_cfg"):
        assert getattr(work, name) == getattr(RECIPE, name)
    assert (work.size, work.row_class) == ((1024, 768), 4)
    assert work.recipe == RECIPE
    assert work.images == ("f" * 64,)


def test_a_result_has_a_largest_size() -> None:
    """An upscale of an upscale is possible up to there; the sentence names both sizes."""
    largest = upscale(upscale(upscale()), 4)
    assert max(largest.size) == MAX_SIZE
    with pytest.raises(ValueError, match="2x of 2048 x 1536 would be 4096 x 3072 pixels; at most"):
        upscale(largest)


@pytest.mark.parametrize("scale", [-2, 0, 1])
def test_an_enlargement_is_larger(scale: int) -> None:
    """So enlargements cannot be nested without end."""
    with pytest.raises(ValueError, match=f"The scale is {scale}; it must be at least 2."):
        upscale(scale=scale)


def test_the_tiles_of_a_detail_are_img2img() -> None:
    """They have the last prompt and settings of the recipe, and their own size and row class."""
    work = detail(strength=0.5)
    tile = work.tile_recipe()
    assert tile.prompt_format is PromptFormat.A1111
    assert (tile.prompt, tile.guidance, tile.sampler) == ("a cat", 3.0, Sampler.DDIM)
    assert (tile.seed, tile.subseeds, tile.steps) == (7, RECIPE.subseeds, 20)
    assert tile.source == Img2Img(image="f" * 64, strength=0.5)
    assert (tile.size, tile.row_class, tile.changes) == ((128, 128), 2, ())
    assert {(box.right - box.left, box.bottom - box.top) for box in work.tiles} == {tile.size}
    assert (work.tiles[-1].right, work.tiles[-1].bottom) == work.size


def test_a_tile_is_not_larger_than_the_result() -> None:
    """A small picture has one tile."""
    work = detail(tile=512)
    assert work.tile_recipe().size == work.size
    assert len(work.tiles) == 1


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"strength": 0.0}, "strength is 0; it must be above 0"),
        ({"strength": 0.01}, "none of the 20 steps would run"),
        ({"overlap": 128}, "Tiles of 128 pixels cannot overlap by 128"),
        ({"overlap": 20}, "multiples of 8"),
        ({"overlap": 24, "multiple": 16}, "multiples of 16"),
        ({"multiple": 12}, "multiples of 12 pixels; they must be multiples of 8"),
        ({"multiple": 0}, "multiples of 0 pixels"),
        ({"multiple": 128, "tile": 256, "overlap": 128}, "256 x 192 pixels cannot be painted over"),
        ({"row_class": 3}, "row class is 3"),
    ],
)
def test_a_detail_checks_its_values(values: dict[str, float], sentence: str) -> None:
    """A Detail that cannot be painted cannot be made."""
    with pytest.raises(ValueError, match=sentence):
        msgspec.convert(msgspec.to_builtins(detail()) | values, Detail)


def test_the_tiles_of_a_detail_round_as_it_says() -> None:
    """A stored one that does not say it rounds down."""
    stored = msgspec.to_builtins(detail(strength=0.31))
    assert "rounding" not in stored
    assert msgspec.convert(stored, Detail).tile_recipe().executed_steps == 6
    rounded_up = msgspec.convert(stored | {"rounding": "up"}, Detail)
    assert rounded_up.tile_recipe().executed_steps == 7


@pytest.mark.parametrize(
    ("native", "steps", "expected"),
    [(128, 20, 0.05), (512, 20, 0.3), (128, 4, 0.25), (512, 3, 0.334), (512, 1, 1.0)],
)
def test_the_default_strength_runs_at_least_one_step(
    native: int, steps: int, expected: float
) -> None:
    """Small models get less freedom."""
    assert detail_strength(native, steps) == expected
    assert StepRounding.DOWN.executed_steps(steps, expected) >= 1
    assert detail_strength(native, steps, StepRounding.UP) == (0.05 if native == 128 else 0.3)


@pytest.mark.parametrize(
    ("native", "size_multiple", "expected"),
    [
        (128, 8, (128, 32, 8)),
        (512, 8, (512, 128, 8)),
        (1000, 16, (992, 240, 16)),
        (128, 4, (128, 32, 8)),
        (64, 32, (64, 32, 32)),
    ],
)
def test_tiles_have_the_native_size_of_the_model(
    native: int, size_multiple: int, expected: tuple[int, int, int]
) -> None:
    """Neighbours share a quarter, and the model can paint sides of this length."""
    assert tiling(native, size_multiple) == expected


def test_tiles_begin_at_multiples() -> None:
    """A Detail from before has those of 8, and its JSON does not name them."""
    picture = msgspec.structs.replace(RECIPE, width=176, height=176)
    before = detail(picture)
    assert {box.left for box in before.tiles} == {0, 72, 144, 224}
    assert b"multiple" not in msgspec.json.encode(before)
    now = msgspec.structs.replace(before, multiple=16)
    assert {box.left for box in now.tiles} == {0, 64, 144, 224}
    assert msgspec.json.decode(msgspec.json.encode(now), type=Work) == now
