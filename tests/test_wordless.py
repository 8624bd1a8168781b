"""Pictures without a prompt: an image says what to paint."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from bot.domain import steering
from bot.domain.kinds import compare, detail, explore, zoom
from bot.domain.kinds.compare import CompareRequest
from bot.domain.kinds.detail import DetailRequest
from bot.domain.kinds.explore import ExploreRequest
from bot.domain.kinds.imagine import parse
from bot.domain.kinds.zoom import ZoomRequest
from bot.domain.plan import PlanContext
from bot.errors import Refused
from bot.messages import alt_texts
from bot.playground import Message, Upload
from bot.playground.client.options import Value
from engine.contract import (
    NEUTRAL_PROMPT,
    Backend,
    Change,
    Control,
    Detail,
    PictureOptions,
    Reference,
    ReferenceRole,
    UpscalerCard,
    make_recipes,
)
from engine.contract.infotext import write_infotext
from engine.errors import UsageError
from engine.offline.job_file import parse_job_file, to_command
from tests.bot_harness import BotHarness
from tests.fake_engine import FakeEngine
from tests.samples import picture, recipe
from tests.steered_model import STEERED
from tests.test_fork import asked
from tests.test_steering import LIKE, LINES, SKETCH, STYLE, answer, first_recipe

EMPTY = "The prompt is empty. Say in a few words what you want to see."
REFERENCE = Reference(image="c" * 64, adapter="ip", revision="i1")
SCRIBBLE = Control(kind="scribble", revision="c1", image="d" * 64)
OTHER = msgspec.structs.replace(STEERED, name="other", revision="7" * 40, native_size=128)


@pytest.fixture
def engine() -> FakeEngine:
    """An engine with two models that are steered."""
    return FakeEngine(STEERED, OTHER)


def styled(scale: float = 1.0) -> Reference:
    """A reference for the style alone."""
    return msgspec.structs.replace(REFERENCE, role=ReferenceRole.STYLE, scale=scale)


@pytest.mark.parametrize("parts", [{"references": (REFERENCE,)}, {"controls": (SCRIBBLE,)}])
def test_an_image_may_say_what_to_paint(parts: dict[str, Any]) -> None:
    """A reference or a control, at the first step and at later ones."""
    wordless = recipe(prompt="", changes=(Change(step=2, prompt=" "),), **parts)
    assert [phase.prompt for phase in wordless.phases] == ["", " "]
    assert write_infotext(recipe(prompt="", **parts)).startswith("\nSteps: 4")


@pytest.mark.parametrize(
    "parts",
    [
        {},
        {"references": (styled(),)},
        {"references": (msgspec.structs.replace(REFERENCE, scale=0.0),)},
        {"controls": (msgspec.structs.replace(SCRIBBLE, scale=0.0),)},
    ],
)
def test_else_a_prompt_must_not_be_empty(parts: dict[str, Any]) -> None:
    """A style says only how to paint, and a scale of 0 nothing."""
    for prompts in ({"prompt": ""}, {"changes": (Change(step=1, prompt=""),)}):
        with pytest.raises(ValueError, match=EMPTY):
            recipe(**prompts, **parts)


def test_a_schedule_may_end_without_words() -> None:
    """If a reference goes on saying what to paint."""
    options = PictureOptions(prompt="[cat::0.5]", steps=10, backend=Backend.TORCH)
    [first, *_] = make_recipes(options, STEERED, size=(64, 64), seed=1, references=[REFERENCE])
    assert (first.prompt, first.changes) == ("cat", (Change(step=5, prompt=""),))


def test_the_alt_text_says_what_there_is() -> None:
    """In place of the prompt."""
    wordless = picture(recipe=recipe(prompt="", controls=(SCRIBBLE,), references=(REFERENCE,)))
    parts = "follows a scribble image, like a picture"
    assert alt_texts.of_pictures([wordless]) == f"A picture without words: {parts}"
    assert alt_texts.of_pictures([wordless] * 4) == f"4 pictures without words: {parts}"


def enlarged(**parts: object) -> Detail:
    """The Detail of a wordless picture."""
    parent = picture(
        recipe=recipe(
            prompt="", model=STEERED.name, revision=STEERED.revision, backend=Backend.TORCH, **parts
        ),
        sha256="e" * 64,
    )
    upscaler = UpscalerCard(name="any", revision="u1", scales=(2,))
    context = PlanContext(models=(STEERED,), seed=5, upscalers=(upscaler,), parents=(parent,))
    [work] = detail.plan(DetailRequest(), context).recipes
    assert isinstance(work, Detail)
    return work


def test_the_tiles_of_a_detail_have_the_reference() -> None:
    """They have no control, so without a reference their prompt says nothing of the picture."""
    tile = enlarged(references=(REFERENCE,)).tile_recipe()
    assert (tile.prompt, tile.references) == ("", (REFERENCE,))
    tile = enlarged(controls=(SCRIBBLE,)).tile_recipe()
    assert (tile.prompt, tile.controls) == (NEUTRAL_PROMPT, ())


def test_a_stored_detail_has_the_tiles_that_it_had() -> None:
    """Those of earlier versions have no references."""
    stored = msgspec.to_builtins(enlarged(references=(REFERENCE,)))
    del stored["references"]
    stored["picture"]["prompt"] = "a house"
    assert msgspec.convert(stored, Detail).tile_recipe().references == ()


@pytest.mark.parametrize(
    ("parts", "prompt"),
    [({"references": (REFERENCE,)}, ""), ({"controls": (SCRIBBLE,)}, NEUTRAL_PROMPT)],
)
def test_a_zoom_has_the_reference_or_neutral_words(parts: dict[str, Any], prompt: str) -> None:
    """What followed lines has none beside the picture."""
    parent = recipe(prompt="", model=STEERED.name, revision=STEERED.revision, **parts)
    context = PlanContext(models=(STEERED,), seed=5, parents=(picture(recipe=parent),))
    first = zoom.plan(ZoomRequest(2.0), context).recipes[0].recipe
    assert (first.prompt, first.controls) == (prompt, ())


# /imagine


async def wordless(harness: BotHarness, **options: Any) -> Message:  # noqa: ANN401 - any option
    """The result of a request without words."""
    return await harness.imagine(prompt="-", **options)


async def test_a_reference_needs_no_words(harness: BotHarness, engine: FakeEngine) -> None:
    """A dash stands for none. The reference is as strong as it can be by default."""
    message = await wordless(harness, like=LIKE)
    first = first_recipe(engine)
    assert (first.prompt, [item.scale for item in first.references]) == ("", [1.0])
    assert message.content.startswith("*without words* · <@")
    assert "like a picture" in message.content and "****" not in message.content
    description = message.attachments[0].description
    assert description == "4 pictures without words: like a picture"
    await wordless(harness, like=LIKE, reference_strength=0.5, loras="neon")
    assert [item.scale for item in first_recipe(engine).references] == [0.5]


async def test_lines_need_no_words(harness: BotHarness, engine: FakeEngine) -> None:
    """A drawing says what to paint; phones make other dashes of two."""
    for dash in steering.NO_WORDS:
        message = await harness.imagine(prompt=dash, sketch=SKETCH, mode=LINES)
        assert first_recipe(engine).prompt == ""
        assert "follows the lines of a sketch" in message.content


@pytest.mark.parametrize("options", [{}, {"style": STYLE}, {"sketch": SKETCH}, {"loras": "neon"}])
async def test_nothing_to_paint_is_refused(harness: BotHarness, options: dict[str, Any]) -> None:
    """By the sentence about an empty prompt."""
    interaction = await harness.ada.invoke("imagine", {"prompt": "-", **options})
    assert await harness.refusal(interaction) == EMPTY


async def test_what_is_made_of_a_wordless_picture_has_no_words(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """Variations, rerolls, films, steps and full-size messages; they say so."""
    grid = await wordless(harness, like=LIKE, steps=6)
    single = await harness.result(await harness.ada.click(grid, "U2"))
    assert single.content.startswith("*without words* · picture 2")
    for message, button in ((grid, "V1"), (grid, "🔄"), (single, "🎬 Film"), (single, "🕰 Fork")):
        result = await harness.result(await harness.ada.click(message, button))
        assert first_recipe(engine).prompt == ""
        assert "*without words*" in result.content, button
    await harness.ada.react(grid, "✉️")
    await harness.discord.until(lambda: harness.discord.dms(harness.ada), why="a DM")
    [direct] = harness.discord.dms(harness.ada)
    assert direct.content.startswith("*without words*\n")
    shown = await answer(harness, await harness.ada.use("Show recipe", grid))
    assert "Steps: 6" in shown.content
    family = await answer(harness, await harness.ada.click(single, "🌳 Family"))
    assert "*without words* · " in family.content
    typed = await harness.ada.complete("lineage", "picture", "without words")
    await typed.acknowledged()
    assert typed.choices


async def test_words_may_begin_at_a_fork(harness: BotHarness, engine: FakeEngine) -> None:
    """The form has an empty field for them, which may stay empty."""
    grid = await wordless(harness, like=LIKE, steps=6)
    single = await harness.result(await harness.ada.click(grid, "U1"))
    strip = await harness.result(await harness.ada.click(single, "🕰 Fork"))
    await harness.result(
        await harness.ada.submit(await asked(harness, strip, 2), {"guidance": "3"})
    )
    assert first_recipe(engine).changes == (Change(step=2, guidance=3.0),)
    words = {"prompt": "a blue house"}
    message = await harness.result(await harness.ada.submit(await asked(harness, strip, 2), words))
    assert first_recipe(engine).changes == (Change(step=2, prompt="a blue house"),)
    assert "*without words*, from step 2: **a blue house**" in message.content


async def test_a_region_of_a_wordless_picture_needs_no_words(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """Its reference says what to paint; the family tree has its relatives."""
    single = await wordless(harness, like=LIKE, count=1)
    press = await harness.ada.click(single, "🖌 Vary region")
    await harness.discord.until(lambda: press.modal, why="the form")
    await harness.result(await harness.ada.submit(press, {"where": ["1"]}))
    first = first_recipe(engine)
    assert (first.prompt, [item.role for item in first.references]) == ("", [ReferenceRole.LIKE])


async def test_a_wordless_picture_is_painted_again_from_its_file(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """Its recipe is in the file, with an empty prompt."""
    grid = await wordless(harness, like=LIKE)
    file = Upload("a.png", grid.attachments[0].data)
    offered = await answer(harness, await harness.ada.slash("recipe", file=file))
    await harness.result(await harness.ada.click(offered, "🎨 Paint"))
    assert engine.paints[0].recipes == engine.paints[1].recipes


# /explore and /compare


def test_explore_steers_all_pictures_alike() -> None:
    """By LoRAs and references."""
    request = ExploreRequest(
        prompt="a house",
        values={"guidance": "3,5"},
        loras="neon:0.5",
        references=steering.References(like_url="https://a/like", style_url="https://a/style"),
    )
    plan = explore.plan(request, PlanContext(models=(STEERED,), seed=5))
    for work in plan.recipes:
        assert [item.name for item in work.recipe.adapters] == ["neon"]
        assert [(item.role, item.scale) for item in work.recipe.references] == [
            (ReferenceRole.STYLE, 1.0),
            (ReferenceRole.LIKE, 0.6),
        ]
    assert [item.url for item in plan.inputs] == ["https://a/style", "https://a/like"]


def compared(*models: object, **values: str) -> list[str]:
    """The models that are compared with a reference and a LoRA."""
    request = CompareRequest(
        options=parse(prompt="a house", loras="neon", count=1),
        references=steering.References(like_url="https://a/like"),
        **values,  # type: ignore[arg-type] # any options
    )
    plan = compare.plan(request, PlanContext(models=tuple(models), seed=5))  # type: ignore[arg-type]
    assert [item.url for item in plan.inputs] == ["https://a/like"]
    assert all(len(work.recipe.references) == 1 for work in plan.recipes)
    assert all(len(work.recipe.adapters) == 1 for work in plan.recipes)
    return [work.model for work in plan.recipes]


def test_compare_leaves_out_models_that_cannot() -> None:
    """Unless they are named, or no others are left; then the sentence says what is missing."""
    plain = msgspec.structs.replace(
        STEERED, name="plain", revision="8" * 40, image_adapter=None, adapters=()
    )
    assert compared(STEERED, plain, OTHER) == ["steered", "other"]
    with pytest.raises(Refused, match="The LoRA neon does not fit the model plain"):
        compared(STEERED, plain)
    with pytest.raises(Refused, match="The LoRA neon does not fit the model plain"):
        compared(STEERED, plain, OTHER, models="steered,plain")


async def test_explore_and_compare_take_references_and_loras(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """From the commands to the engine; each model paints at its own size."""
    values: dict[str, Value] = {"prompt": "-", "like": LIKE, "loras": "neon:0.5"}
    values["reference_strength"] = 0.75
    message = await harness.result(
        await harness.ada.invoke("explore", {**values, "guidance": "3,5"})
    )
    assert "like a picture (0.75) · LoRA neon (0.5)" in message.content
    await harness.result(await harness.ada.invoke("compare", {**values, "count": 1}))
    works = [work.recipe for work in engine.paints[-1].recipes]
    assert [work.model for work in works] == ["steered", "other"]
    assert [work.size for work in works] == [(64, 64), (128, 128)]
    digests = set(engine.paints[-1].inputs)
    assert all(set(work.images) == digests for work in works)


# python -m engine paint


def test_a_job_of_the_command_line_needs_no_prompt(tmp_path: Path) -> None:
    """With a picture that says what to paint; else the sentence says what is missing."""
    file = tmp_path / "a.png"
    file.write_bytes(LIKE.data)
    for option, text in (("reference", str(file)), ("control", f"scribble={file}")):
        [spec] = parse_job_file(msgspec.json.encode({"id": "a", option: [text]}).decode())
        work = to_command(spec, [STEERED]).paint.recipes[0]
        assert (work.prompt, len(work.images)) == ("", 1)
    [spec] = parse_job_file('{"id": "a"}')
    with pytest.raises(UsageError, match=EMPTY):
        to_command(spec, [STEERED])
