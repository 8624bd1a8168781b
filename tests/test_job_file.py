"""Options and lines of JSON to recipes."""

import json
from pathlib import Path
from typing import Any

import pytest

from engine.contract import BatchSizes, ModelCard, Sampler
from engine.errors import UsageError
from engine.imaging.encode import sha256
from engine.offline.job_file import Order, job, orders
from tests.engine_parts import sketch

CARD = ModelCard(
    name="starter",
    revision="0" * 64,
    native_size=128,
    max_pixels=512 * 512,
    steps=20,
    guidance=5.0,
    sampler=Sampler.DPMPP_2M,
    max_steps={},
    batch_sizes=(BatchSizes(pixels=256 * 256, default=(2, 8), under_load=(2, 8, 16)),),
    fingerprint="here",
)


def order(**fields: Any) -> Order:  # noqa: ANN401 - any of an order's fields
    """An order for a boat."""
    return Order(**{"id": "a", "prompt": "a boat"} | fields)


def lines(*jobs: dict[str, Any]) -> str:
    """A file of jobs."""
    return "\n".join(json.dumps(each) for each in jobs)


def test_what_is_not_said_the_model_decides() -> None:
    """Size, steps, guidance and sampler come from the model; the seed is drawn."""
    made = job(order(), CARD)
    assert len(made.recipes) == 4
    first = made.recipes[0]
    assert (first.width, first.height, first.steps, first.guidance) == (128, 128, 20, 5.0)
    assert (first.sampler, first.row_class, first.source) == (Sampler.DPMPP_2M, 8, None)
    assert job(order(), CARD).recipes[0].seed != first.seed


def test_pictures_have_seeds_one_after_another() -> None:
    """The last seed there is, is followed by the first."""
    made = job(order(seed=2**32 - 2, count=3), CARD)
    assert [recipe.seed for recipe in made.recipes] == [2**32 - 2, 2**32 - 1, 0]


def test_variations_of_a_seed_differ_in_their_subseeds() -> None:
    """As A1111 has it: with a subseed all pictures share the seed."""
    made = job(order(seed=5, subseed=8, subseed_strength=0.2, count=2), CARD)
    assert [(recipe.seed, recipe.subseed) for recipe in made.recipes] == [(5, 8), (5, 9)]


def test_a_picture_without_guidance_needs_fewer_rows() -> None:
    """Two of them fit where one fits with it."""
    assert job(order(count=2, guidance=1.0), CARD).recipes[0].row_class == 2


def test_a_sketch_decides_the_size(tmp_path: Path) -> None:
    """Its own aspect at the model's area, and a usual strength."""
    sketch(400, 200).save(tmp_path / "sketch.png")
    made = job(order(sketch=str(tmp_path / "sketch.png")), CARD)
    first = made.recipes[0]
    assert (first.width, first.height, first.strength) == (184, 88, 0.75)
    assert made.source is not None
    assert first.source == sha256(made.source)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"prompt": ""}, "prompt is empty"),
        ({"seed": -1}, "seed is -1"),
        ({"steps": 0}, "Steps is 0"),
        ({"width": 100}, "width is 100"),
        ({"width": 2048, "height": 2048}, "too large"),
        ({"sketch": "/nowhere/at all.png"}, "cannot be read"),
        ({"sketch": __file__}, "no picture"),
    ],
)
def test_what_cannot_be_painted_is_said(fields: dict[str, Any], reason: str) -> None:
    """In the words of the recipe, or of the sketch."""
    with pytest.raises(UsageError, match=reason):
        job(order(**fields), CARD)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"count": 5}, "count is 5; it must be 1 to 4"),
        ({"count": 0}, "count is 0"),
        ({"sampler": "ddimm"}, "sampler is 'ddimm'; it must be pndm, lms"),
        ({"strength": 0.5}, "goes with a sketch"),
        ({"subseed": 5}, "go together"),
        ({"subseed_strength": 0.5}, "go together"),
    ],
)
def test_options_that_make_no_sense_are_refused(fields: dict[str, Any], reason: str) -> None:
    """Before any model is loaded."""
    with pytest.raises(ValueError, match=reason):
        order(**fields)


def test_a_file_has_a_job_on_each_line() -> None:
    """Blank lines are nothing."""
    text = lines({"id": "a", "prompt": "x", "subseed_strength": 0.1, "subseed": 1})
    found = orders(f"{text}\n\n" + lines({"id": "b-2.x_", "prompt": "y", "sampler": "euler"}))
    assert [each.id for each in found] == ["a", "b-2.x_"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (lines({"id": "a", "prompt": "x"}, {"id": "a", "prompt": "y"}), "Line 2.*another line"),
        (lines({"id": "a", "prompt": "x"}, {"id": "b", "promt": "y"}), "Line 2.*promt"),
        (lines({"id": "a", "prompt": "x", "steps": "many"}), "Line 1.*steps"),
        (lines({"id": "a", "prompt": "x", "count": 9}), "Line 1.*count is 9"),
        ("\n{not json", "Line 2"),
        ("[1]", "Line 1"),
        ("\n \n", "empty"),
    ],
)
def test_a_wrong_line_is_named(text: str, reason: str) -> None:
    """Its number, and what is wrong with it."""
    with pytest.raises(UsageError, match=reason):
        orders(text)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../x", "a/b", "a\\b", "con", "NUL.txt", "a b", "é"]
)
def test_an_id_is_a_safe_name(name: str) -> None:
    """Pictures stay in the folder that was asked for, on any system."""
    with pytest.raises(UsageError, match="no safe folder name"):
        orders(lines({"id": name, "prompt": "x"}))


def test_a_job_of_a_file_needs_an_id() -> None:
    """Its pictures go into a folder of that name."""
    with pytest.raises(UsageError, match=r"Line 1.*id"):
        orders(lines({"prompt": "x"}))
