"""The whole system: discord.py, bot, engine, model, SQLite and files, on the local Discord."""

import asyncio
from collections.abc import AsyncIterator
from io import BytesIO

import psutil
import pytest
import pytest_asyncio
from PIL import Image, ImageChops, ImageDraw

from bot.db.database import FILENAME
from bot.playground import Interaction, Message, Person, Playground, Upload
from bot.playground.client.options import Value
from tests import tiny_model
from tests.bot_harness import ALL_BUTTONS, eventually, final_response, is_finished, query
from tests.bot_process import BotProcess
from tests.openapi import OpenApi
from tests.samples import encoded, pixels_digest

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]
PATIENCE = 60.0
LATENTS = 32
"""On a side: pictures are 256 x 256, and many steps take a while."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bot(
    openapi: OpenApi | None, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[BotProcess]:
    """One bot for all tests; each leaves it running."""
    model = tiny_model.save(tmp_path_factory.mktemp("tiny") / "model", side=LATENTS)
    async with Playground(port=0, identify_interval=0) as discord:
        if openapi is not None:
            openapi.problems.clear()
            openapi.watch(discord)
        bot = BotProcess(discord, tmp_path_factory.mktemp("data"), str(model))
        await bot.start()
        yield bot
        assert await bot.stop() == 0
    assert discord.violations == []
    assert openapi is None or openapi.problems == []


@pytest.fixture
def ada(bot: BotProcess) -> Person:
    """A user."""
    return bot.discord.person("Ada")


async def imagine(bot: BotProcess, user: Person, **options: Value) -> Message:
    """The message of a finished job of few steps."""
    merged: dict[str, Value] = {"prompt": "a red house at night", "steps": 4, **options}
    return await final_response(bot.discord, await user.invoke("imagine", merged))


async def ephemeral_text(bot: BotProcess, interaction: Interaction) -> str:
    """The text of the ephemeral response."""
    await bot.discord.until(lambda: interaction.ephemerals, why="an ephemeral response")
    return interaction.ephemerals[0].content


async def reply_to(bot: BotProcess, message: Message) -> Message:
    """The finished reply to this message."""

    def replies() -> list[Message]:
        answers = [m for m in bot.discord.messages() if m.reference is message]
        return [answer for answer in answers if is_finished(answer)]

    await bot.discord.until(replies, timeout=PATIENCE, why="a response")
    return replies()[-1]


def picture(message: Message) -> Image.Image:
    """The picture that the message shows."""
    (attachment,) = message.attachments
    return Image.open(BytesIO(attachment.data)).convert("RGB")


def cells(message: Message) -> list[Image.Image]:
    """The four pictures of a grid, in reading order."""
    grid = picture(message)
    width, height = grid.width // 2, grid.height // 2
    corners = [(n % 2 * width, n // 2 * height) for n in range(4)]
    return [grid.crop((x, y, x + width, y + height)) for x, y in corners]


def distance(first: Image.Image, second: Image.Image) -> float:
    """The mean difference of their pixels, in levels of 256."""
    difference = ImageChops.difference(first, second).convert("L").tobytes()
    return sum(difference) / len(difference)


async def test_imagine_produces_a_grid_that_can_be_replayed(bot: BotProcess, ada: Person) -> None:
    """There are four pictures and all buttons; rows, files and a replay have equal bits."""
    message = await imagine(bot, ada, seed=7)
    assert message.buttons == ALL_BUTTONS
    rows = query(
        bot.data,
        "SELECT * FROM pictures WHERE job = (SELECT job FROM pictures ORDER BY rowid DESC LIMIT 1) "
        "ORDER BY nth",  # the pictures are stored in the order in which they are finished
    )
    assert [row["seed"] for row in rows] == [7, 8, 9, 10]
    for row, cell in zip(rows, cells(message), strict=True):
        data = (bot.data / row["path"]).read_bytes()
        assert pixels_digest(data) == row["sha256"]
        assert Image.open(BytesIO(data)).convert("RGB").tobytes() == cell.tobytes()
    code, output = await bot.replay(rows[2]["id"])
    assert (code, "The same bits" in output) == (0, True), output


async def test_the_seed_determines_the_picture(bot: BotProcess, ada: Person) -> None:
    """Another seed gives another picture."""
    first, again, second = [await imagine(bot, ada, seed=seed) for seed in (20, 20, 30)]
    assert picture(first).tobytes() == picture(again).tobytes()
    assert picture(first).tobytes() != picture(second).tobytes()


async def test_each_button_works(bot: BotProcess, ada: Person) -> None:
    """U shows one picture at full size; V paints four that are nearest to it; 🔄 paints others."""
    grid = await imagine(bot, ada, seed=40)
    originals = cells(grid)
    for n in range(1, 5):
        single = await final_response(bot.discord, await ada.click(grid, f"U{n}"))
        assert picture(single).tobytes() == originals[n - 1].tobytes()
    for n in range(1, 5):
        varied_picture = await final_response(bot.discord, await ada.click(grid, f"V{n}"))
        assert varied_picture.buttons == ALL_BUTTONS
        for cell in cells(varied_picture):
            distances = [distance(cell, original) for original in originals]
            assert 0 < min(distances) == distances[n - 1]
    again = await final_response(bot.discord, await ada.click(grid, "🔄"))
    assert picture(again).tobytes() != picture(grid).tobytes()


async def test_a_variation_of_a_variation_is_nearest_to_it(bot: BotProcess, ada: Person) -> None:
    """It is farther from the siblings of the picture."""
    grid = await imagine(bot, ada, seed=50)
    varied_picture = await final_response(bot.discord, await ada.click(grid, "V2"))
    siblings = cells(varied_picture)
    twice = await final_response(bot.discord, await ada.click(varied_picture, "V3"))
    for cell in cells(twice):
        distances = [distance(cell, sibling) for sibling in siblings]
        assert 0 < min(distances) == distances[2]


async def test_reactions_vary_send_and_delete(bot: BotProcess, ada: Person) -> None:
    """2️⃣ varies picture 2, ✉️ sends four files with their seeds, ❌ deletes the message."""
    grid = await imagine(bot, ada, seed=60)
    await ada.react(grid, "2️⃣")
    varied_picture = await reply_to(bot, grid)
    assert varied_picture.buttons == ALL_BUTTONS
    dm_count = len(bot.discord.dms(ada))
    await ada.react(grid, "✉️")
    await bot.discord.until(lambda: len(bot.discord.dms(ada)) > dm_count, why="a DM")
    dm = bot.discord.dms(ada)[-1]
    assert len(dm.attachments) == 4
    assert all(f"`{seed}`" in dm.content for seed in (60, 61, 62, 63))
    await ada.react(grid, "❌")
    await bot.discord.until(lambda: grid.deleted, why="it is deleted")


async def test_an_init_image_determines_the_shape(bot: BotProcess, ada: Person) -> None:
    """A reroll uses the same init image and strength."""
    drawing = Image.new("RGB", (96, 64), "skyblue")
    ImageDraw.Draw(drawing).rectangle((20, 20, 60, 63), fill="firebrick")
    sketch = Upload("my drawing", encoded(drawing, "WEBP", lossless=True))
    grid = await imagine(bot, ada, sketch=sketch, strength=0.3, steps=10)
    cell = cells(grid)[0]
    assert cell.width > cell.height
    again = await final_response(bot.discord, await ada.click(grid, "🔄"))
    rows = query(
        bot.data,
        "SELECT recipe ->> '$.source.image' AS source, strength, seed FROM pictures "
        "ORDER BY rowid DESC LIMIT 8",
    )
    assert len({row["source"] for row in rows}) == 1
    assert {row["strength"] for row in rows} == {0.3}
    assert picture(again).size == picture(grid).size


async def test_concurrent_users_get_their_own_results(bot: BotProcess, ada: Person) -> None:
    """Each message mentions its user."""
    ben = bot.discord.person("Ben")
    users = (ada, ben) * 2
    interactions = [await user.slash("imagine", prompt="a cat", steps=4) for user in users]
    messages = [await final_response(bot.discord, interaction) for interaction in interactions]
    for user, message in zip(users, messages, strict=True):
        assert f"<@{user.id}>" in message.content
        assert message.buttons == ALL_BUTTONS


async def test_invalid_input_is_refused(bot: BotProcess, ada: Person) -> None:
    """Each gets one ephemeral message; the next job succeeds."""
    before = len(query(bot.data, "SELECT * FROM jobs"))
    wild: list[dict[str, Value]] = [
        {"prompt": ""},
        {"prompt": "a", "seed": 2**40},
        {"prompt": "x" * 5000},
    ]
    for options in wild:
        await ephemeral_text(bot, await ada.invoke("imagine", options, checked=False))
    assert len(query(bot.data, "SELECT * FROM jobs")) == before
    assert (await imagine(bot, ada)).buttons == ALL_BUTTONS


async def test_a_restart_loses_nothing(bot: BotProcess, ada: Person) -> None:
    """The running job is finished, and old buttons work."""
    old = await imagine(bot, ada)
    interaction = await ada.slash("imagine", prompt="a long story", steps=150)
    await bot.discord.until(
        lambda: shows_percent(interaction), timeout=PATIENCE, why="it is painted"
    )
    assert await bot.stop() == 0
    await bot.start()
    assert (await final_response(bot.discord, interaction)).buttons == ALL_BUTTONS
    assert (await final_response(bot.discord, await ada.click(old, "U3"))).attachments


def shows_percent(interaction: Interaction) -> bool:
    """Whether the public message shows that the job is running."""
    return interaction.response is not None and "%" in interaction.response.content


async def test_a_job_survives_a_killed_engine(bot: BotProcess, ada: Person) -> None:
    """Another engine paints it from the beginning."""
    interaction = await ada.slash("imagine", prompt="a long story", steps=150)
    await bot.discord.until(
        lambda: shows_percent(interaction), timeout=PATIENCE, why="it is painted"
    )
    bot.engine().kill()
    message = await final_response(bot.discord, interaction, 2 * PATIENCE)
    assert message.buttons == ALL_BUTTONS
    (row,) = query(bot.data, "SELECT * FROM jobs ORDER BY rowid DESC LIMIT 1")
    assert (row["attempt"], row["crashes"]) == (2, 1)


async def test_a_job_survives_a_killed_bot(bot: BotProcess, ada: Person) -> None:
    """Its engine dies too. After the next start there is one result, in the old message."""
    interaction = await ada.slash("imagine", prompt="a long story", steps=150)
    await bot.discord.until(
        lambda: shows_percent(interaction), timeout=PATIENCE, why="it is painted"
    )
    engine, before = bot.engine(), len(bot.discord.messages())
    await bot.kill()
    await eventually(lambda: not engine.is_running() or engine.status() == psutil.STATUS_ZOMBIE)
    await bot.start()
    response = await final_response(bot.discord, interaction, 2 * PATIENCE)
    assert response.buttons == ALL_BUTTONS
    await imagine(bot, ada)
    assert len(bot.discord.messages()) == before + 1


async def test_memory_stays_bounded(bot: BotProcess, ada: Person) -> None:
    """A small file that would decode to half a gigabyte is refused."""
    bomb = Upload("bomb.png", bomb_bytes())
    memory = psutil.Process(bot.engine().ppid()).memory_info
    before = memory().rss
    interaction = await ada.slash("imagine", prompt="a house", sketch=bomb)
    assert "at most 25 million pixels" in await ephemeral_text(bot, interaction)
    assert memory().rss - before < 50 * 1024 * 1024


def bomb_bytes() -> bytes:
    """A PNG of 13000 x 13000 black pixels in 20 KB."""
    return encoded(Image.new("1", (13000, 13000)), optimize=True)


async def test_the_database_contains_no_tokens(bot: BotProcess) -> None:
    """It has neither the bot's token nor those of acknowledged interactions."""
    await eventually(
        lambda: not query(bot.data, "SELECT * FROM deliveries WHERE token IS NOT NULL")
    )
    data = await asyncio.to_thread((bot.data / FILENAME).read_bytes)
    assert bot.discord.token.encode() not in data
