"""/imagine with lines to follow, references and LoRAs, from the command to the message."""

from collections.abc import Mapping
from io import BytesIO
from typing import Any

import msgspec
import pytest
from PIL import Image

from bot.playground import Interaction, Message, Upload
from engine.contract import (
    AdapterCard,
    Control,
    Img2Img,
    Preprocessor,
    Recipe,
    Reference,
    ReferenceRole,
    Txt2Img,
)
from engine.contract.metadata import read_metadata
from tests.bot_harness import BotHarness, eventually
from tests.deletion import request_deletion
from tests.fake_engine import MODEL, FakeEngine
from tests.samples import encoded
from tests.steered_model import STEERED
from tests.test_fork import asked

OTHER = msgspec.structs.replace(
    MODEL, name="hub/Other", revision="6" * 40, adapters=(AdapterCard(name="glow", revision="g1"),)
)
LINES = "follow the lines"


def upload(colour: str, size: tuple[int, int] = (64, 64)) -> Upload:
    """A picture of one colour."""
    return Upload(f"{colour}.png", encoded(Image.new("RGB", size, colour)))


SKETCH = upload("red", (128, 64))
STYLE = upload("blue")
LIKE = upload("green")


@pytest.fixture
def engine() -> FakeEngine:
    """An engine with a model that is steered, one that takes nothing, and one with a LoRA."""
    return FakeEngine(STEERED, MODEL, OTHER)


def first_recipe(engine: FakeEngine, nth: int = -1) -> Recipe:
    """The first recipe of a job that the engine received."""
    [recipe, *_] = engine.paints[nth].recipes
    assert isinstance(recipe, Recipe)
    return recipe


def colours(engine: FakeEngine, recipe: Recipe) -> list[tuple[int, ...]]:
    """The colours of the input images of a recipe, in their order."""
    images = [Image.open(BytesIO(engine.inputs[digest])) for digest in recipe.images]
    return [image.convert("RGB").getpixel((5, 5)) for image in images]  # type: ignore[misc]


async def test_the_lines_of_a_sketch_are_followed(harness: BotHarness, engine: FakeEngine) -> None:
    """The engine gets the sketch as a control, which determines the size; nothing is painted over.
    The strength is how closely."""
    message = await harness.imagine(sketch=SKETCH, mode=LINES, strength=1.5)
    recipe = first_recipe(engine)
    [digest] = engine.paints[0].inputs
    assert recipe.source == Txt2Img()
    assert recipe.controls == (
        Control(
            kind="scribble",
            revision="c1",
            image=digest,
            preprocessor=Preprocessor.SCRIBBLE,
            scale=1.5,
        ),
    )
    assert recipe.width > recipe.height and recipe.backend == "torch"
    assert "follows the lines of a sketch (1.5)" in message.content
    assert "from a sketch" not in message.content


async def test_a_sketch_is_painted_over_by_default(harness: BotHarness, engine: FakeEngine) -> None:
    """As before there were modes; the mode may also be named."""
    modes: list[dict[str, Any]] = [{}, {"mode": "paint over"}]
    for mode in modes:
        await harness.imagine(sketch=SKETCH, strength=0.5, **mode)
        recipe = first_recipe(engine)
        assert isinstance(recipe.source, Img2Img) and recipe.source.strength == 0.5
        assert (recipe.controls, recipe.backend) == ((), "openvino")


async def test_an_aspect_outweighs_that_of_the_lines(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """As for a sketch that is painted over."""
    await harness.imagine(sketch=SKETCH, mode=LINES, aspect="portrait")
    assert first_recipe(engine).width < first_recipe(engine).height


async def test_references_have_a_strength(harness: BotHarness, engine: FakeEngine) -> None:
    """One for both, or else one of its own each; they do not determine the size."""
    message = await harness.imagine(style=upload("blue", (128, 64)))
    style = first_recipe(engine)
    assert [(item.role, item.scale) for item in style.references] == [(ReferenceRole.STYLE, 1.0)]
    assert style.width == style.height
    assert "in the style of a picture" in message.content
    message = await harness.imagine(style=STYLE, like=LIKE)
    both = first_recipe(engine)
    assert [(item.role, item.scale) for item in both.references] == [
        (ReferenceRole.STYLE, 1.0),
        (ReferenceRole.LIKE, 0.6),
    ]
    assert colours(engine, both) == [(0, 0, 255), (0, 128, 0)]
    assert "in the style of a picture · like a picture (0.6)" in message.content
    await harness.imagine(like=LIKE, reference_strength=0.25)
    [reference] = first_recipe(engine).references
    assert reference == Reference(
        image=engine.paints[-1].inputs[0],
        role=ReferenceRole.LIKE,
        scale=0.25,
        adapter="ip",
        revision="i1",
    )


ALL: Mapping[str, Any] = {
    "sketch": SKETCH,
    "mode": LINES,
    "style": STYLE,
    "like": LIKE,
    "loras": "neon:0.5",
    "steps": 30,
}


def steering(recipe: Recipe) -> tuple[object, ...]:
    """What steers a picture beside its prompts."""
    return recipe.source, recipe.controls, recipe.references, recipe.adapters, recipe.backend


async def test_everything_that_is_made_of_a_picture_is_steered_as_it_was(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """Variations, rerolls, films, the steps to fork at; each gets all input images."""
    grid = await harness.imagine(**ALL)
    original = first_recipe(engine)
    assert colours(engine, original) == [(0, 0, 255), (0, 128, 0), (255, 0, 0)]
    single = await harness.result(await harness.ada.click(grid, "U2"))
    for message, button in ((grid, "V1"), (grid, "🔄"), (single, "🎬 Film"), (single, "🕰 Fork")):
        await harness.result(await harness.ada.click(message, button))
        assert steering(first_recipe(engine)) == steering(original), button
        assert set(engine.paints[-1].inputs) == set(original.images), button
    assert len(engine.paints) == 5
    assert len(list((harness.data / "sources").iterdir())) == 3


async def test_a_fork_is_steered_as_the_picture_was(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """Only what was changed is other."""
    grid = await harness.imagine(**ALL)
    single = await harness.result(await harness.ada.click(grid, "U1"))
    strip = await harness.result(await harness.ada.click(single, "🕰 Fork"))
    modal = await asked(harness, strip, 2)
    await harness.result(await harness.ada.submit(modal, {"prompt": "a blue house"}))
    fork = first_recipe(engine)
    assert fork.changes[0].prompt == "a blue house"
    assert steering(fork) == steering(first_recipe(engine, 0))


async def test_pictures_in_direct_messages_have_their_recipes(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """With what steers them."""
    grid = await harness.imagine(**ALL)
    await harness.ada.react(grid, "✉️")
    await harness.discord.until(lambda: harness.discord.dms(harness.ada), why="a DM")
    [message] = harness.discord.dms(harness.ada)
    recipes = [read_metadata(file.data).recipes for file in message.attachments]
    assert recipes == [(recipe,) for recipe in engine.paints[0].recipes]
    assert "follows the lines of a sketch" in message.content and "LoRA neon" in message.content


async def test_a_draft_is_steered_as_it_will_be(harness: BotHarness, engine: FakeEngine) -> None:
    """Its finished picture has the same images."""
    draft = await harness.imagine(**ALL, draft=True)
    await harness.result(await harness.ada.click(draft, "✅ Finish"))
    first, second = first_recipe(engine, 0), first_recipe(engine, 1)
    assert (first.steps, second.steps) == (10, 30)
    assert steering(first) == steering(second)


async def test_the_attachments_of_a_killed_bot_are_fetched_later(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """By the roles that they were stored with."""
    engine.gate.clear()
    interaction = await harness.ada.invoke("imagine", {"prompt": "a house", **ALL})
    await eventually(lambda: engine.paints)
    await harness.stop()
    engine.gate.set()
    await harness.start()
    await harness.result(interaction)
    assert steering(first_recipe(engine, 0)) == steering(first_recipe(engine, -1))


async def answer(harness: BotHarness, interaction: Interaction) -> Message:
    """The private response, once it has a text."""

    def answers() -> list[Message]:
        return [m for m in interaction.ephemerals if m.content.strip("…")]

    await harness.discord.until(answers, why="a response")
    return answers()[0]


async def test_the_file_of_a_picture_paints_it_again(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """For the user who has uploaded its images; others are told what is missing."""
    grid = await harness.imagine(**ALL)
    file = Upload("a.png", grid.attachments[0].data)
    offered = await answer(harness, await harness.ada.slash("recipe", file=file))
    await harness.result(await harness.ada.click(offered, "🎨 Paint"))
    assert engine.paints[0].recipes == engine.paints[1].recipes
    ben = harness.discord.person("Ben")
    refused = await answer(harness, await ben.slash("recipe", file=file))
    missing = "a style picture, a reference picture and a sketch"
    assert f"made with {missing}, which are not in the file" in refused.content


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"mode": LINES}, "The mode says how to use a sketch, so it needs a sketch."),
        ({"mode": "magic", "sketch": SKETCH}, "no mode “magic”. Choose one of: paint over, follow"),
        ({"mode": LINES, "sketch": SKETCH, "strength": 3}, "it must be 0 to 2."),
        ({"sketch": SKETCH, "strength": 1.5}, "The strength is 1.5"),
        (
            {"mode": LINES, "sketch": SKETCH, "model": "flat"},
            "The model flat cannot follow the lines of a sketch; these do: steered.",
        ),
        (
            {"style": STYLE, "model": "flat"},
            "The model flat takes no picture as “style”; these do: steered.",
        ),
        (
            {"style": STYLE, "like": LIKE, "model": "other"},
            "The model Other takes no picture as “style”; these do: steered.",
        ),
        ({"like": LIKE, "reference_strength": 2.5}, "scale of the reference is 2.5; it must be 0"),
        ({"reference_strength": 0.5}, "so it needs one of them."),
        ({"loras": "sepia"}, "no LoRA “sepia” for the model steered. Choose one of: neon, pencil"),
        ({"loras": "glow"}, "The LoRA glow does not fit the model steered; it fits Other."),
        ({"loras": "neon", "model": "flat"}, "does not fit the model flat; it fits steered."),
        ({"loras": "neon, neon:0.5"}, "The option loras has “neon” more than once."),
        ({"loras": "neon:much"}, "“much”; it must be a number from -4 to 4."),
        ({"loras": "neon:9"}, "it must be -4 to 4."),
        ({"loras": "neon:nan"}, "it must be -4 to 4."),
        (
            {"loras": ",".join(f"lora{n}" for n in range(20))},
            "has 20 names; at most 8 are allowed.",
        ),
    ],
)
async def test_what_cannot_be_is_refused_in_one_sentence(
    harness: BotHarness, options: dict[str, Any], sentence: str
) -> None:
    """Before anything is downloaded; it names what can be."""
    values = {"prompt": "a house", **options}
    refused = await harness.refusal(await harness.ada.invoke("imagine", values, checked=False))
    assert sentence in refused
    assert harness.query("SELECT * FROM jobs") == []


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("style", "The style picture is not an image"), ("like", "The reference picture is not an")],
)
async def test_a_bad_reference_is_named(harness: BotHarness, name: str, sentence: str) -> None:
    """The others are fine. No file is left."""
    values: dict[str, Any] = {
        "prompt": "a house",
        **ALL,
        name: Upload("fine.png", b"hello", "image/png"),
    }
    refused = await harness.refusal(await harness.ada.invoke("imagine", values))
    assert sentence in refused and "It must be a PNG" in refused
    await eventually(lambda: harness.query("SELECT * FROM jobs")[0]["delivered_at"])
    await eventually(lambda: not list((harness.data / "sources").iterdir()))
    assert harness.engine.paints == []


async def test_two_bad_files_are_one_refusal(harness: BotHarness) -> None:
    """It is about the first of them."""
    bad = Upload("fine.png", b"hello", "image/png")
    values: dict[str, Any] = {"prompt": "a house", "style": bad, "like": bad}
    refused = await harness.refusal(await harness.ada.invoke("imagine", values))
    assert refused.startswith("The style picture is not an image that can be read.")


async def test_a_reference_of_11_mib_is_refused_at_once(harness: BotHarness) -> None:
    """Before it is downloaded."""
    large = Upload("large.png", bytes(11 * 1024 * 1024))
    values: dict[str, Any] = {"prompt": "a house", "like": large}
    refused = await harness.refusal(await harness.ada.invoke("imagine", values, checked=False))
    assert "10 MiB are allowed" in refused
    assert harness.query("SELECT * FROM jobs") == []


async def test_flagged_references_are_deleted(harness: BotHarness, engine: FakeEngine) -> None:
    """They may be photographs of somebody. The user gets a sentence."""
    engine.flags_init_image = True
    interaction = await harness.ada.invoke("imagine", {"prompt": "a house", **ALL})
    refused = await harness.refusal(interaction)
    assert refused == "The style picture was withheld by the safety check."
    await eventually(lambda: not list((harness.data / "sources").iterdir()))


async def test_all_input_images_are_erased(harness: BotHarness) -> None:
    """With the last job that needs them. Before that they are counted."""
    await harness.imagine(**ALL)
    shown = await answer(harness, await harness.ada.slash("privacy show"))
    assert "4 pictures and 3 input pictures of yours" in shown.content
    confirmation = await request_deletion(harness, harness.ada)
    await harness.ada.click(confirmation, "Delete everything")
    await eventually(lambda: not list((harness.data / "sources").iterdir()))
    assert harness.query("SELECT * FROM job_inputs") == []
    assert harness.query("SELECT * FROM job_images") == []
    assert "neon" not in str([tuple(row) for row in harness.query("SELECT recipes FROM jobs")])
