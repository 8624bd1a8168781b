"""Show recipe and /recipe, from the message or the file to the painted picture."""

import asyncio
from pathlib import Path

import pytest
from PIL import Image

from bot.playground import Fault, Interaction, Message, Playground, Upload
from engine.contract import PromptFormat, Recipe
from engine.contract.images.encode import encode_jpeg, encode_webp
from engine.contract.images.exif_text import exif
from engine.contract.images.png_text import with_texts
from engine.contract.metadata import exif_of, read_metadata, with_metadata
from tests.bot_harness import BotHarness
from tests.fake_engine import FakeEngine, png
from tests.samples import recipe
from tests.test_imagine import SKETCH

SHOW = "Show recipe"
PAINT = "🎨 Paint"
RED = Image.new("RGB", (64, 64), "red")
PLAIN = png(RED)
WEB_UI = "a boat\nSteps: 8, Sampler: Euler a, CFG scale: 3, Seed: 12, Size: 64x64, Clip skip: 2"


async def shown(harness: BotHarness, message: Message) -> Message:
    """The private response to Show recipe."""
    return await answer(harness, await harness.ada.use(SHOW, message))


async def read(harness: BotHarness, data: bytes) -> Message:
    """The private response to /recipe with this file."""
    return await answer(harness, await harness.ada.slash("recipe", file=Upload("a.png", data)))


async def answer(harness: BotHarness, interaction: Interaction) -> Message:
    """The private response, once it has a text."""

    def answers() -> list[Message]:
        return [m for m in interaction.ephemerals if m.content.strip("…")]

    await harness.discord.until(answers, why="the recipe")
    return answers()[0]


async def test_the_recipe_of_a_grid_is_shown_privately(harness: BotHarness) -> None:
    """It has the settings, the command, and the other seeds."""
    response = await shown(harness, await harness.imagine(negative="rain"))
    assert response.content.startswith("```\na red house\nNegative prompt: rain\nSteps: 4, ")
    assert "/imagine prompt:a red house negative:rain seed:7" in response.content
    assert "4: seed 10" in response.content
    assert response.attachments == []


async def test_the_recipe_of_one_picture_is_shown(harness: BotHarness) -> None:
    """That of a message at full size."""
    grid = await harness.imagine()
    click = await harness.ada.click(grid, "U3")
    picture = await harness.result(click)
    response = await shown(harness, picture)
    assert "Seed: 9," in response.content and "seed 10" not in response.content


async def test_a_file_without_a_recipe_is_refused_in_one_message(harness: BotHarness) -> None:
    """The sentence takes the place of the message that says that the bot is thinking."""
    interaction = await harness.ada.slash("recipe", file=Upload("a.png", PLAIN))
    response = await answer(harness, interaction)
    assert response is interaction.response
    assert interaction.responses == [response]
    assert "…" not in [edit.content for edit in response.edits]


async def test_every_picture_that_is_sent_has_its_recipe(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """Grids have those of all pictures."""
    grid = await harness.imagine(negative="rain")
    recipes = engine.paints[0].recipes
    assert read_metadata(grid.attachments[0].data).recipes == recipes
    picture = await harness.result(await harness.ada.click(grid, "U2"))
    assert read_metadata(picture.attachments[0].data).recipes == recipes[1:2]


async def test_a_picture_of_ours_is_painted_again(harness: BotHarness, engine: FakeEngine) -> None:
    """Also after a restart: the button needs nothing but its message."""
    grid = await harness.imagine()
    offered = await read(harness, grid.attachments[0].data)
    assert offered.buttons == [PAINT]
    await harness.stop()
    await harness.start()
    again = await harness.result(await harness.ada.click(offered, PAINT))
    assert engine.paints[1].recipes == engine.paints[0].recipes
    assert again.attachments and "a red house" in again.content


async def test_a_picture_of_ours_keeps_its_row_class(
    discord: Playground, engine: FakeEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another one, which the engine might choose by load, would change its bits."""
    async with BotHarness(discord, engine, tmp_path) as harness:
        grid = await harness.imagine()
        await harness.stop()
        monkeypatch.setenv("IMAGINE_ADAPTIVE", "true")
        await harness.start()
        offered = await read(harness, grid.attachments[0].data)
        await harness.result(await harness.ada.click(offered, PAINT))
        assert [paint.adaptive for paint in engine.paints] == [False, False]
        stored = harness.query("SELECT DISTINCT row_class FROM pictures")
        assert [row["row_class"] for row in stored] == [8]


async def test_the_button_is_answered_before_its_file_is_read(harness: BotHarness) -> None:
    """Discord waits three seconds for an answer, and longer for what follows."""
    grid = await harness.imagine()
    offered = await read(harness, grid.attachments[0].data)
    served = asyncio.Event()
    harness.discord.faults.next("GET", "recipe.json", Fault(until=served))
    click = await harness.ada.click(offered, PAINT)
    await click.acknowledged()
    assert click.response is not None and click.response.loading
    assert harness.query("SELECT count(*) AS jobs FROM jobs")[0]["jobs"] == 1
    served.set()
    assert (await harness.result(click)).attachments


async def test_a_recipe_that_is_not_served_is_explained_privately(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """The public answer goes away."""
    grid = await harness.imagine()
    offered = await read(harness, grid.attachments[0].data)
    harness.discord.faults.next("GET", "recipe.json", Fault(status=500), times=5)
    click = await harness.ada.click(offered, PAINT)
    assert "did not serve the file" in await harness.refusal(click)
    await harness.discord.until(
        lambda: click.response is None or click.response.deleted, why="no public answer"
    )
    assert len(engine.paints) == 1


async def test_a_sketch_is_used_again_by_its_user_only(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """Others could make up a recipe that shows it nearly as it is."""
    ben = harness.discord.person("Ben")
    grid = await harness.imagine(sketch=SKETCH, count=1)
    await harness.result(await ben.click(grid, "V1"))
    data = grid.attachments[0].data
    refused = await answer(harness, await ben.slash("recipe", file=Upload("a.png", data)))
    assert "with a sketch, which is not in the file" in refused.content and not refused.buttons
    offered = await read(harness, data)
    await harness.result(await harness.ada.click(offered, PAINT))
    assert engine.paints[-1].recipes == engine.paints[0].recipes


async def test_a_picture_of_the_web_ui_is_painted(harness: BotHarness, engine: FakeEngine) -> None:
    """The response says what is not used."""
    offered = await read(harness, with_texts(PLAIN, {"parameters": WEB_UI}))
    assert "- The model takes no clip skip of 2; 1 is used." in offered.content
    assert "similar picture, not the same one" in offered.content
    await harness.result(await harness.ada.click(offered, PAINT))
    [painted] = engine.paints[0].recipes
    assert painted == recipe(
        prompt="a boat",
        prompt_format=PromptFormat.A1111,
        steps=8,
        sampler="euler_a",
        guidance=3.0,
        seed=12,
        row_class=2,
    )


@pytest.mark.parametrize("suffix", ["webp", "jpg"])
async def test_a_smaller_file_of_ours_has_the_recipe_too(
    harness: BotHarness, engine: FakeEngine, suffix: str
) -> None:
    """It is sent where a PNG exceeds the limit."""
    encode = encode_webp if suffix == "webp" else encode_jpeg
    await harness.imagine()
    data = encode(RED, exif=exif_of(engine.paints[0].recipes))
    file = Upload(f"a.{suffix}", data)
    for offered in (
        await answer(harness, await harness.ada.slash("recipe", file=file)),
        await shown(harness, await harness.ada.say("look", file)),
    ):
        await harness.result(await harness.ada.click(offered, PAINT))
        assert engine.paints[-1].recipes == engine.paints[0].recipes


async def test_a_jpeg_of_the_web_ui_is_painted(harness: BotHarness, engine: FakeEngine) -> None:
    """It has the same text, in EXIF data."""
    offered = await read(harness, encode_jpeg(RED, exif=exif(WEB_UI, "")))
    await harness.result(await harness.ada.click(offered, PAINT))
    assert [item.prompt for item in engine.paints[0].recipes] == ["a boat"]


async def test_files_without_a_usable_recipe_are_refused(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """Each with one sentence; nothing is painted."""
    gone: Recipe = recipe(model="dream")
    for data, sentence in (
        (PLAIN, "There is no recipe in this file."),
        (b"GIF89a", "This file is no PNG, WebP or JPEG picture."),
        (encode_jpeg(RED), "There is no recipe in this file."),
        (encode_webp(RED, exif("[", "[1]")), "is not valid"),
        (
            encode_jpeg(RED, exif=b"Exif\0\0MM\0*\xff"),
            "The text inside of this picture is damaged.",
        ),
        (with_texts(PLAIN, {"imagine-recipes": "[1]"}), "is not valid"),
        (with_metadata(PLAIN, [gone]), "painted with the model dream"),
    ):
        response = await read(harness, data)
        assert sentence in response.content and response.buttons == []
    assert engine.paints == []


async def test_a_message_of_somebody_else_with_a_picture_is_read(harness: BotHarness) -> None:
    """Of other messages there is nothing to show."""
    ben = harness.discord.person("Ben")
    with_file = await ben.say("look", Upload("boat.png", with_texts(PLAIN, {"parameters": WEB_UI})))
    assert (await shown(harness, with_file)).buttons == [PAINT]
    plain = await ben.say("hello")
    response = await shown(harness, plain)
    assert "no picture whose recipe I know" in response.content


async def test_prompt_rules_apply_to_a_file(harness: BotHarness, engine: FakeEngine) -> None:
    """They are checked when the picture is to be painted."""
    hostile = with_metadata(PLAIN, [recipe(prompt="a nude child")])
    offered = await read(harness, hostile)
    click = await harness.ada.click(offered, PAINT)
    assert "minors" in await harness.refusal(click)
    assert engine.paints == []
