"""⬆ 2x, ⬆ 4x and ✨ Detail below single pictures."""

import asyncio
import os
import re
from io import BytesIO

import msgspec
import pytest
from PIL import Image

from bot.domain.kinds import detail, upscale
from bot.domain.kinds.detail import DetailRequest
from bot.domain.kinds.upscale import NO_UPSCALER, UpscaleRequest
from bot.domain.plan import Edge, PlanContext, Relation
from bot.errors import Refused
from bot.playground import Message
from engine.contract import Detail, Upscale, sha256
from tests.bot_harness import BotHarness
from tests.fake_engine import MODEL, FakeEngine
from tests.fake_server import UPSCALER
from tests.samples import picture, recipe


@pytest.fixture(autouse=True)
def _upscaler(engine: FakeEngine) -> None:
    """The engine has an upscaler."""
    engine.upscalers = (UPSCALER,)


CONTEXT = PlanContext(models=(MODEL,), upscalers=(UPSCALER,), seed=3, parents=(picture(),))


async def single(harness: BotHarness, nth: int = 2) -> Message:
    """The message with one picture of a new result."""
    grid = await harness.imagine()
    return await harness.result(await harness.ada.click(grid, f"U{nth}"))


@pytest.mark.parametrize("scale", [2, 4])
async def test_a_picture_is_upscaled(harness: BotHarness, engine: FakeEngine, scale: int) -> None:
    """The engine gets the stored file; the result is recorded with its lineage."""
    shown = await single(harness)
    message = await harness.result(await harness.ada.click(shown, f"⬆ {scale}x"))
    first, second = engine.paints
    [work] = second.recipes
    assert isinstance(work, Upscale)
    assert (work.picture, work.scale, work.size) == (first.recipes[1], scale, (64 * scale,) * 2)
    assert (work.upscaler, work.upscaler_revision) == (UPSCALER.name, UPSCALER.revision)
    [row] = harness.query("SELECT * FROM pictures WHERE nth = 2")
    assert work.image == row["sha256"]
    assert second.inputs == (sha256((harness.data / row["path"]).read_bytes()),)
    [edge] = harness.query("SELECT * FROM lineage")
    assert (edge["parent"], edge["relation"]) == (row["id"], "upscale")
    assert f"⬆ {scale}x" in message.content and f"{64 * scale}x{64 * scale}" in message.content
    assert {"U1", "⬆ 2x"} <= set(message.buttons)
    assert {"⬆ 4x", "✨ Detail"} <= set(message.options)


async def test_a_result_of_one_picture_is_upscaled(harness: BotHarness, engine: FakeEngine) -> None:
    """It has the buttons itself."""
    result = await harness.imagine(count=1)
    await harness.result(await harness.ada.click(result, "⬆ 2x"))
    assert isinstance(engine.paints[1].recipes[0], Upscale)


async def test_detail_is_added(harness: BotHarness, engine: FakeEngine) -> None:
    """Its tiles have the model's native size."""
    shown = await single(harness)
    message = await harness.result(await harness.ada.click(shown, "✨ Detail"))
    [work] = engine.paints[1].recipes
    assert isinstance(work, Detail)
    assert (work.size, work.tile, work.strength) == ((128, 128), 64, 0.25)
    assert "✨ detail 0.25" in message.content and "sketch" not in message.content
    [edge] = harness.query("SELECT * FROM lineage")
    assert edge["relation"] == "detail"


async def test_an_upscale_of_an_upscale(harness: BotHarness, engine: FakeEngine) -> None:
    """It goes on up to the largest size; then a private sentence says so."""
    message = await single(harness)
    for scale in (4, 4, 2):
        message = await harness.result(await harness.ada.click(message, f"⬆ {scale}x"))
    assert engine.paints[-1].recipes[0].size == (2048, 2048)
    refusal = await harness.refusal(await harness.ada.click(message, "⬆ 2x"))
    assert "would be 4096 x 4096 pixels; at most 2048 x 2048" in refusal
    refusal = await harness.refusal(await harness.ada.click(message, "✨ Detail"))
    assert "4096 x 4096" in refusal


async def test_without_an_upscaler_the_button_says_so(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """The engine says at each connection which upscalers it has."""
    engine.upscalers = ()
    await harness.stop()
    await harness.start()
    shown = await single(harness)
    assert await harness.refusal(await harness.ada.click(shown, "⬆ 2x")) == NO_UPSCALER


async def test_a_removed_picture_is_not_enlarged(harness: BotHarness, engine: FakeEngine) -> None:
    """Neither if its file is gone."""
    shown = await single(harness)
    await harness.execute("UPDATE pictures SET removed_at = 1")
    assert "Moderators removed" in await harness.refusal(await harness.ada.click(shown, "⬆ 4x"))
    assert len(engine.paints) == 1


async def test_the_pixels_of_an_enlarged_picture_must_be_the_same(harness: BotHarness) -> None:
    """Its file is gone, and its recipe gives other pixels: the job fails with a sentence."""
    shown = await single(harness)
    for path in (harness.data / "pictures").rglob("*.png"):
        path.unlink()
    await harness.execute("UPDATE pictures SET sha256 = ?", "b" * 64)
    interaction = await harness.ada.click(shown, "⬆ 4x")
    await harness.discord.until(
        lambda: interaction.response and "other pixels" in interaction.response.content,
        why="the reason",
    )


async def test_pictures_of_older_versions_are_enlarged(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """Their pixels have no stored digest, so it is that of the file."""
    shown = await single(harness)
    [row] = harness.query("SELECT sha256 FROM pictures WHERE nth = 2")
    await harness.execute("UPDATE pictures SET sha256 = NULL")
    await harness.result(await harness.ada.click(shown, "⬆ 2x"))
    [work] = engine.paints[1].recipes
    assert work.images == (row["sha256"],)


async def test_the_click_is_answered_before_such_a_file_is_read(harness: BotHarness) -> None:
    """Discord waits three seconds for an answer, and a disk may be slower."""
    shown = await single(harness)
    [row] = harness.query("SELECT path FROM pictures WHERE nth = 2")
    await harness.execute("UPDATE pictures SET sha256 = NULL")
    path = harness.data / row["path"]
    data = path.read_bytes()
    path.unlink()
    os.mkfifo(path)  # whoever reads it waits for a writer
    interaction = await harness.ada.click(shown, "⬆ 2x")
    await interaction.acknowledged()
    assert interaction.response is not None and interaction.response.loading
    with await asyncio.to_thread(path.open, "wb") as pipe:
        path.unlink()
        path.write_bytes(data)
        pipe.write(data)
    assert (await harness.result(interaction)).attachments


async def test_variations_and_rerolls_of_an_upscale_are_those_of_its_picture(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """They have a recipe again."""
    shown = await single(harness)
    enlarged = await harness.result(await harness.ada.click(shown, "⬆ 2x"))
    shown = await harness.result(await harness.ada.click(enlarged, "U1"))
    varied = await harness.result(await harness.ada.click(shown, "V strong"))
    assert "U4" in varied.buttons
    assert {item.recipe.seed for item in engine.paints[2].recipes} == {8}
    await harness.result(await harness.ada.click(shown, "🔄"))
    [again] = engine.paints[3].recipes
    assert again == again.recipe and again.seed != 8
    with Image.open(BytesIO(shown.attachments[0].data)) as image:
        assert image.size == (256, 256), "it is shown enlarged"


def test_an_upscale_is_planned_purely() -> None:
    """One recipe, one edge."""
    plan = upscale.plan(UpscaleRequest(2), CONTEXT)
    assert plan.edges == (Edge(1, picture().id, Relation.UPSCALE),)
    [work] = plan.recipes
    assert work.recipe == picture().recipe


@pytest.mark.parametrize(
    ("parents", "sentence"),
    [
        ((), "no picture here"),
        ((picture(sha256=None),), "no picture here"),
        ((picture(recipe=recipe(width=2048)),), "4096 x 128"),
    ],
)
@pytest.mark.parametrize("kind", [upscale, detail])
def test_what_cannot_be_enlarged(kind: object, parents: tuple[object, ...], sentence: str) -> None:
    """Each case has its sentence."""
    context = PlanContext(models=(MODEL,), upscalers=(UPSCALER,), seed=3, parents=parents)  # type: ignore[arg-type] # of pictures
    with pytest.raises(Refused, match=re.escape(sentence)):
        if kind is upscale:
            upscale.plan(UpscaleRequest(2), context)
        else:
            detail.plan(DetailRequest(), context)


def test_a_detail_needs_its_model() -> None:
    """An upscale does not."""
    foreign = PlanContext(
        models=(MODEL,),
        upscalers=(UPSCALER,),
        seed=3,
        parents=(picture(recipe=recipe(model="other")),),
    )
    assert upscale.plan(UpscaleRequest(2), foreign).recipes[0].model == "other"
    with pytest.raises(Refused, match="painted with the model other"):
        detail.plan(DetailRequest(), foreign)


def test_too_many_tiles_are_refused() -> None:
    """The sentence has their number and the limit."""
    large = picture(recipe=recipe(width=1024, height=1024))
    context = PlanContext(models=(MODEL,), upscalers=(UPSCALER,), seed=3, parents=(large,))
    with pytest.raises(Refused, match=r"takes \d+ tiles with this model; at most 64 are possible"):
        detail.plan(DetailRequest(), context)


@pytest.mark.parametrize("multiple", [8, 16])
def test_tiles_suit_the_model(multiple: int) -> None:
    """Their edges lie between its latent pixels."""
    model = msgspec.structs.replace(MODEL, size_multiple=multiple)
    parent = picture(recipe=recipe(width=176, height=176))
    context = PlanContext(models=(model,), upscalers=(UPSCALER,), seed=3, parents=(parent,))
    [work] = detail.plan(DetailRequest(), context).recipes
    assert isinstance(work, Detail)
    assert not any(edge % multiple for box in work.tiles for edge in box)
    assert work.tiles[-1].right == 352
