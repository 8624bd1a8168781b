"""Lines to follow, references and LoRAs with the real bot, engine and tiny models."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from PIL import Image, ImageDraw

from bot.playground import Message, Person, Playground, Upload
from engine.contract import Detail
from tests import tiny_model
from tests.bot_harness import final_response, query
from tests.bot_process import BotProcess
from tests.lora_files import save_kohya
from tests.samples import encoded
from tests.steering_settings import steering_settings

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240)]
PATIENCE = 60.0
LINES = "follow the lines"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the models."""
    return tmp_path_factory.mktemp("models")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bot(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[BotProcess]:
    """One bot for all tests, with a model, a control, an IP-Adapter and a LoRA."""
    model = tiny_model.save(folder / "tiny")
    settings = steering_settings(folder, model)
    async with Playground(port=0, identify_interval=0) as discord:
        bot = BotProcess(
            discord,
            tmp_path_factory.mktemp("data"),
            str(model),
            **settings,
        )
        await bot.start()
        yield bot
        assert await bot.stop() == 0
    assert discord.violations == []


@pytest.fixture
def ada(bot: BotProcess) -> Person:
    """A user."""
    return bot.discord.person("Ada")


def drawing(*corners: int) -> Upload:
    """A sketch of a rectangle."""
    image = Image.new("RGB", (64, 64), "white")
    ImageDraw.Draw(image).rectangle(corners, outline="black", width=4)
    return Upload("drawing.png", encoded(image))


def colour(name: str) -> Upload:
    """A picture of one colour."""
    return Upload(f"{name}.png", encoded(Image.new("RGB", (64, 64), name)))


async def imagine(bot: BotProcess, ada: Person, **options: Any) -> Message:  # noqa: ANN401 - any option
    """The message of a finished job of one picture."""
    values = {"prompt": "a red house", "steps": 3, "count": 1, "seed": 7, **options}
    return await final_response(bot.discord, await ada.invoke("imagine", values), PATIENCE)


def latest(bot: BotProcess) -> str:
    """The digest of the pixels of the last picture."""
    [row] = query(bot.data, "SELECT sha256 FROM pictures ORDER BY rowid DESC LIMIT 1")
    return str(row["sha256"])


async def painted(bot: BotProcess, ada: Person, **options: Any) -> str:  # noqa: ANN401 - any option
    """The digest of the pixels of a new picture."""
    message = await imagine(bot, ada, **options)
    assert message.attachments, message.content
    return latest(bot)


async def replay(bot: BotProcess) -> None:
    """Paint the last picture again; its bits must be equal."""
    [row] = query(bot.data, "SELECT id FROM pictures ORDER BY rowid DESC LIMIT 1")
    code, output = await bot.replay(row["id"])
    assert (code, "The same bits" in output) == (0, True), output


async def test_each_option_changes_the_picture(bot: BotProcess, ada: Person) -> None:
    """The same noise becomes another picture by each of them, and by another sketch or strength."""
    square = drawing(16, 16, 48, 48)
    requests: list[dict[str, Any]] = [
        {},
        {"sketch": square, "mode": LINES},
        {"sketch": square, "mode": LINES, "strength": 0.5},
        {"sketch": drawing(4, 4, 60, 20), "mode": LINES},
        {"like": colour("blue")},
        {"like": colour("blue"), "reference_strength": 1.5},
        {"like": colour("green")},
        {"loras": "fox"},
        {"loras": "fox:-1"},
    ]
    digests = [await painted(bot, ada, **options) for options in requests]
    assert len(set(digests)) == len(digests)
    assert await painted(bot, ada) == digests[0]


async def test_all_options_at_once_are_replayed(bot: BotProcess, ada: Person) -> None:
    """To the bit, and so is a variation."""
    options: dict[str, Any] = {
        "sketch": drawing(16, 16, 48, 48),
        "mode": LINES,
        "like": colour("green"),
        "loras": "fox:0.5",
    }
    message = await imagine(bot, ada, **options)
    assert (
        "follows the lines of a sketch · like a picture (0.6) · LoRA fox (0.5)" in message.content
    )
    await replay(bot)
    first = latest(bot)
    await final_response(bot.discord, await ada.click(message, "V subtle"), PATIENCE)
    await replay(bot)
    assert latest(bot) != first


async def test_a_picture_without_words_is_replayed(bot: BotProcess, ada: Person) -> None:
    """A reference says what to paint. Detail paints its tiles with the reference, also again."""
    message = await imagine(bot, ada, prompt="-", like=colour("green"), loras="fox:0.5")
    assert message.content.startswith("*without words*")
    await replay(bot)
    first = latest(bot)
    assert await painted(bot, ada, prompt="-", like=colour("blue"), loras="fox:0.5") != first
    await final_response(bot.discord, await ada.click(message, "✨ Detail"), PATIENCE)
    [row] = query(bot.data, "SELECT recipe FROM pictures ORDER BY rowid DESC LIMIT 1")
    detail = msgspec.json.decode(row["recipe"], type=Detail)
    assert len(detail.tile_recipe().references) == 1 and detail.prompt == ""
    await replay(bot)
    sketch = drawing(16, 16, 48, 48)
    assert await painted(bot, ada, prompt="-", sketch=sketch, mode=LINES) != first


async def test_a_model_without_layers_for_the_style_says_so(bot: BotProcess, ada: Person) -> None:
    """By its short name. Its IP-Adapter reads pictures for all that they show."""
    refused = await ada.invoke("imagine", {"prompt": "a red house", "style": colour("blue")})
    await bot.discord.until(lambda: refused.ephemerals, why="the refusal")
    assert refused.ephemerals[0].content == (
        "The model tiny takes no picture as “style”; no model here does."
    )


async def test_a_prompt_may_name_the_lora(bot: BotProcess, ada: Person) -> None:
    """It is the same picture as with the option."""
    by_option = await painted(bot, ada, loras="fox:0.8")
    assert await painted(bot, ada, prompt="a red house <lora:fox:0.8>") == by_option


async def test_a_new_lora_is_suggested_and_used(bot: BotProcess, ada: Person, folder: Path) -> None:
    """While the bot runs."""
    save_kohya(folder / "loras" / "owl.safetensors", folder / "tiny", seed=5)
    values: list[object] = []
    async with asyncio.timeout(PATIENCE):
        while not values:
            interaction = await ada.complete("imagine", "loras", "ow")
            await interaction.acknowledged()
            values = [choice["value"] for choice in interaction.choices or []]
            await asyncio.sleep(0.2)
    assert values == ["owl"]
    assert await painted(bot, ada, loras="owl") != await painted(bot, ada, loras="fox")
