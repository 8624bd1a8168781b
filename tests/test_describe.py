"""/describe and Describe: what a picture shows, with buttons that paint it."""

from io import BytesIO

import pytest
from PIL import Image

from bot.domain.description import MAX_TEXT, cleaned
from bot.playground import Interaction, Message, Upload
from bot.playground.client.options import Value
from engine.contract import Description, TextModelCard, TextModelCards
from engine.contract.images.refusals import MAX_FILE_BYTES
from tests.bot_harness import BotHarness, eventually
from tests.changing import painted
from tests.fake_engine import FakeEngine
from tests.reporting import response_text
from tests.sketching import photo, private

LIMITS = "A small classifier wrote this."


@pytest.fixture(autouse=True)
async def captioner(harness: BotHarness, engine: FakeEngine) -> None:
    """The engine has a model that describes pictures."""
    await with_captioner(harness, engine, TextModelCard(name="c", limits=LIMITS))


async def with_captioner(
    harness: BotHarness, engine: FakeEngine, card: TextModelCard | None
) -> None:
    """Restart with an engine that has this captioner."""
    engine.text_models = TextModelCards(captioner=card)
    await harness.stop()
    await harness.start()


async def asked(harness: BotHarness, upload: Upload | None = None, **options: Value) -> Interaction:
    """The command about a photo that is twice as wide as high."""
    return await harness.ada.invoke("describe", {"picture": upload or photo(), **options})


async def public(harness: BotHarness, interaction: Interaction) -> Message:
    """The public response, once it is complete."""
    await interaction.acknowledged()
    await harness.discord.until(
        lambda: interaction.response and interaction.response.embeds, why="a description"
    )
    assert interaction.response is not None
    return interaction.response


def texts(message: Message) -> list[str]:
    """What a message says."""
    return [str(field["value"]) for field in message.embeds[0]["fields"]]


async def test_a_picture_is_described_in_public(harness: BotHarness, engine: FakeEngine) -> None:
    """Anybody paints what it says, also after a restart: in its aspect, as an own job."""
    message = await public(harness, await asked(harness))
    assert message.visible_to is None
    assert texts(message) == ["a red house in the snow", "a house"]
    assert message.embeds[0]["footer"]["text"] == LIMITS
    assert message.buttons == ["🎨 1", "🎨 2", "❌ Delete"]
    [paint] = engine.text_paints
    assert paint.text == Description(paint.inputs[0])
    with Image.open(BytesIO(engine.inputs[paint.inputs[0]])) as seen:
        assert seen.size == (256, 128)
    [file] = message.attachments
    assert file.description == texts(message)[0]
    assert message.embeds[0]["thumbnail"]["url"] == f"attachment://{file.filename}"
    await harness.stop()
    await harness.start()
    ben = harness.discord.person("Ben")
    result = await harness.result(await ben.click(message, "🎨 1"))
    assert result.content.startswith(f"**a red house in the snow** · <@{ben.id}>")
    assert {recipe.prompt for recipe in painted(engine)} == {"a red house in the snow"}
    assert painted(engine)[0].size == (88, 64)
    await harness.result(await harness.ada.click(message, "🎨 2"))
    assert painted(engine)[0].prompt == "a house"


async def test_an_answer_is_private_on_request(harness: BotHarness, engine: FakeEngine) -> None:
    """So is what is painted from it."""
    message = await private(harness, await asked(harness, private=True))
    assert (message.visible_to, message.buttons) == (harness.ada.user, ["🎨 1", "🎨 2"])
    result = await harness.result(await harness.ada.click(message, "🎨 2"))
    assert result.visible_to == harness.ada.user
    assert painted(engine)[0].prompt == "a house"


async def test_the_menu_describes_pictures_of_anybody(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """In private; what is painted is public."""
    message = await harness.discord.person("Ben").say("look", photo())
    answer = await private(harness, await harness.ada.use("Describe", message))
    assert texts(answer) == ["a red house in the snow", "a house"]
    result = await harness.result(await harness.ada.click(answer, "🎨 1"))
    assert result.visible_to is None


async def test_of_several_pictures_one_is_chosen(harness: BotHarness, engine: FakeEngine) -> None:
    """Of a message and of a result, also after a restart."""
    message = await harness.discord.person("Ben").say("look", photo(64, 64), photo(32, 32, "b.png"))
    question = await private(harness, await harness.ada.use("Describe", message))
    assert question.buttons == ["Picture 1", "Picture 2"]
    await harness.stop()
    await harness.start()
    answer = await private(harness, await harness.ada.click(question, "Picture 2"))
    assert texts(answer)
    with Image.open(BytesIO(engine.inputs[engine.text_paints[-1].inputs[0]])) as seen:
        assert seen.size == (32, 32)
    grid = await harness.imagine()
    question = await private(harness, await harness.ada.use("Describe", grid))
    assert question.content == "Describe which picture?"
    [job] = harness.query("SELECT id FROM jobs")
    chosen = await harness.ada.choose(question, f"v1:describemenu:{job['id']}:0", "3")
    assert texts(await private(harness, chosen))


async def test_a_public_answer_is_deleted_by_who_asked(harness: BotHarness) -> None:
    """And by moderators, but by nobody else."""
    message = await public(harness, await asked(harness))
    refused = await harness.discord.person("Ben").click(message, "❌ Delete")
    assert "Only the user who asked" in await harness.refusal(refused)
    await harness.ada.click(message, "❌ Delete")
    await harness.discord.until(lambda: message.deleted, why="no message")
    other = await public(harness, await asked(harness))
    await harness.discord.person("Max", moderator=True).click(other, "❌ Delete")
    await harness.discord.until(lambda: other.deleted, why="no message")


async def test_hostile_texts_become_words(harness: BotHarness, engine: FakeEngine) -> None:
    """A picture can show writing: no mentions, links, Markdown, flags or notation of prompts."""
    engine.descriptions = (
        "@everyone a **sign** <@123> that says --steps 99 {a,b} __animals__ https://example.org",
        "|| # > `",
        "a sign that says",
    )
    message = await public(harness, await asked(harness))
    assert texts(message) == ["a that says 99", "a sign that says"]
    assert "@everyone" not in str(message.embeds)
    await harness.result(await harness.ada.click(message, "🎨 1"))
    assert painted(engine)[0].prompt == "a that says 99"


async def test_forbidden_texts_are_not_shown(harness: BotHarness, engine: FakeEngine) -> None:
    """Others are; if none is left, one private sentence says so."""
    manager = harness.discord.person("Eve", admin=True)
    await harness.refusal(await manager.invoke("admin words add", {"word": "snow"}))
    message = await public(harness, await asked(harness))
    assert (texts(message), message.buttons) == (["a house"], ["🎨 Paint", "❌ Delete"])
    await harness.refusal(await manager.invoke("admin words add", {"word": "house"}))
    assert "may not be said here" in await response_text(harness, await asked(harness))
    click = await harness.ada.click(message, "🎨 Paint")
    assert "banned on this server" in await harness.refusal(click)
    assert engine.paints == []


@pytest.mark.parametrize(
    ("upload", "sentence"),
    [
        (Upload("a.png", b"no picture at all", "image/png"), "not an image"),
        (Upload("a.png", b"x" * (MAX_FILE_BYTES + 1), "image/png"), "10 MiB"),
    ],
)
async def test_bad_files_are_refused(harness: BotHarness, upload: Upload, sentence: str) -> None:
    """Nothing public is left."""
    interaction = await asked(harness, upload)
    assert sentence in await response_text(harness, interaction)
    response = interaction.response
    await harness.discord.until(
        lambda: response is None or response.visible_to or response.deleted, why="nothing public"
    )


async def test_a_message_without_a_picture_is_refused(harness: BotHarness) -> None:
    """In one sentence."""
    message = await harness.discord.person("Ben").say("hello")
    refusal = await harness.refusal(await harness.ada.use("Describe", message))
    assert refusal == "There is no picture in this message that I could describe."


@pytest.mark.parametrize(
    ("descriptions", "failure", "sentence"),
    [
        ((), None, f"I recognise nothing in this picture. {LIMITS}"),
        ((), "It is broken.", "It is broken."),
    ],
)
async def test_what_cannot_be_described_is_said(
    harness: BotHarness,
    engine: FakeEngine,
    descriptions: tuple[str, ...],
    failure: str | None,
    sentence: str,
) -> None:
    """In private."""
    engine.descriptions, engine.failure = descriptions, failure
    assert await response_text(harness, await asked(harness)) == sentence


async def test_flagged_pictures_are_not_described(harness: BotHarness, engine: FakeEngine) -> None:
    """The safety check sees them first."""
    engine.flags_init_image = True
    assert "withheld by the safety check" in await response_text(harness, await asked(harness))


async def test_without_a_captioner_a_sentence_says_what_to_add(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """At once; nothing is downloaded."""
    await with_captioner(harness, engine, None)
    assert "IMAGINE_CAPTIONER" in await harness.refusal(await asked(harness))
    message = await harness.discord.person("Ben").say("look", photo())
    refused = await harness.ada.use("Describe", message)
    assert "IMAGINE_CAPTIONER" in await harness.refusal(refused)


async def test_an_engine_that_dies_is_no_riddle(harness: BotHarness, engine: FakeEngine) -> None:
    """The user learns it, and can ask again."""
    engine.text_gate.clear()
    interaction = await asked(harness)
    await eventually(lambda: engine.text_paints)
    second = await asked(harness)
    assert "still busy" in await response_text(harness, second)
    engine.die()
    assert "engine stopped" in await response_text(harness, interaction)
    engine.text_gate.set()
    await eventually(lambda: engine.starts == 3)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a cat, sitting on a bench.", "a cat, sitting on a bench"),
        ("A STOP sign", "a stop sign"),
        ("a well-known artist's hat", "a well-known artist's hat"),
        ("<lora:x:1> (cat:1.3) [dog] a_b \u202e\u200b", ""),
        ("一只猫", "一只猫"),
        ("BREAK - - --", "break"),
    ],
)
def test_descriptions_are_words(text: str, words: str) -> None:
    """And nothing else."""
    assert cleaned(text) == words
    assert len(cleaned("word " * 999)) <= MAX_TEXT
