"""The private preview of what the model will see of a sketch."""

import pytest

from bot.playground import Message, Upload
from tests.bot_harness import BotHarness, eventually
from tests.changing import painted
from tests.fake_engine import FakeEngine
from tests.reporting import response_text
from tests.sketching import WORDS, disc_in, photo, private, sketch_of, used

PREVIEW = {**WORDS, "first": "preview", "aspect": "square"}


async def preview(harness: BotHarness, message: Message | None = None, **values: str) -> Message:
    """The preview of a photo, or of the picture of a message."""
    message = message or await harness.discord.person("Ben").say("look", photo())
    asked = await used(harness, message)
    return await private(harness, await harness.ada.submit(asked, PREVIEW | values))


def image(message: Message) -> bytes:
    """The picture that a preview shows."""
    [file] = message.attachments
    return file.data


async def test_a_preview_is_private_and_what_the_model_sees(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """It has the prompt; nothing is public, stored or painted until it is wanted."""
    before = len(harness.discord.messages())
    message = await preview(harness, fit="contain")
    assert (message.visible_to, len(harness.discord.messages())) == (harness.ada.user, before + 1)
    [embed] = message.embeds
    assert embed["description"] == "a lighthouse"
    assert "64 x 64 · contain" in embed["footer"]["text"]
    assert message.buttons == ["🎨 Paint", "Contain", "Cover", "Stretch"]
    assert harness.query("SELECT * FROM jobs") == []
    assert not (harness.data / "sources").exists()
    result = await harness.result(await harness.ada.click(message, "🎨 Paint"))
    assert result.visible_to is None
    assert sketch_of(engine) == image(message)
    assert [recipe.prompt for recipe in painted(engine)] == ["a lighthouse"] * 4


async def test_another_fit_is_shown_in_its_place(harness: BotHarness, engine: FakeEngine) -> None:
    """And painted; all of it also after a restart."""
    message = await preview(harness, fit="cover", strength="free")
    assert disc_in(image(message)) == (32, 32)
    for label, disc in (("Contain", (16, 16)), ("Stretch", (16, 32))):
        await harness.stop()
        await harness.start()
        before = image(message)
        await harness.ada.click(message, label)
        await harness.discord.until(lambda old=before: image(message) != old, why="another preview")  # type: ignore[misc]
        assert disc_in(image(message)) == disc
    await harness.result(await harness.ada.click(message, "🎨 Paint"))
    assert sketch_of(engine) == image(message)
    assert painted(engine)[0].strength == 0.85


async def test_a_second_press_paints_nothing(harness: BotHarness, engine: FakeEngine) -> None:
    """Of the same fit, also at once; another fit is another job."""
    message = await preview(harness)
    first = await harness.ada.click(message, "🎨 Paint")
    second = await harness.ada.click(message, "🎨 Paint")
    assert "started this one already" in await response_text(harness, second)
    await harness.result(first)
    before = image(message)
    await harness.ada.click(message, "Contain")
    await harness.discord.until(lambda: image(message) != before, why="another preview")
    await harness.result(await harness.ada.click(message, "🎨 Paint"))
    assert len(engine.paints) == 2


@pytest.mark.parametrize("end", ["cancelled", "deleted"])
async def test_paint_can_be_pressed_again_after_a_job_without_pictures(
    harness: BotHarness, engine: FakeEngine, end: str
) -> None:
    """The user has cancelled it, or its message was deleted; while it runs, it is there once."""
    message = await preview(harness)
    engine.gate.clear()
    first = await harness.ada.click(message, "🎨 Paint")
    await harness.discord.until(
        lambda: first.response and "✖ Cancel" in first.response.buttons, why="progress"
    )
    assert first.response is not None
    second = await harness.ada.click(message, "🎨 Paint")
    assert "started this one already" in await response_text(harness, second)
    if end == "cancelled":
        await harness.ada.click(first.response, "✖ Cancel")
    else:
        await harness.discord.person("Mo", moderator=True).delete(first.response)
    await eventually(lambda: harness.query("SELECT 1 FROM jobs WHERE status = 'cancelled'"))
    engine.gate.set()
    result = await harness.result(await harness.ada.click(message, "🎨 Paint"))
    assert result.attachments
    assert len(harness.query("SELECT 1 FROM jobs")) == 2


async def test_a_preview_of_a_result(harness: BotHarness, engine: FakeEngine) -> None:
    """The stored picture is shown and painted over."""
    grid = await harness.imagine(count=1)
    message = await preview(harness, grid)
    await harness.result(await harness.ada.click(message, "🎨 Paint"))
    rows = harness.query("SELECT * FROM lineage")
    assert {row["relation"] for row in rows} == {"sketch"}
    assert len(rows) == len(painted(engine)) == 4


async def test_a_file_that_is_no_picture_has_no_preview(harness: BotHarness) -> None:
    """The reason takes its place."""
    junk = await harness.ada.say("look", Upload("a.png", b"no picture at all", "image/png"))
    asked = await used(harness, junk)
    interaction = await harness.ada.submit(asked, PREVIEW)
    assert "not an image" in await response_text(harness, interaction)


async def test_a_preview_stays_if_its_file_is_gone(harness: BotHarness, engine: FakeEngine) -> None:
    """Another fit cannot be shown then, which is said in private; the prompt is not lost."""
    source = await harness.discord.person("Ben").say("look", photo())
    message = await preview(harness, source)
    before = image(message)
    harness.discord.world.cdn._files.pop(source.attachments[0].id)
    click = await harness.ada.click(message, "Contain")
    assert "did not serve the file" in await response_text(harness, click)
    assert image(message) == before and not message.deleted
    assert engine.paints == []
