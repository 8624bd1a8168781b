"""Zoom out and Pan, in the menu below single pictures."""

from io import BytesIO

import msgspec
import pytest
from PIL import Image

from bot.domain.canvas import Direction
from bot.domain.kinds import pan, zoom
from bot.domain.kinds.pan import PanRequest
from bot.domain.kinds.zoom import ZoomRequest
from bot.domain.plan import Edge, Relation
from bot.domain.repainting import NO_INPAINTER, NO_PICTURE
from bot.errors import Refused
from engine.contract import (
    Adapter,
    AdapterCard,
    Change,
    Distilled,
    Outpaint,
    PromptFormat,
    Reference,
    Upscale,
    sha256,
)
from tests.bot_harness import ALL_BUTTONS, BotHarness
from tests.changing import EDITOR, PAINTER, context, menu_of, painted, single
from tests.fake_engine import MODEL, FakeEngine, flat_image
from tests.nsfw_watch import choose, restrict
from tests.samples import recipe
from tests.steered_model import STEERED


@pytest.fixture(autouse=True)
def _models(engine: FakeEngine) -> None:
    """The default model can repaint a part of a picture."""
    engine.models = (PAINTER, EDITOR)


def test_a_zoom_has_the_settings_of_its_picture() -> None:
    """Four pictures with new seeds, the picture in the middle; the input is still to be read."""
    parent = recipe(steps=9, guidance=3.0, negative="rain", changes=(Change(step=2, prompt="b"),))
    plan = zoom.plan(ZoomRequest(2.0), context(parent=parent))
    recipes = [work.recipe for work in plan.recipes]
    assert [item.seed for item in recipes] == [5, 6, 7, 8]
    assert {(item.steps, item.guidance, item.negative) for item in recipes} == {(9, 3.0, "rain")}
    [source] = {item.source for item in recipes}
    assert isinstance(source, Outpaint)
    assert (source.left, source.top, source.width, source.height) == (16, 16, 32, 32)
    assert {item.size for item in recipes} == {(64, 64)}
    assert recipes[0].prompt_format is PromptFormat.PLAIN and recipes[0].changes == ()
    assert plan.edges == tuple(Edge(nth, "j1-1", Relation.ZOOM) for nth in (1, 2, 3, 4))
    [plan_input] = plan.inputs
    assert (plan_input.picture_id, plan_input.keep_size) == ("j1-1", True)
    assert source.image == plan_input.placeholder


def test_a_pan_has_a_longer_canvas() -> None:
    """The picture is at its other end."""
    plan = pan.plan(PanRequest(Direction.LEFT), context())
    first = plan.recipes[0].recipe
    assert isinstance(first.source, Outpaint)
    assert (first.size, first.source.left, first.source.width) == ((96, 64), 32, 64)
    assert plan.edges[3] == Edge(4, "j1-1", Relation.PAN)


@pytest.mark.parametrize(
    ("native_size", "steps", "strength"), [(64, 9, 0.6), (512, 9, 0.9), (64, 1, 1.0)]
)
def test_small_models_have_less_freedom(native_size: int, steps: int, strength: float) -> None:
    """At least one step is run."""
    card = msgspec.structs.replace(PAINTER, native_size=native_size)
    plan = zoom.plan(ZoomRequest(2.0), context(card, parent=recipe(steps=steps)))
    assert plan.recipes[0].recipe.source.strength == strength


def test_an_enlarged_picture_is_repainted_in_its_first_size() -> None:
    """The buttons below the new pictures enlarge them again."""
    enlarged = Upscale(
        picture=recipe(), image="a" * 64, upscaler="flat", upscaler_revision="f", scale=4
    )
    request = msgspec.structs.replace(
        context(), parents=(msgspec.structs.replace(context().parents[0], recipe=enlarged),)
    )
    assert zoom.plan(ZoomRequest(2.0), request).recipes[0].size == (64, 64)


def test_another_model_repaints_what_the_own_one_cannot() -> None:
    """With its own settings, at its own size, and without LoRAs that it does not have."""
    other = msgspec.structs.replace(PAINTER, name="other", steps=7, guidance=2.0, native_size=128)
    parent = recipe(steps=30, adapters=(Adapter(name="ink", revision="1"),))
    plan = zoom.plan(ZoomRequest(1.5), context(EDITOR, MODEL, other, parent=parent))
    first = plan.recipes[0].recipe
    assert (first.model, first.steps, first.guidance) == ("other", 7, 2.0)
    assert (first.size, first.adapters) == ((128, 128), ())


def test_the_loras_of_a_picture_are_used_again() -> None:
    """They are a part of its style."""
    card = msgspec.structs.replace(PAINTER, adapters=(AdapterCard(name="ink", revision="1"),))
    inked = Adapter(name="ink", revision="1", scale=0.5)
    parent = recipe(adapters=(inked,))
    assert zoom.plan(ZoomRequest(2.0), context(card, parent=parent)).recipes[0].recipe.adapters == (
        inked,
    )


def test_the_references_of_a_picture_are_used_again() -> None:
    """They may say more of it than its prompt; another adapter would read them otherwise."""
    like = Reference(image="c" * 64, scale=0.5, adapter="ip", revision="i1")
    other = Reference(image="c" * 64, scale=0.5, adapter="ip", revision="i0")
    settings = {"model": STEERED.name, "revision": STEERED.revision, "references": (like, other)}
    plan = zoom.plan(ZoomRequest(2.0), context(STEERED, parent=recipe(**settings)))
    assert plan.recipes[0].recipe.references == (like,)


def test_an_old_picture_with_too_many_steps_gets_the_models_settings() -> None:
    """The model was distilled for fewer, and the user cannot choose them here."""
    card = msgspec.structs.replace(PAINTER, distilled=Distilled("Turbo", 4, 9.0))
    plan = zoom.plan(ZoomRequest(2.0), context(card, parent=recipe(steps=30)))
    assert plan.recipes[0].recipe.steps == card.steps


@pytest.mark.parametrize(
    ("models", "parents", "sentence"),
    [((MODEL, EDITOR), 1, NO_INPAINTER), ((PAINTER,), 0, NO_PICTURE)],
)
def test_what_cannot_be_zoomed_is_refused(
    models: tuple[object, ...], parents: int, sentence: str
) -> None:
    """Each case has its sentence."""
    made = context(*models)
    with pytest.raises(Refused, match=sentence):
        zoom.plan(ZoomRequest(2.0), msgspec.structs.replace(made, parents=made.parents[:parents]))


# In Discord


@pytest.mark.parametrize(
    ("name", "title", "size"),
    [
        ("zoom15", "Zoomed out: ", (64, 64)),
        ("zoom20", "Zoomed out: ", (64, 64)),
        ("panleft", "Panned: ", (96, 64)),
        ("panright", "Panned: ", (96, 64)),
        ("panup", "Panned: ", (64, 96)),
        ("pandown", "Panned: ", (64, 96)),
    ],
)
async def test_each_option_of_the_menu_works(
    harness: BotHarness, engine: FakeEngine, name: str, title: str, size: tuple[int, int]
) -> None:
    """The engine gets the pixels of the picture, and the result has its lineage and all buttons."""
    shown = await single(harness)
    result = await harness.result(await harness.ada.choose(shown, menu_of(harness), name))
    assert result.content.startswith(f"{title}**a red house** · <@")
    assert "painted around the picture" in result.content and "sketch" not in result.content
    assert result.buttons == ALL_BUTTONS
    first = painted(engine)[0]
    assert first.size == size
    [image] = engine.paints[-1].inputs
    assert first.images == (image,)
    with Image.open(BytesIO(engine.inputs[image])) as source:
        original = flat_image(engine.paints[0].recipes[1])
        assert (source.size, source.tobytes()) == (original.size, original.tobytes())
    rows = harness.query("SELECT * FROM lineage ORDER BY nth")
    assert {row["relation"] for row in rows} == {"pan" if size != (64, 64) else "zoom"}
    assert {row["parent"][-2:] for row in rows} == {"-2"}


async def test_the_same_option_can_be_chosen_again(harness: BotHarness) -> None:
    """The message is edited after each choice, without a change, also after a refused one: until
    then, a client of Discord would not send the choice again."""
    shown = await single(harness)
    content, buttons = shown.content, shown.buttons
    pictures, menus = len(shown.attachments), shown.components[-1]
    for _ in range(2):
        edited_at = shown.edited_at
        chosen = await harness.ada.choose(shown, menu_of(harness), "zoom15")
        await harness.discord.until(lambda: shown.edited_at != edited_at, why="it is edited")  # noqa: B023
        await harness.result(chosen)
    assert (shown.content, shown.buttons) == (content, buttons)
    assert (len(shown.attachments), shown.components[-1]) == (pictures, menus)
    await harness.execute("UPDATE pictures SET removed_at = 1")
    edited_at = shown.edited_at
    refused = await harness.ada.choose(shown, menu_of(harness), "zoom15")
    await harness.refusal(refused)
    await harness.discord.until(lambda: shown.edited_at != edited_at, why="it is edited")


async def test_a_zoom_can_be_rerolled_varied_and_zoomed_again(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """With the same input image, also after a restart; a zoom of a zoom starts from the zoom."""
    shown = await single(harness)
    zoomed = await harness.result(await harness.ada.choose(shown, menu_of(harness), "zoom20"))
    first = painted(engine)
    await harness.stop()
    await harness.start()
    again = await harness.result(await harness.ada.click(zoomed, "🔄"))
    assert again.content.startswith("Again: ")
    assert {item.source for item in painted(engine)} == {first[0].source}
    relations = harness.query("SELECT relation FROM lineage WHERE nth = 1")
    assert sorted(row["relation"] for row in relations) == ["reroll", "zoom", "zoom"]
    await harness.result(await harness.ada.click(zoomed, "V3"))
    assert {item.source for item in painted(engine)} == {first[0].source}
    assert len(painted(engine)[0].subseeds) == 1
    inner = await harness.result(await harness.ada.click(zoomed, "U1"))
    [job] = harness.query("SELECT id FROM jobs WHERE kind = 'zoom'")
    menu = f"v1:more:{job['id']}:1"
    await harness.result(await harness.ada.choose(inner, menu, "zoom15"))
    [image] = engine.paints[-1].inputs
    assert image not in first[0].images
    stored = (harness.data / "sources" / f"{image}.png").read_bytes()
    assert sha256(stored) == image


async def test_the_words_of_an_edited_picture_are_those_of_its_first_prompt_too(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """An instruction alone does not say what is around the picture; other models paint that."""
    shown = await single(harness)
    for instruction in ("make it night", "add snow"):
        asked = await harness.ada.click(shown, "✏️ Edit…")
        await harness.discord.until(lambda: asked.modal, why="the modal")  # noqa: B023 # now
        edited = await harness.result(await harness.ada.submit(asked, {"instruction": instruction}))
        varied = await harness.result(await harness.ada.click(edited, "V1"))
        shown = await harness.result(await harness.ada.click(varied, "U4"))
    [*_, job] = harness.query("SELECT id FROM jobs ORDER BY rowid")
    menu = f"v1:more:{job['id']}:4"
    result = await harness.result(await harness.ada.choose(shown, menu, "panup"))
    first = painted(engine)[0]
    assert (first.model, first.prompt) == ("flat", "a red house, make it night, add snow")
    assert result.content.startswith("Panned: **a red house, make it night, add snow**")


async def test_film_steps_and_fork_of_a_zoom_paint_its_recipe(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """They need its input image again."""
    shown = await single(harness)
    zoomed = await harness.result(await harness.ada.choose(shown, menu_of(harness), "zoom20"))
    recipes, inputs = painted(engine), engine.paints[-1].inputs
    inner = await harness.result(await harness.ada.click(zoomed, "U1"))
    for button in ("🎬 Film", "🕰 Fork"):
        await harness.result(await harness.ada.click(inner, button))
        assert (painted(engine), engine.paints[-1].inputs) == ((recipes[0],), inputs)


async def test_the_family_tree_names_the_change(harness: BotHarness) -> None:
    """Both pictures are in it."""
    shown = await single(harness)
    await harness.result(await harness.ada.choose(shown, menu_of(harness), "panup"))
    interaction = await harness.ada.click(shown, "🌳 Family")
    await harness.discord.until(
        lambda: any(" · 5 pictures" in answer.content for answer in interaction.ephemerals),
        why="the family tree",
    )


async def test_a_removed_picture_is_not_zoomed(harness: BotHarness, engine: FakeEngine) -> None:
    """The sentence is that of other buttons; nothing is queued."""
    shown = await single(harness)
    menu = menu_of(harness)
    await harness.execute("UPDATE pictures SET removed_at = 1.0")
    refused = await harness.ada.choose(shown, menu, "zoom20")
    assert "Moderators removed" in await harness.refusal(refused)
    assert len(engine.paints) == 1


async def test_a_flagged_picture_is_not_changed(harness: BotHarness, engine: FakeEngine) -> None:
    """Even where it may be shown: the engine checks input images, and would refuse it later."""
    restrict(harness, harness.discord.channel, nsfw=True)
    await choose(harness, "allow")
    engine.flagged = {2}
    shown = await single(harness)
    assert "✏️ Edit…" not in shown.buttons
    [job] = harness.query("SELECT id FROM jobs")
    shown.components[0]["components"][0]["custom_id"] = f"v1:zoom20:{job['id']}:2"
    refusal = await harness.refusal(await harness.ada.click(shown, shown.buttons[0]))
    assert refusal == "Picture 2 was flagged by the safety check, so it cannot be changed."
    assert len(engine.paints) == 1


async def test_nonsense_in_the_menu_is_refused(harness: BotHarness, engine: FakeEngine) -> None:
    """Only Discord's clients send the options of a menu."""
    shown = await single(harness)
    menu = menu_of(harness)
    for row in shown.components:
        for part in row["components"]:
            if part.get("custom_id") == menu:
                part["options"].append({"label": "x", "value": "steal"})
    refusal = await harness.refusal(await harness.ada.choose(shown, menu, "steal"))
    assert "no longer works" in refusal
    assert len(engine.paints) == 1


async def test_without_a_model_for_it_the_menu_says_so(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """The engine says at each connection what its models can do."""
    shown = await single(harness)
    await harness.stop()
    engine.models = (MODEL,)
    await harness.start()
    refused = await harness.ada.choose(shown, menu_of(harness), "panleft")
    assert await harness.refusal(refused) == NO_INPAINTER


async def test_a_zoom_of_a_deleted_file_paints_it_again(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """Its picture is painted from its recipe before the zoom."""
    picture = await single(harness)
    for path in (harness.data / "pictures").rglob("*.png"):
        path.unlink()
    await harness.result(await harness.ada.choose(picture, menu_of(harness), "zoom20"))
    assert [len(paint.recipes) for paint in engine.paints] == [4, 1, 4]
    assert engine.paints[1].recipes[0] in engine.paints[0].recipes


async def test_a_zoom_of_a_lost_picture_says_so(harness: BotHarness, engine: FakeEngine) -> None:
    """If other pixels come of its recipe; the message is private, and the job's own is gone."""
    shown = await single(harness)
    for path in (harness.data / "pictures").rglob("*.png"):
        path.unlink()
    await harness.execute("UPDATE pictures SET sha256 = ?", "b" * 64)
    interaction = await harness.ada.choose(shown, menu_of(harness), "zoom20")
    await harness.discord.until(
        lambda: any("other pixels" in message.content for message in interaction.ephemerals),
        why="the reason",
    )
    assert len(engine.paints) == 2
