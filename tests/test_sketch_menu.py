"""Use as sketch, in the Apps menu of messages."""

import pytest

from bot.playground import Message, Person, Upload
from bot.playground.client.modals import FieldValue
from bot.playground.model.cdn import URL_SECONDS
from engine.contract import Img2Img, Preprocessor
from engine.contract.images.refusals import MAX_FILE_BYTES
from tests.bot_harness import BotHarness
from tests.changing import painted
from tests.fake_engine import FakeEngine
from tests.reporting import response_text
from tests.sketching import WORDS, disc_in, form, photo, private, sketch_of, used
from tests.steered_model import STEERED

NOTE = Upload("note.txt", b"hello", "text/plain")
LONG_NAME = "user_a_lighthouse_in_the_style_of_an_old_engraving_0123456789.png"


async def said(harness: BotHarness, *uploads: Upload, text: str = "look") -> Message:
    """A message of Ben with these files."""
    return await harness.discord.person("Ben").say(text, *uploads)


async def submitted(
    harness: BotHarness, message: Message, person: Person | None = None, **values: FieldValue
) -> Message:
    """The result of the form about the only picture of a message."""
    person = person or harness.ada
    asked = await used(harness, message, person)
    return await harness.result(await person.submit(asked, {**WORDS, **values}))


async def test_a_picture_of_anybody_is_painted_over(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """Ada uses a photo of Ben: it needs a prompt, and nothing else."""
    result = await submitted(harness, await said(harness, NOTE, photo()))
    assert result.content.startswith("**a lighthouse** · <@")
    first = painted(engine)[0]
    assert isinstance(first.source, Img2Img) and first.source.strength == 0.6
    assert first.width > first.height
    assert harness.query("SELECT * FROM lineage") == []
    assert harness.discord.dms(harness.ada) == []


@pytest.mark.parametrize(("name", "strength"), [("keep", 0.4), ("balanced", 0.6), ("free", 0.85)])
async def test_strengths_have_names(
    harness: BotHarness, engine: FakeEngine, name: str, strength: float
) -> None:
    """Each stands for a number, which is in the recipe."""
    await submitted(harness, await said(harness, photo()), strength=name)
    assert {recipe.strength for recipe in painted(engine)} == {strength}


async def test_flags_work_in_the_form(harness: BotHarness, engine: FakeEngine) -> None:
    """What the form sets counts, and the message says so."""
    message = await said(harness, photo())
    words = "a lighthouse —ar 1:1 --steps 3 --fit contain --seed 9"
    result = await submitted(harness, message, prompt=words)
    first = painted(engine)[0]
    assert (first.prompt, first.seed, first.steps, first.size) == ("a lighthouse", 9, 3, (64, 64))
    assert "The option fit counts, so --fit contain has no effect." in result.content


async def test_a_photo_is_not_distorted(harness: BotHarness, engine: FakeEngine) -> None:
    """Its disc stays round in a square picture, unless the user wants it stretched."""
    message = await said(harness, photo(256, 128))
    await submitted(harness, message, aspect="square", fit="contain")
    assert [recipe.size for recipe in painted(engine)] == [(64, 64)] * 4
    assert disc_in(sketch_of(engine)) == (16, 16)
    await submitted(harness, message, aspect="square", fit="cover")
    assert disc_in(sketch_of(engine)) == (64, 64)  # the engine crops it
    await submitted(harness, message, aspect="square", fit="stretch")
    assert disc_in(sketch_of(engine)) == (16, 32)


async def test_the_pictures_of_a_forward_are_used(harness: BotHarness, engine: FakeEngine) -> None:
    """The forward has a copy of its own."""
    original = await said(harness, photo())
    forward = await harness.discord.person("Ben").forward(original)
    await submitted(harness, forward)
    assert disc_in(sketch_of(engine)) == (64, 64)


async def test_only_attachments_of_embeds_are_loaded(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """A link to a file of Discord is used; one to another website is not, nor is Discord's copy."""
    file = (await said(harness, photo())).attachments[0]
    linked = await said(harness, text=file.url)
    linked.previews.append({"type": "image", "url": file.url, "thumbnail": {"url": file.url}})
    await submitted(harness, linked)
    assert disc_in(sketch_of(engine)) == (64, 64)
    copies = "https://media.discordapp.net/external/abc/https/example.org/a.png"
    for url in ("https://example.org/a.png", copies):
        foreign = await said(harness, text=url)
        foreign.previews.append({"type": "image", "url": url, "thumbnail": {"url": url}})
        refusal = await harness.refusal(await harness.ada.use("Use as sketch", foreign))
        assert refusal.startswith("This picture is on another website")
    assert len(engine.paints) == 1


async def test_of_several_pictures_one_is_chosen(harness: BotHarness, engine: FakeEngine) -> None:
    """In private; the message with the pictures is the state of the form, also after a restart."""
    message = await said(harness, photo(64, 64), NOTE, photo(128, 128, "second.png"))
    question = await private(harness, await harness.ada.use("Use as sketch", message))
    assert (question.content, question.buttons) == (
        "Use which picture as a sketch?",
        ["Picture 1", "Picture 2"],
    )
    await harness.stop()
    await harness.start()
    asked = await form(harness, await harness.ada.click(question, "Picture 2"))
    await harness.stop()
    await harness.start()
    await harness.result(await harness.ada.submit(asked, WORDS))
    assert disc_in(sketch_of(engine)) == (64, 64)


async def test_a_long_file_name_costs_one_more_press(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """The address does not fit into the custom id of the form."""
    message = await said(harness, photo(name=LONG_NAME))
    question = await private(harness, await harness.ada.use("Use as sketch", message))
    assert question.buttons == ["Use as sketch…"]
    asked = await form(harness, await harness.ada.click(question, "Use as sketch…"))
    await harness.result(await harness.ada.submit(asked, WORDS))
    assert disc_in(sketch_of(engine)) == (64, 64)


async def test_the_form_is_sent_days_later(harness: BotHarness, engine: FakeEngine) -> None:
    """After a restart, and after the signature of the address has expired."""
    asked = await used(harness, await said(harness, photo()))
    await harness.stop()
    harness.discord.clock.advance(URL_SECONDS + 1)
    await harness.start()
    await harness.result(await harness.ada.submit(asked, WORDS))
    assert disc_in(sketch_of(engine)) == (64, 64)


async def test_a_picture_of_a_grid_is_painted_over(harness: BotHarness, engine: FakeEngine) -> None:
    """The stored picture is the sketch, not the grid; the family tree has it."""
    grid = await harness.imagine()
    question = await private(harness, await harness.ada.use("Use as sketch", grid))
    [job] = harness.query("SELECT id FROM jobs")
    chosen = await harness.ada.choose(question, f"v1:sketchmenu:{job['id']}:0", "3")
    asked = await form(harness, chosen)
    assert asked.modal is not None and "a red house" in str(asked.modal)
    await harness.result(await harness.ada.submit(asked, WORDS))
    rows = harness.query("SELECT * FROM lineage ORDER BY nth")
    assert [(row["parent"][-2:], row["relation"]) for row in rows] == [("-3", "sketch")] * 4
    assert painted(engine)[0].size == (64, 64)


async def test_what_was_painted_over_a_removed_picture_goes_with_it(
    harness: BotHarness, mo: Person
) -> None:
    """It may show it again, and so may the stored sketch."""
    grid = await harness.imagine(count=1)
    painted_over = await submitted(harness, grid, strength="keep")
    assert "Removed" in await response_text(harness, await mo.use("Remove picture", grid))
    await harness.discord.until(lambda: painted_over.deleted, why="it is removed too")
    rows = harness.query("SELECT * FROM pictures WHERE removed_at IS NULL")
    assert rows == []
    sources = harness.data / "sources"
    await harness.discord.until(lambda: not list(sources.iterdir()), why="the sketch is deleted")


async def test_rerolls_and_variations_keep_the_sketch(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """With its fit, also after a restart."""
    message = await said(harness, photo())
    result = await submitted(harness, message, aspect="square", fit="contain")
    first, sketch = painted(engine)[0], sketch_of(engine)
    await harness.stop()
    await harness.start()
    for button in ("🔄", "V2"):
        await harness.result(await harness.ada.click(result, button))
        assert {recipe.source for recipe in painted(engine)} == {first.source}
        assert sketch_of(engine) == sketch


async def test_the_lines_of_a_photo_are_followed(harness: BotHarness, engine: FakeEngine) -> None:
    """If the model can; at a multiple of the pictures' size, which keeps fine lines."""
    asked = await used(harness, await said(harness, photo()))
    assert "'lines'" not in str(asked.modal)
    engine.models = (STEERED,)
    await harness.stop()
    await harness.start()
    message = await said(harness, photo())
    await submitted(harness, message, strength="lines", aspect="square", fit="contain")
    [control] = painted(engine)[0].controls
    assert control.preprocessor is Preprocessor.SCRIBBLE
    assert disc_in(sketch_of(engine)) == (64, 64)


async def test_bad_files_and_values_are_refused(harness: BotHarness, engine: FakeEngine) -> None:
    """Each with a private sentence; nothing is painted."""
    large = Upload("large.png", bytes(MAX_FILE_BYTES + 1), "image/png")
    for uploads, sentence in (
        ((NOTE,), "no picture in this message"),
        ((), "no picture in this message"),
        ((large,), "at most 10 MiB"),
    ):
        interaction = await harness.ada.use("Use as sketch", await said(harness, *uploads))
        assert sentence in await harness.refusal(interaction)
    asked = await used(harness, await said(harness, photo()))
    for prompt, sentence in (
        ("\u200b ", "prompt is empty"),
        ("a naked child", "no sexual content with minors"),
    ):
        interaction = await harness.ada.submit(asked, {"prompt": prompt})
        assert sentence in await harness.refusal(interaction)
    junk = await used(harness, await said(harness, Upload("a.png", b"no picture", "image/png")))
    interaction = await harness.ada.submit(junk, WORDS)
    assert "not an image" in await response_text(harness, interaction)
    assert engine.paints == []


async def test_a_removed_picture_is_no_sketch(harness: BotHarness, engine: FakeEngine) -> None:
    """Also if it was removed while the form was open."""
    grid = await harness.imagine(count=1)
    asked = await used(harness, grid)
    await harness.execute("UPDATE pictures SET removed_at = 1.0")
    refusal = await harness.refusal(await harness.ada.submit(asked, WORDS))
    assert "Moderators removed" in refusal
    refusal = await harness.refusal(await harness.ada.use("Use as sketch", grid))
    assert "Moderators removed" in refusal
    assert len(engine.paints) == 1
