"""🖌 Vary region: a part of a picture painted again."""

from collections.abc import Collection
from io import BytesIO

import pytest
from PIL import Image

from bot.attachments.cell_mask import cell_mask
from bot.domain.job_input import PlanInput
from bot.domain.kinds import region
from bot.domain.kinds.region import CELLS, EVERYWHERE, NOWHERE, RegionRequest
from bot.domain.plan import Edge, Relation
from bot.domain.repainting import NO_INPAINTER
from bot.errors import Refused
from bot.playground import Interaction, Message, Upload
from bot.playground.client.modals import FieldValue
from engine.contract import Inpaint, PromptFormat
from tests.bot_harness import ALL_BUTTONS, BotHarness
from tests.changing import EDITOR, PAINTER, context, painted, single
from tests.deletion import delete
from tests.fake_engine import MODEL, FakeEngine, flat_image, png
from tests.samples import recipe

BUTTON = "🖌 Vary region"


@pytest.fixture(autouse=True)
def _models(engine: FakeEngine) -> None:
    """The default model can repaint a part of a picture."""
    engine.models = (PAINTER, EDITOR)


def request(*cells: int, prompt: str = "a blue door", mask_url: str | None = None) -> RegionRequest:
    """A request for these parts."""
    return RegionRequest(prompt=prompt, cells=frozenset(cells), mask_url=mask_url)


def test_a_region_has_the_settings_of_its_picture_and_other_words() -> None:
    """The mask is drawn when the picture is read."""
    parent = recipe(steps=9, prompt_format=PromptFormat.A1111, negative="rain")
    plan = region.plan(request(4, 0), context(parent=parent))
    first = plan.recipes[0].recipe
    assert (first.prompt, first.steps, first.negative) == ("a blue door", 9, "rain")
    picture, mask = plan.inputs
    assert picture.picture_id == "j1-1"
    assert mask.cells == {0, 4}
    assert first.source == Inpaint(picture.placeholder, mask.placeholder, 1.0)
    assert plan.edges == tuple(Edge(nth, "j1-1", Relation.REGION) for nth in (1, 2, 3, 4))


def test_an_uploaded_mask_counts_in_place_of_the_parts() -> None:
    """Also if there are no parts."""
    for asked in (request(mask_url="https://a/b"), request(1, mask_url="https://a/b")):
        _, mask = region.plan(asked, context()).inputs
        assert (mask.url, mask.cells) == ("https://a/b", frozenset())


@pytest.mark.parametrize(
    ("asked", "models", "sentence"),
    [
        (request(), (PAINTER,), NOWHERE),
        (request(9), (PAINTER,), NOWHERE),
        (request(*range(9)), (PAINTER,), EVERYWHERE),
        (request(1), (MODEL, EDITOR), NO_INPAINTER),
        (request(1, prompt=""), (PAINTER,), "prompt is empty"),
    ],
)
def test_an_impossible_region_is_refused(
    asked: RegionRequest, models: tuple[object, ...], sentence: str
) -> None:
    """Each with one sentence."""
    with pytest.raises(Refused, match=sentence):
        region.plan(asked, context(*models))


def test_brackets_are_read_as_in_the_picture() -> None:
    """As weights and schedules, or as words."""
    asked = request(1, prompt="a [cat:dog:2]")
    weighted = recipe(prompt_format=PromptFormat.A1111)
    assert region.plan(asked, context(parent=weighted)).recipes[0].prompt == "a cat"
    assert region.plan(asked, context()).recipes[0].prompt == asked.prompt
    with pytest.raises(Refused, match="no LoRA “ink”"):
        region.plan(request(1, prompt="a cat <lora:ink:1>"), context(parent=weighted))


def mask_of(size: tuple[int, int], cells: Collection[int]) -> Image.Image:
    """The drawn mask."""
    result = cell_mask(size, cells)
    assert (result.width, result.height, result.alpha) == (*size, b"")
    return Image.frombytes("RGB", size, result.pixels).convert("L")


def test_a_mask_is_white_in_its_parts_and_soft_at_their_edges() -> None:
    """Adjacent parts have no edge between them."""
    mask = mask_of((192, 96), {0, 1, 8})
    centres = [(192 * x // 6, 96 * y // 6) for y in (1, 3, 5) for x in (1, 3, 5)]
    values = [mask.getpixel(centre) for centre in centres]
    assert values == [255, 255, 0, 0, 0, 0, 0, 0, 255]
    assert mask.getpixel((64, 16)) == 255
    edge = mask.crop((16, 28, 17, 36)).tobytes()
    assert list(edge) == sorted(edge, reverse=True)
    assert len(set(edge)) > 2
    assert mask.getpixel((0, 0)) == 255


# In Discord


async def form(harness: BotHarness, message: Message) -> Interaction:
    """The interaction that was answered with the modal."""
    interaction = await harness.ada.click(message, BUTTON)
    await harness.discord.until(lambda: interaction.modal, why="the modal")
    return interaction


async def test_a_part_of_a_picture_is_painted_again(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """The engine gets the picture and a mask of its size; the prompt is that of the picture."""
    shown = await single(harness)
    asked = await form(harness, shown)
    await harness.stop()
    await harness.start()
    result = await harness.result(await harness.ada.submit(asked, {"where": ["1", "4"]}))
    assert result.content.startswith("Region: **a red house** · <@")
    assert "a part painted again" in result.content
    assert result.buttons == ALL_BUTTONS
    first = painted(engine)[0]
    assert isinstance(first.source, Inpaint)
    assert set(engine.paints[-1].inputs) == {first.source.image, first.source.mask}
    with Image.open(BytesIO(engine.inputs[first.source.mask])) as mask:
        assert (mask.mode, mask.size) == ("L", (64, 64))
        assert (mask.getpixel((32, 10)), mask.getpixel((32, 54))) == (255, 0)
    with Image.open(BytesIO(engine.inputs[first.source.image])) as source:
        assert source.tobytes() == flat_image(engine.paints[0].recipes[1]).tobytes()
    rows = harness.query("SELECT * FROM lineage")
    assert {(row["parent"][-2:], row["relation"]) for row in rows} == {("-2", "region")}


async def test_a_region_is_rerolled_and_varied(harness: BotHarness, engine: FakeEngine) -> None:
    """With the same picture and mask, which stay although another region has the same ones."""
    shown = await single(harness)
    parts: dict[str, FieldValue] = {"where": ["8"], "prompt": "a dog"}
    results = [
        await harness.result(await harness.ada.submit(await form(harness, shown), parts))
        for _ in range(2)
    ]
    source = painted(engine)[0].source
    await harness.ada.react(results[0], "❌")
    await harness.discord.until(lambda: results[0].deleted, why="it is deleted")
    await harness.result(await harness.ada.click(results[1], "🔄"))
    assert {item.source for item in painted(engine)} == {source}
    await harness.result(await harness.ada.click(results[1], "V2"))
    assert {item.source for item in painted(engine)} == {source}


async def test_the_mask_stays_if_the_picture_is_flagged_later(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """The engine may check input images more strictly; another job may have the same mask."""
    asked = await form(harness, await single(harness))
    engine.flags_init_image = True
    interaction = await harness.ada.submit(asked, {"where": ["0"]})
    await harness.discord.until(
        lambda: any("withheld" in message.content for message in interaction.ephemerals),
        why="the reason",
    )
    source = painted(engine)[0].source
    assert isinstance(source, Inpaint)
    stored = {path.stem for path in (harness.data / "sources").glob("*.png")}
    assert stored == {source.mask}


@pytest.mark.parametrize("has_alpha", [False, True])
async def test_a_mask_is_uploaded(
    harness: BotHarness, engine: FakeEngine, *, has_alpha: bool
) -> None:
    """White on black, or transparent where to paint; it is resized by the engine."""
    mask = Image.new("L", (128, 128))
    mask.paste(255, (0, 0, 64, 128))
    if has_alpha:
        drawing = Image.new("RGBA", mask.size, "green")
        drawing.putalpha(mask.point(lambda value: 255 - value))
        mask = drawing
    asked = await form(harness, await single(harness))
    upload = Upload("mask.png", png(mask), "image/png")
    await harness.result(await harness.ada.submit(asked, {"mask": upload}))
    source = painted(engine)[0].source
    assert isinstance(source, Inpaint)
    with Image.open(BytesIO(engine.inputs[source.mask])) as stored:
        assert (stored.mode, stored.size) == ("L", (128, 128))
        assert (stored.getpixel((10, 64)), stored.getpixel((100, 64))) == (255, 0)


@pytest.mark.parametrize(
    ("mask", "sentence"),
    [
        (Image.new("L", (64, 64), 0), "mask is empty"),
        (Image.new("L", (64, 64), 255), "mask covers the whole picture"),
        (Image.linear_gradient("L").resize((128, 64)), "128x64 pixels and the picture 64x64"),
        (None, "mask is not an image that can be read"),
    ],
)
async def test_a_mask_that_does_not_fit_is_refused(
    harness: BotHarness, engine: FakeEngine, mask: Image.Image | None, sentence: str
) -> None:
    """In private, after the first response, which is deleted; nothing is painted."""
    asked = await form(harness, await single(harness))
    data = b"junk" if mask is None else png(mask)
    upload = Upload("mask.png", data, "image/png")
    interaction = await harness.ada.submit(asked, {"mask": upload})
    await harness.discord.until(
        lambda: any(sentence in message.content for message in interaction.ephemerals),
        why="the reason",
    )
    assert len(engine.paints) == 1


async def test_a_mask_that_is_too_large_is_refused(harness: BotHarness, engine: FakeEngine) -> None:
    """Before it is downloaded."""
    asked = await form(harness, await single(harness))
    upload = Upload("mask.png", bytes(11 * 1024 * 1024), "image/png")
    refusal = await harness.refusal(await harness.ada.submit(asked, {"mask": upload}))
    assert "at most 10 MiB" in refusal
    assert len(engine.paints) == 1


async def test_nonsense_in_the_form_is_refused(harness: BotHarness, engine: FakeEngine) -> None:
    """Each with a private sentence; nothing is queued."""
    shown = await single(harness)
    all_parts = [str(number) for number in range(len(CELLS))]
    for values, sentence in (
        ({}, NOWHERE),
        ({"where": all_parts}, EVERYWHERE),
        ({"where": ["1"], "prompt": "\u200b"}, "prompt is empty"),
        ({"where": ["1"], "prompt": "a naked child"}, "no sexual content with minors"),
    ):
        refused = await harness.ada.submit(await form(harness, shown), values)
        assert sentence in await harness.refusal(refused)
    assert len(engine.paints) == 1


async def test_a_region_of_a_deleted_or_removed_picture_is_refused(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """Also if somebody else has the form open."""
    shown = await single(harness)
    ben = harness.discord.person("Ben")
    asked = await ben.click(shown, BUTTON)
    await harness.discord.until(lambda: asked.modal, why="the modal")
    await harness.execute("UPDATE pictures SET removed_at = 1.0")
    assert "removed" in await harness.refusal(await ben.submit(asked, {"where": ["1"]}))
    assert "removed" in await harness.refusal(await ben.click(shown, BUTTON))
    assert len(engine.paints) == 1


async def test_a_region_of_an_erased_picture_is_refused(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """Its user deleted all data while somebody had the form open."""
    shown = await single(harness)
    ben = harness.discord.person("Ben")
    asked = await ben.click(shown, BUTTON)
    await harness.discord.until(lambda: asked.modal, why="the modal")
    await delete(harness, harness.ada)
    refusal = await harness.refusal(await ben.submit(asked, {"where": ["1"]}))
    assert refusal == "This was deleted at its author's request."
    assert len(engine.paints) == 1


async def test_a_killed_bot_finishes_an_accepted_region(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """Its picture is read again, and its mask drawn again."""
    shown = await single(harness)
    engine.gate.clear()
    interaction = await harness.ada.submit(await form(harness, shown), {"where": ["0"]})
    await harness.discord.until(lambda: len(engine.paints) == 2, why="it is painted")
    await harness.stop()
    await harness.execute("UPDATE jobs SET status = 'accepted' WHERE kind = 'region'")
    await harness.execute(
        "UPDATE job_inputs SET url = iif(role = 'mask', 'cells:0', "
        "'picture:' || (SELECT parent FROM lineage LIMIT 1)), sha256 = NULL"
    )
    placeholders = "replace(replace(recipes, {0}, 'pending:picture:1'), {1}, 'pending:mask:1')"
    source = painted(engine)[0].source
    assert isinstance(source, Inpaint)
    await harness.execute(
        f"UPDATE jobs SET recipes = {placeholders.format('?', '?')} WHERE kind = 'region'",  # noqa: S608
        source.image,
        source.mask,
    )
    engine.gate.set()
    await harness.start()
    await harness.result(interaction)
    assert painted(engine)[0].source == source


def test_the_cells_of_an_address_are_read_again() -> None:
    """They are stored as the address of the input."""
    asked = region.plan(request(8, 2, 5), context()).inputs[1]
    assert asked.url == "cells:258"
    assert PlanInput(role=asked.role, url="cells:258").cells == {2, 5, 8}
