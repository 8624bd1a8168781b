"""Job specs and the commands that they become."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engine.contract import BatchSizes, ModelCard, Sampler, Subseed, Txt2Img, sha256
from engine.errors import UsageError
from engine.offline.job_file import JobSpec, parse_job_file, to_command
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


def spec(**fields: Any) -> JobSpec:  # noqa: ANN401 - any of its fields
    """A job spec with the prompt "a boat" and these options."""
    return JobSpec(**{"id": "a", "prompt": "a boat"} | fields)


def lines(*jobs: dict[str, Any]) -> str:
    """The text of a job file with these lines."""
    return "\n".join(map(json.dumps, jobs))


def test_the_model_card_has_the_defaults() -> None:
    """Size, steps, guidance and sampler have defaults of the model; the seed is random."""
    command = to_command(spec(), [CARD]).paint
    assert len(command.recipes) == 4
    first = command.recipes[0]
    assert (first.width, first.height, first.steps, first.guidance) == (128, 128, 20, 5.0)
    assert (first.sampler, first.row_class, first.recipe.source) == (Sampler.DPMPP_2M, 8, Txt2Img())
    assert to_command(spec(), [CARD]).paint.recipes[0].seed != first.seed


def test_a_job_names_one_of_the_loaded_models() -> None:
    """Without a name the first one paints it; an unknown name is refused with the loaded ones."""
    other = msgspec.structs.replace(CARD, name="other", revision="1" * 40, steps=9)
    command = to_command(spec(model="other"), [CARD, other]).paint
    assert {(recipe.model, recipe.steps) for recipe in command.recipes} == {("other", 9)}
    assert to_command(spec(), [CARD, other]).paint.recipes[0].model == CARD.name
    with pytest.raises(UsageError, match=r"model third is not loaded; .* other\."):
        to_command(spec(model="third"), [CARD, other])


def test_the_seed_minus_one_is_any_seed() -> None:
    """As in other programs."""
    seeds = {to_command(spec(seed=-1, count=1), [CARD]).paint.recipes[0].seed for _ in range(3)}
    assert len(seeds) == 3 and min(seeds) >= 0


def test_pictures_have_consecutive_seeds() -> None:
    """Seeds wrap around at 2**32."""
    command = to_command(spec(seed=2**32 - 2, count=3), [CARD]).paint
    assert [recipe.seed for recipe in command.recipes] == [2**32 - 2, 2**32 - 1, 0]


def test_variations_of_a_seed_have_consecutive_subseeds() -> None:
    """With a subseed all pictures have the same seed, as in AUTOMATIC1111's web UI."""
    command = to_command(spec(seed=5, subseed=8, subseed_strength=0.2, count=2), [CARD]).paint
    assert [(recipe.seed, recipe.subseeds) for recipe in command.recipes] == [
        (5, (Subseed(8, 0.2),)),
        (5, (Subseed(9, 0.2),)),
    ]


def test_a_picture_without_guidance_needs_fewer_rows() -> None:
    """A row class holds twice as many pictures without guidance."""
    assert to_command(spec(count=2, guidance=1.0), [CARD]).paint.recipes[0].row_class == 2


def test_a_sketch_determines_the_size(tmp_path: Path) -> None:
    """The pictures have its aspect ratio and the native area; the strength has a default."""
    sketch(400, 200).save(tmp_path / "sketch.png")
    command, files = to_command(spec(sketch=str(tmp_path / "sketch.png")), [CARD])
    first = command.recipes[0]
    assert (first.width, first.height, first.strength) == (184, 88, 0.75)
    [(digest, data)] = files.items()
    assert command.inputs == (digest,)
    assert first.images == (digest,)
    assert digest == sha256(data)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"prompt": ""}, "prompt is empty"),
        ({"seed": -2}, "seed is -2"),
        ({"steps": 0}, "Steps is 0"),
        ({"width": 100}, "width is 100"),
        ({"width": 2048, "height": 2048}, "too large"),
        ({"sketch": "/nowhere/at all.png"}, "cannot be read"),
        ({"sketch": __file__}, "must be a PNG, JPEG, WebP"),
    ],
)
def test_an_invalid_recipe_or_sketch_is_a_usage_error(fields: dict[str, Any], reason: str) -> None:
    """The message is that of the recipe or of the decoder."""
    with pytest.raises(UsageError, match=reason):
        to_command(spec(**fields), [CARD])


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"count": 1001}, "count is 1001; it must be 1 to 1000"),
        ({"count": 0}, "count is 0"),
        ({"sampler": "ddimm"}, "no sampler “ddimm”. Choose one of: pndm, lms"),
        ({"strength": 0.5}, "needs a sketch"),
        ({"subseed": 5}, "must be given together"),
        ({"subseed_strength": 0.5}, "must be given together"),
    ],
)
def test_invalid_options_are_refused(fields: dict[str, Any], reason: str) -> None:
    """Options are checked before a model is loaded."""
    with pytest.raises(ValueError, match=reason):
        spec(**fields)


def test_only_line_feeds_end_a_line() -> None:
    """JSON may have other line separators within its texts; lines may end as those of Windows."""
    specs = parse_job_file('{"id": "a", "prompt": "x\u2028y"}\r\n{"id": "b", "prompt": "z\x85"}')
    assert [job.prompt for job in specs] == ["x\u2028y", "z\x85"]


def test_a_job_file_has_a_job_on_each_line() -> None:
    """Blank lines are ignored."""
    text = lines({"id": "a", "prompt": "x", "subseed_strength": 0.1, "subseed": 1})
    specs = parse_job_file(
        f"{text}\n\n" + lines({"id": "b-2.x_", "prompt": "y", "sampler": "euler"})
    )
    assert [job.id for job in specs] == ["a", "b-2.x_"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (lines({"id": "a", "prompt": "x"}, {"id": "a", "prompt": "y"}), "Line 2.*repeats the id a"),
        (lines({"id": "a", "prompt": "x"}, {"id": "b", "promt": "y"}), "Line 2.*promt"),
        (lines({"id": "a", "prompt": "x", "steps": "many"}), "Line 1.*steps"),
        (lines({"id": "a", "prompt": "x", "count": 1009}), "Line 1.*count is 1009"),
        ("\n{not json", "Line 2"),
        ("[1]", "Line 1"),
        ("\n \n", "empty"),
    ],
)
def test_an_invalid_line_is_reported(text: str, reason: str) -> None:
    """The message has the line number and the reason."""
    with pytest.raises(UsageError, match=reason):
        parse_job_file(text)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../x", "a/b", "a\\b", "con", "NUL.txt", "a b", "é"]
)
def test_an_id_must_be_a_safe_folder_name(name: str) -> None:
    """No id makes `paint` write outside the output folder, on any operating system."""
    with pytest.raises(UsageError, match="not a safe folder name"):
        parse_job_file(lines({"id": name, "prompt": "x"}))


def test_a_job_in_a_file_needs_an_id() -> None:
    """The id is the name of the job's folder."""
    with pytest.raises(UsageError, match=r"Line 1.*id"):
        parse_job_file(lines({"prompt": "x"}))
