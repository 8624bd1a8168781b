"""Recipes, model cards and picture results validate themselves."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.contract import (
    MAX_PROMPT_CHARS,
    MAX_SIZE,
    MIN_SIZE,
    SIZE_MULTIPLE,
    Backend,
    Change,
    Control,
    Edit,
    Img2Img,
    Inpaint,
    Paint,
    PaintedImage,
    Phase,
    PromptFormat,
    Recipe,
    Reference,
    ReferenceRole,
    Sampler,
    Subseed,
    Verdict,
    size_for_aspect,
    size_for_init_image,
)
from tests.fake_engine import MODEL

GOOD: dict[str, Any] = {
    "model": "starter",
    "revision": "0" * 64,
    "prompt": "a red house",
    "seed": 1,
    "steps": 20,
    "guidance": 5.0,
    "sampler": Sampler.EULER,
    "width": 128,
    "height": 128,
    "row_class": 8,
}


def test_the_text_of_the_seed_names_the_whole_noise() -> None:
    """With subseeds it has all seeds and the share of each subseed."""
    assert Recipe(**GOOD).seed_text == "1"
    assert Recipe(**GOOD | {"subseeds": (Subseed(3, 0.15), Subseed(4, 0.5))}).seed_text == (
        "1 + 0.15 of 3 + 0.5 of 4"
    )


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"prompt": " \n"}, "prompt is empty"),
        ({"prompt": "x" * 1001}, "1001 characters; at most 1000"),
        ({"negative": "x" * 5000}, "negative prompt has 5000"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": 2**32}, "0 to 4294967295"),
        ({"subseeds": (Subseed(1, 0.1),) * 65}, "65 subseeds; at most 64"),
        ({"steps": 0}, "Steps is 0"),
        ({"steps": 151}, "1 to 150"),
        ({"guidance": -0.1}, "guidance"),
        ({"guidance": float("inf")}, "guidance is inf"),
        ({"guidance": float("nan")}, "guidance is nan"),
        ({"width": 100}, "width is 100; it must be a multiple of 8"),
        ({"height": 56}, "height is 56"),
        ({"height": 4096}, "64 to 2048"),
        ({"source": Img2Img("0" * 64, 0.04)}, "must be at least 0.05"),
        ({"changes": (Change(step=20, prompt="x"),)}, "at step 20, but the picture has 20 steps"),
        (
            {"source": Img2Img("a", 0.5), "changes": (Change(step=10, prompt="x"),)},
            "must be 1 to 9",
        ),
        ({"changes": (Change(step=3, guidance=1.0),) * 2}, "must ascend"),
        ({"row_class": 3}, "row class is 3"),
    ],
)
def test_an_invalid_recipe_cannot_be_constructed(changes: dict[str, Any], reason: str) -> None:
    """The message for each limit states what is allowed."""
    with pytest.raises(ValueError, match=reason):
        Recipe(**GOOD | changes)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: Subseed(-5, 0.5), "subseed is -5"),
        (lambda: Subseed(1, 1.5), "subseed strength is 1.5"),
        (lambda: Subseed(1, 0.0), "subseed strength is 0; it must be above 0"),
        (lambda: Subseed(1, float("nan")), "subseed strength is nan"),
        (lambda: Img2Img("a", 0.0), "strength is 0"),
        (lambda: Inpaint("a", "b", 1.01), "at most 1"),
        (lambda: Img2Img("a", float("nan")), "strength is nan"),
        (lambda: Edit("a", -1.0), "image guidance is -1"),
        (lambda: Change(step=0, prompt="x"), "first possible step is 1"),
        (lambda: Change(step=1), "at step 1 changes nothing"),
        (lambda: Change(step=1, negative="x" * 1001), "negative prompt has 1001"),
        (lambda: Change(step=1, guidance=31.0), "guidance is 31"),
    ],
)
def test_an_invalid_part_of_a_recipe_cannot_be_constructed(
    make: Callable[[], object], reason: str
) -> None:
    """The message for each limit states what is allowed."""
    with pytest.raises(ValueError, match=reason):
        make()


def test_long_changes_are_limited_together() -> None:
    """An alternation of short prompts may change at every step."""

    def alternating(prompt: str) -> Recipe:
        changes = tuple(Change(step=step, prompt=prompt) for step in range(1, 150))
        return Recipe(**GOOD | {"steps": 150, "changes": changes})

    assert alternating("x" * 300)
    with pytest.raises(ValueError, match="149000 characters; at most 50000"):
        alternating("x" * 1000)
    different = tuple(Change(step=step, prompt=f"{step:0300}") for step in range(1, 50))
    with pytest.raises(ValueError, match=r"different prompts .* have 14700 characters"):
        Recipe(**GOOD | {"steps": 150, "changes": different})


def test_each_phase_has_the_settings_before_it() -> None:
    """A change replaces what it names."""
    recipe = Recipe(
        **GOOD
        | {
            "negative": "fog",
            "changes": (
                Change(step=5, prompt="a cat", guidance=1.0),
                Change(step=9, guidance=3.0, sampler=Sampler.DDIM),
                Change(step=12, prompt="a red house", negative="", guidance=1.0),
            ),
        }
    )
    assert recipe.phases == (
        Phase(0, "a red house", "fog", 5.0, Sampler.EULER),
        Phase(5, "a cat", "fog", 1.0, Sampler.EULER),
        Phase(9, "a cat", "fog", 3.0, Sampler.DDIM),
        Phase(12, "a red house", "", 1.0, Sampler.DDIM),
    )
    assert recipe.prompts == (
        ("a red house", "fog"),
        ("a cat", ""),
        ("a cat", "fog"),
        ("a red house", ""),
    )
    assert recipe.uses_cfg and recipe.rows == 2


def test_filters_read_the_words_of_weighted_prompts_too() -> None:
    """As they are written, and without the notation."""
    changes = (Change(step=5, prompt="a cat"),)
    fields = GOOD | {"prompt": "a r(ed:1.2) ho\\use", "negative": "[fog]", "changes": changes}
    written = ("a r(ed:1.2) ho\\use", "[fog]"), ("a cat", "[fog]")
    assert Recipe(**fields).prompts == written
    weighted = Recipe(**fields, prompt_format=PromptFormat.A1111)
    assert weighted.prompts == (*written, ("a red house", "fog"), ("a cat", "fog"))


def test_plain_recipes_are_stored_as_before() -> None:
    """The format is left out if all of a prompt is words."""
    assert b"prompt_format" not in msgspec.json.encode(Recipe(**GOOD))
    weighted = Recipe(**GOOD, prompt_format=PromptFormat.A1111)
    stored = msgspec.json.encode(weighted)
    assert b'"prompt_format":"a1111"' in stored
    assert msgspec.json.decode(stored, type=Recipe) == weighted


def test_recipes_of_torch_are_stored_as_before() -> None:
    """The backend is left out, so that stored recipes mean torch."""
    assert b"backend" not in msgspec.json.encode(Recipe(**GOOD))
    stored = msgspec.json.encode(Recipe(**GOOD, backend=Backend.OPENVINO))
    assert b'"backend":"openvino"' in stored
    assert msgspec.json.decode(stored, type=Recipe).backend is Backend.OPENVINO


def test_guidance_at_any_step_needs_two_rows() -> None:
    """A recipe without guidance at its start may have it later."""
    recipe = Recipe(**GOOD | {"guidance": 1.0, "changes": (Change(step=2, guidance=4.0),)})
    assert recipe.rows == 2
    assert Recipe(**GOOD | {"guidance": 1.0, "changes": (Change(step=2, guidance=0.5),)}).rows == 1


def test_a_recipe_names_each_input_image_once() -> None:
    """Those of source, references and controls are needed to paint it."""
    recipe = Recipe(
        **GOOD
        | {
            "source": Inpaint("a", "b", 1.0),
            "references": (Reference(image="c", role=ReferenceRole.STYLE, scale=1.0),),
            "controls": (Control(kind="canny", revision="r3", image="a", scale=1.0),),
        }
    )
    assert recipe.images == ("a", "b", "c")
    assert Recipe(**GOOD).images == ()
    assert Recipe(**GOOD | {"source": Edit("d", 1.5)}).images == ("d",)


def test_a_recipe_is_validated_when_it_is_decoded() -> None:
    """Recipes from the wire and from the database are validated as constructed ones are."""
    invalid = msgspec.json.encode(GOOD | {"steps": 0})
    with pytest.raises(msgspec.ValidationError, match="Steps is 0"):
        msgspec.json.decode(invalid, type=Recipe)
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        msgspec.json.decode(msgspec.json.encode(GOOD | {"stepz": 1}), type=Recipe)


@pytest.mark.parametrize(
    "fields",
    [
        {"changes": [{"step": 5, "prompt": "a dog", "guidanze": 3.0}]},
        {"subseeds": [[3, 0.1, 4]]},
        {"source": {"type": "Txt2Img", "image": "ab"}},
        {"source": {"type": "Img2Img", "image": "ab", "strength": 0.5, "mask": "cd"}},
        {"references": [{"image": "ab", "role": "style", "scale": 1.0, "end": 0.5}]},
        {"controls": [{"model": "canny", "image": "ab", "scale": 1.0, "end": 0.5}]},
        {"adapters": [{"id": "ab", "revision": "1", "scale": 1.0, "end": 0.5}]},
    ],
)
def test_the_parts_of_a_recipe_have_no_unknown_fields(fields: dict[str, Any]) -> None:
    """Without a setting that this version does not have, another picture would be painted."""
    with pytest.raises(msgspec.ValidationError, match=r"unknown field|at most length"):
        msgspec.json.decode(msgspec.json.encode(GOOD | fields), type=Recipe)


def test_a_recipe_survives_a_round_trip() -> None:
    """A recipe that is encoded and decoded equals the original."""
    recipe = Recipe(**GOOD | {"source": Img2Img("ab", 0.3), "subseeds": (Subseed(1, 0.1),)})
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(recipe), type=Recipe) == recipe


@given(steps=st.integers(1, 150))
def test_the_suggested_smallest_strength_is_valid(steps: int) -> None:
    """A recipe with the strength that the error message suggests is valid."""
    smallest = None
    try:
        Recipe(**GOOD | {"steps": steps, "source": Img2Img("0", 1e-6)})
    except ValueError as error:
        smallest = float(str(error).rsplit(" ", 1)[1].rstrip("."))
    assert smallest is not None
    Recipe(**GOOD | {"steps": steps, "source": Img2Img("0", smallest)})


def test_a_job_has_any_number_of_pictures_but_none() -> None:
    """A job without recipes is invalid; the contract has no upper limit."""
    with pytest.raises(ValueError, match="at least one"):
        Paint(job="a", attempt=1, recipes=())
    assert len(Paint(job="a", attempt=1, recipes=(Recipe(**GOOD),) * 100).recipes) == 100


@pytest.mark.parametrize(
    ("pictures", "guidance", "side", "rows"),
    [
        (1, 5.0, 64, 2),
        (2, 5.0, 64, 8),
        (4, 5.0, 64, 8),
        (1, 1.0, 64, 2),
        (2, 1.0, 64, 2),
        (3, 1.0, 64, 8),
        (4, 5.0, 256, 8),
        (4, 5.0, 512, 2),
    ],
)
def test_a_job_has_a_row_class(pictures: int, guidance: float, side: int, rows: int) -> None:
    """It is the smallest class of the picture size that holds all rows, or the largest class."""
    changes = {"guidance": guidance, "width": side, "height": side}
    recipes = MODEL.with_row_class([Recipe(**(GOOD | changes))] * pictures)
    assert [recipe.row_class for recipe in recipes] == [rows] * pictures


@given(ratio=st.floats(0.01, 100), native=st.sampled_from([64, 128, 512, 1024]))
def test_a_size_for_an_aspect_ratio_is_valid(ratio: float, native: int) -> None:
    """Width and height are multiples of 8 within the limits."""
    for side in size_for_aspect(ratio, native):
        assert side % SIZE_MULTIPLE == 0
        assert MIN_SIZE <= side <= MAX_SIZE


@pytest.mark.parametrize(
    ("width", "height", "size"),
    [
        (512, 512, (512, 512)),
        (640, 480, (640, 480)),
        (500, 501, (496, 504)),
        (4000, 3000, (592, 440)),
        (100, 50, (728, 360)),
        (30000, 10, (1024, 256)),
    ],
)
def test_an_init_image_has_its_size_or_its_aspect_ratio(
    width: int, height: int, size: tuple[int, int]
) -> None:
    """It keeps its size if that is near the native area, and always its aspect ratio."""
    assert size_for_init_image(width, height, 512) == size


def test_the_prompt_limit_is_inclusive() -> None:
    """A prompt of exactly 1000 characters is valid."""
    assert Recipe(**GOOD | {"prompt": "x" * MAX_PROMPT_CHARS})


PASSED = Verdict(checker="model", score=0.1, flagged=False)
FLAGGED = Verdict(checker="model", score=0.9, flagged=True)
UNCHECKED = Verdict(checker="model", score=None, flagged=True)
PICTURE: dict[str, Any] = {"row_class": 2, "fingerprint": "here", "sha256": "0" * 64}


@pytest.mark.parametrize("score", [-0.1, 1.1, float("nan"), float("inf")])
def test_a_score_is_from_0_to_1(score: float) -> None:
    """Verdicts with other scores, such as NaN, are invalid."""
    with pytest.raises(ValueError, match="gave the score"):
        Verdict(checker="model", score=score, flagged=True)


def test_an_unchecked_picture_is_flagged() -> None:
    """A verdict without a score that passes the picture is invalid."""
    with pytest.raises(ValueError, match="that it did not check"):
        Verdict(checker="model", score=None, flagged=False)


@pytest.mark.parametrize(
    ("picture", "reason"),
    [
        ({"png": b"x"}, "has no verdict"),
        ({"png": b""}, "has no verdict"),
        ({"png": b"x", "verdicts": (PASSED, UNCHECKED)}, "could not be checked"),
        ({"png": b"", "verdicts": (PASSED,)}, "has no bytes"),
        ({"png": b"", "verdicts": (FLAGGED,), "failed": "why"}, "A failed picture"),
        ({"png": b"x", "failed": "why"}, "A failed picture"),
    ],
)
def test_a_picture_needs_a_verdict(picture: dict[str, Any], reason: str) -> None:
    """Pictures are validated when they are constructed and when they are decoded."""
    with pytest.raises(ValueError, match=reason):
        PaintedImage(**(PICTURE | picture))
    frame = msgspec.msgpack.encode(PICTURE | picture)
    with pytest.raises(msgspec.ValidationError, match=reason):
        msgspec.msgpack.decode(frame, type=PaintedImage)


@pytest.mark.parametrize(
    ("png", "verdicts", "flagged", "withheld"),
    [
        (b"x", (PASSED,), False, False),
        (b"x", (PASSED, FLAGGED), True, False),
        (b"", (FLAGGED, PASSED), True, True),
        (b"", (UNCHECKED,), True, True),
    ],
)
def test_a_picture_is_flagged_by_any_checker(
    png: bytes, verdicts: tuple[Verdict, ...], flagged: bool, withheld: bool
) -> None:
    """One flagged verdict flags the picture; a flagged picture without bytes is withheld."""
    image = PaintedImage(**(PICTURE | {"png": png, "verdicts": verdicts}))
    assert (image.flagged, image.withheld) == (flagged, withheld)
