"""✏️ Edit: the button, the Apps menu and /edit."""

from io import BytesIO
from typing import Any

import msgspec
import pytest
from PIL import Image

from bot.domain.kinds import compare, edit
from bot.domain.kinds.edit import NO_EDITOR, EditRequest
from bot.domain.kinds.imagine import parse
from bot.domain.plan import Edge, PlanContext, Relation
from bot.errors import Refused
from bot.playground import Interaction, Message, Upload
from bot.playground.client.modals import FieldValue
from engine.contract import Edit, PromptFormat
from tests.bot_harness import ALL_BUTTONS, BotHarness
from tests.changing import EDITOR, PAINTER, context, painted, single
from tests.fake_engine import MODEL, FakeEngine, flat_image, png
from tests.fake_server import UPSCALER
from tests.samples import encoded

NIGHT: dict[str, FieldValue] = {"instruction": "make it night"}


@pytest.fixture(autouse=True)
def _models(engine: FakeEngine) -> None:
    """One of the models edits pictures."""
    engine.models = (PAINTER, EDITOR)
    engine.upscalers = (UPSCALER,)


def request(**options: Any) -> EditRequest:  # noqa: ANN401 - any option
    """A request with these options."""
    return EditRequest(options=parse(**{"prompt": "make it night"} | options))


def test_an_edit_is_painted_by_the_model_that_edits() -> None:
    """With its settings, four seeds and the instruction as the prompt."""
    plan = edit.plan(request(), context())
    recipes = [work.recipe for work in plan.recipes]
    assert {(item.model, item.steps, item.prompt) for item in recipes} == {
        ("editor", 5, "make it night")
    }
    assert [item.seed for item in recipes] == [5, 6, 7, 8]
    assert recipes[0].source == Edit(plan.inputs[0].placeholder, 1.25)
    assert recipes[0].prompt_format is PromptFormat.A1111
    assert {item.rows for item in recipes} == {3}
    assert plan.inputs[0].picture_id == "j1-1"
    assert plan.edges[0] == Edge(1, "j1-1", Relation.EDIT)


def test_an_attachment_is_edited_at_its_own_size() -> None:
    """Which is known when it is fetched; no picture of this bot is its parent."""
    asked = msgspec.structs.replace(request(), picture_url="https://a/b", image_guidance=2.0)
    plan = edit.plan(asked, PlanContext(models=(PAINTER, EDITOR), seed=5))
    assert plan.edges == ()
    [plan_input] = plan.inputs
    assert (plan_input.url, plan_input.keep_size) == ("https://a/b", False)
    assert plan.recipes[0].recipe.source == Edit(plan_input.placeholder, 2.0)


@pytest.mark.parametrize(
    ("models", "options", "sentence"),
    [
        ((MODEL,), {}, NO_EDITOR),
        (
            (PAINTER, EDITOR),
            {"model": "flat"},
            "flat does not edit pictures by instructions. Choose one of: editor.",
        ),
        ((PAINTER, EDITOR), {"model": "magic"}, "no model “magic”"),
        ((EDITOR,), {"prompt": " "}, "instruction is empty"),
        ((EDITOR,), {"prompt": "x" * 1001}, "1001 characters"),
        ((EDITOR,), {"count": 0}, "count is 0"),
        ((EDITOR,), {"count": -5}, "count is -5"),
        ((EDITOR,), {"seed": -2}, "seed is -2"),
        ((EDITOR,), {"prompt": "snow <lora:ink:1>"}, "no LoRA “ink”"),
    ],
)
def test_an_impossible_edit_is_refused(
    models: tuple[object, ...], options: dict[str, object], sentence: str
) -> None:
    """Each with one sentence."""
    with pytest.raises(Refused, match=sentence):
        edit.plan(request(**options), context(*models))


@pytest.mark.parametrize("guidance", [-1.0, 31.0, float("nan")])
def test_the_image_guidance_has_limits(guidance: float) -> None:
    """Those of the guidance."""
    asked = msgspec.structs.replace(request(), image_guidance=guidance)
    with pytest.raises(Refused, match=r"image guidance is .*; it must be 0 to 30"):
        edit.plan(asked, context())


def test_models_that_edit_are_not_compared() -> None:
    """They paint nothing from words."""
    other = msgspec.structs.replace(PAINTER, name="other", revision="3" * 40)
    asked = compare.CompareRequest(options=parse(prompt="a house"))
    plan = compare.plan(asked, context(PAINTER, EDITOR, other))
    assert {work.model for work in plan.recipes} == {"flat", "other"}


# In Discord


async def form(harness: BotHarness, interaction: Interaction) -> Interaction:
    """The interaction that was answered with the modal."""
    await harness.discord.until(lambda: interaction.modal, why="the modal")
    return interaction


async def asked_in_private(harness: BotHarness, interaction: Interaction) -> Message:
    """The private question which picture is meant."""
    await harness.discord.until(lambda: interaction.ephemerals, why="the question")
    [question] = interaction.ephemerals
    return question


async def test_a_picture_is_edited_by_its_button(harness: BotHarness, engine: FakeEngine) -> None:
    """The form also works after a restart; the result has its title, lineage and all buttons."""
    shown = await single(harness)
    asked = await form(harness, await harness.ada.click(shown, "✏️ Edit…"))
    await harness.stop()
    await harness.start()
    result = await harness.result(await harness.ada.submit(asked, NIGHT | {"keep": "1,75"}))
    assert result.content.startswith("Edited: **make it night** · <@")
    assert "image guidance 1.75" in result.content
    assert result.buttons == ALL_BUTTONS
    first = painted(engine)[0]
    [image] = engine.paints[-1].inputs
    assert first.source == Edit(image, 1.75)
    rows = harness.query("SELECT * FROM lineage ORDER BY nth")
    assert [(row["nth"], row["parent"][-2:], row["relation"]) for row in rows] == [
        (nth, "-2", "edit") for nth in (1, 2, 3, 4)
    ]
    tree = await harness.ada.slash("lineage", picture=rows[0]["parent"])
    await harness.discord.until(
        lambda: any(" · 5 pictures" in answer.content for answer in tree.ephemerals),
        why="the family tree",
    )


async def test_an_edit_can_be_edited_varied_enlarged_and_forked(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """Detail is no instruction, so the model refuses it."""
    shown = await single(harness)
    asked = await form(harness, await harness.ada.click(shown, "✏️ Edit…"))
    edited = await harness.result(await harness.ada.submit(asked, NIGHT))
    source = painted(engine)[0].source
    await harness.result(await harness.ada.click(edited, "V1"))
    assert painted(engine)[0].source == source
    inner = await harness.result(await harness.ada.click(edited, "U1"))
    await harness.result(await harness.ada.click(inner, "🎬 Film"))
    assert painted(engine)[0].source == source
    asked = await form(harness, await harness.ada.click(inner, "✏️ Edit…"))
    await harness.result(await harness.ada.submit(asked, {"instruction": "add snow"}))
    assert painted(engine)[0].images != source.images
    again = await harness.result(await harness.ada.click(edited, "🔄"))
    assert again.content.startswith("Again: **make it night**")
    refusal = await harness.refusal(await harness.ada.click(inner, "✨ Detail"))
    assert "edits pictures by instructions, and does nothing else" in refusal


async def test_the_apps_menu_asks_which_picture_of_a_grid(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """Then the form; of a single picture at once."""
    grid = await harness.imagine()
    question = await asked_in_private(harness, await harness.ada.use("Edit…", grid))
    [job] = harness.query("SELECT id FROM jobs")
    chosen = await harness.ada.choose(question, f"v1:editof:{job['id']}:0", "3")
    asked = await form(harness, chosen)
    await harness.result(await harness.ada.submit(asked, NIGHT))
    assert {row["parent"][-2:] for row in harness.query("SELECT * FROM lineage")} == {"-3"}
    shown = await harness.result(await harness.ada.click(grid, "U1"))
    await form(harness, await harness.ada.use("Edit…", shown))


async def test_an_upload_is_edited_from_the_apps_menu(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """The private message with its picture is the state of the form, also after a restart."""
    house = Upload("house.png", png(Image.new("RGB", (96, 64), "red")), "image/png")
    boat = Upload("boat.png", png(Image.new("RGB", (64, 64), "blue")), "image/png")
    note = Upload("note.txt", b"hello", "text/plain")
    message = await harness.ada.say("look", note, house, boat)
    question = await asked_in_private(harness, await harness.ada.use("Edit…", message))
    assert question.buttons == ["✏️ Edit 1", "✏️ Edit 2"]
    await harness.stop()
    await harness.start()
    asked = await form(harness, await harness.ada.click(question, "✏️ Edit 1"))
    await harness.stop()
    await harness.start()
    result = await harness.result(await harness.ada.submit(asked, NIGHT))
    assert result.content.startswith("Edited: **make it night**")
    assert painted(engine)[0].size == (96, 64)
    assert harness.query("SELECT * FROM lineage") == []


async def test_a_message_without_a_picture_has_nothing_to_edit(harness: BotHarness) -> None:
    """The sentence is private."""
    message = await harness.ada.say("look", Upload("note.txt", b"hello", "text/plain"))
    refusal = await harness.refusal(await harness.ada.use("Edit…", message))
    assert "no picture in this message" in refusal


async def test_an_instruction_has_flags(harness: BotHarness, engine: FakeEngine) -> None:
    """Those of the options of /edit."""
    upload = Upload("a.png", png(Image.new("RGB", (64, 64), "red")))
    text = "add snow --seed 3 --count 40"
    result = await harness.result(await harness.ada.slash("edit", picture=upload, instruction=text))
    assert result.content.startswith("Edited: **add snow**")
    assert "The count 40 was lowered to 16" in result.content
    assert [recipe.seed for recipe in painted(engine)] == list(range(3, 19))
    refused = await harness.ada.slash("edit", picture=upload, instruction="add snow --ar 3:2")
    assert "There is no flag --ar here." in await harness.refusal(refused)


async def test_the_command_edits_an_attachment(harness: BotHarness, engine: FakeEngine) -> None:
    """Its options are those of the recipes; only models that edit are offered, and only here."""
    upload = Upload("a.png", png(Image.new("RGB", (64, 64), "red")))
    interaction = await harness.ada.slash(
        "edit", picture=upload, instruction="add snow", keep=2.5, seed=3, count=2, steps=7
    )
    result = await harness.result(interaction)
    assert result.content.startswith("Edited: **add snow**")
    first, second = painted(engine)
    assert (first.seed, second.seed, first.steps) == (3, 4, 7)
    assert isinstance(first.source, Edit) and first.source.image_guidance == 2.5
    offered = await harness.ada.complete("edit", "model", "")
    await offered.acknowledged()
    assert [choice["value"] for choice in offered.choices or []] == ["editor"]
    offered = await harness.ada.complete("imagine", "model", "")
    await offered.acknowledged()
    assert [choice["value"] for choice in offered.choices or []] == ["flat"]


async def test_an_upload_of_a_picture_of_this_bot_is_its_parent(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """Also if the message shows it enlarged: its recipe is inside of the file."""
    shown = await harness.imagine(count=1)
    upload = Upload("a.png", shown.attachments[0].data, "image/png")
    await harness.result(
        await harness.ada.slash("edit", picture=upload, instruction="add snow", count=1)
    )
    [row] = harness.query("SELECT * FROM lineage")
    [parent] = harness.query("SELECT id FROM pictures ORDER BY rowid LIMIT 1")
    assert (row["parent"], row["relation"]) == (parent["id"], "edit")


async def test_the_recipe_of_an_edit_is_painted_again_by_its_user(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """Others lack the picture that was edited."""
    upload = Upload("a.png", png(Image.new("RGB", (64, 64), "red")), "image/png")
    edited = await harness.result(
        await harness.ada.slash("edit", picture=upload, instruction="add snow", count=1)
    )
    first = painted(engine)
    file = Upload("b.png", edited.attachments[0].data, "image/png")
    offered = await harness.ada.slash("recipe", file=file)
    await harness.discord.until(
        lambda: any("🎨 Paint" in answer.buttons for answer in offered.ephemerals),
        why="the recipe",
    )
    await harness.result(await harness.ada.click(offered.ephemerals[0], "🎨 Paint"))
    assert painted(engine) == first
    refused = await harness.discord.person("Ben").slash("recipe", file=file)
    await harness.discord.until(
        lambda: any("made with another picture" in m.content for m in refused.ephemerals),
        why="the reason",
    )


async def test_a_file_that_is_no_picture_is_refused(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """After the first response, so that it is deleted; the reason is private."""
    junk = Upload("a.png", b"no picture at all", "image/png")
    interaction = await harness.ada.slash("edit", picture=junk, instruction="add snow")
    await harness.discord.until(
        lambda: any("not an image" in answer.content for answer in interaction.ephemerals),
        why="the reason",
    )
    assert engine.paints == []


async def test_an_upload_of_a_removed_picture_is_refused(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """It is recognised by its pixels, in whatever file they are."""
    single_picture = await harness.imagine(count=1)
    with Image.open(BytesIO(single_picture.attachments[0].data)) as image:
        copy = Upload("copy.webp", encoded(image.convert("RGB"), "WEBP", lossless=True))
    await harness.execute("UPDATE pictures SET removed_at = 1.0")
    interaction = await harness.ada.slash("edit", picture=copy, instruction="add snow")
    await harness.discord.until(
        lambda: any("Moderators removed" in answer.content for answer in interaction.ephemerals),
        why="the reason",
    )
    assert len(engine.paints) == 1


async def test_nonsense_in_the_form_is_refused(harness: BotHarness, engine: FakeEngine) -> None:
    """Each with a private sentence; nothing is queued."""
    shown = await single(harness)
    for values, sentence in (
        ({"keep": "much"}, "image guidance is “much”; it must be a number from 0 to 30"),
        ({"keep": "99"}, "image guidance is “99”; it must be a number from 0 to 30"),
        ({"instruction": "\u200b "}, "instruction is empty"),
        ({"instruction": "show a naked child"}, "no sexual content with minors"),
    ):
        asked = await form(harness, await harness.ada.click(shown, "✏️ Edit…"))
        refusal = await harness.refusal(await harness.ada.submit(asked, NIGHT | values))
        assert sentence in refusal
    assert len(engine.paints) == 1


async def test_an_instruction_is_read_with_the_prompt_of_the_picture(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """Neither of them breaks the rule alone."""
    grid = await harness.imagine(prompt="a child on a beach", count=1)
    asked = await form(harness, await harness.ada.click(grid, "✏️ Edit…"))
    edited = await harness.result(await harness.ada.submit(asked, NIGHT))
    inner = await harness.result(await harness.ada.click(edited, "U1"))
    asked = await form(harness, await harness.ada.click(inner, "✏️ Edit…"))
    naked = await harness.ada.submit(asked, {"instruction": "make everybody naked"})
    assert "no sexual content with minors" in await harness.refusal(naked)
    assert len(engine.paints) == 2


async def test_without_an_editor_nothing_is_asked(harness: BotHarness, engine: FakeEngine) -> None:
    """Neither by the button, nor in the Apps menu, nor by the command."""
    shown = await single(harness)
    upload = Upload("a.png", png(flat_image(engine.paints[0].recipes[0])), "image/png")
    message = await harness.ada.say("look", upload)
    await harness.stop()
    engine.models = (PAINTER,)
    await harness.start()
    for interaction in (
        await harness.ada.click(shown, "✏️ Edit…"),
        await harness.ada.use("Edit…", message),
        await harness.ada.slash("edit", picture=upload, instruction="add snow"),
    ):
        assert await harness.refusal(interaction) == NO_EDITOR


async def test_a_picture_that_is_removed_meanwhile_is_not_edited(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """Neither if the form was open before, nor if the job was accepted."""
    shown = await single(harness)
    asked = await form(harness, await harness.ada.click(shown, "✏️ Edit…"))
    await harness.execute("UPDATE pictures SET removed_at = 1.0")
    assert "removed" in await harness.refusal(await harness.ada.submit(asked, NIGHT))
    assert "removed" in await harness.refusal(await harness.ada.use("Edit…", shown))
    assert len(engine.paints) == 1
