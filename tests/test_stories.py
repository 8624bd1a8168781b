"""Whole stories: real discord.py, bot, engine, model, SQLite and files, on the local Discord."""

import asyncio
import hashlib
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
from tests.bot_process import BotProcess
from tests.house import ALL_BUTTONS, eventually, finished, is_finished, query
from tests.openapi import OpenApi
from tests.samples import encoded

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]
PATIENCE = 60.0
LATENTS = 32
"""On a side: pictures are 256 x 256, and many steps take a while."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bot(
    openapi: OpenApi | None, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[BotProcess]:
    """One bot for all stories: each leaves it running."""
    model = tiny_model.save(tmp_path_factory.mktemp("tiny") / "model", side=LATENTS)
    async with Playground(port=0) as discord:
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
    """Who asks."""
    return bot.discord.person("Ada")


async def house(bot: BotProcess, person: Person, **options: Value) -> Message:
    """A finished red house of few steps."""
    wanted: dict[str, Value] = {"prompt": "a red house at night", "steps": 4, **options}
    return await finished(bot.discord, await person.invoke("imagine", wanted))


async def privately_answered(bot: BotProcess, asked: Interaction) -> str:
    """What only the person who asked can read."""
    await bot.discord.until(lambda: asked.ephemerals, why="a private answer")
    return asked.ephemerals[0].content


async def reply_to(bot: BotProcess, message: Message) -> Message:
    """The finished message that answers this one."""

    def found() -> list[Message]:
        answers = [m for m in bot.discord.messages() if m.reference is message]
        return [answer for answer in answers if is_finished(answer)]

    await bot.discord.until(found, timeout=PATIENCE, why="an answer")
    return found()[-1]


def picture(message: Message) -> Image.Image:
    """What the message shows."""
    (attachment,) = message.attachments
    return Image.open(BytesIO(attachment.data)).convert("RGB")


def cells(message: Message) -> list[Image.Image]:
    """The four pictures of a grid, in reading order."""
    grid = picture(message)
    width, height = grid.width // 2, grid.height // 2
    corners = [(n % 2 * width, n // 2 * height) for n in range(4)]
    return [grid.crop((x, y, x + width, y + height)) for x, y in corners]


def distance(one: Image.Image, other: Image.Image) -> float:
    """The mean difference of their pixels, in levels."""
    difference = ImageChops.difference(one, other).convert("L").tobytes()
    return sum(difference) / len(difference)


async def test_imagine_ends_with_a_grid_that_the_record_can_repeat(
    bot: BotProcess, ada: Person
) -> None:
    """Four pictures, all buttons; rows, files and a replay agree to the bit."""
    message = await house(bot, ada, seed=7)
    assert message.buttons == ALL_BUTTONS
    rows = query(bot.data, "SELECT * FROM pictures ORDER BY rowid DESC LIMIT 4")[::-1]
    assert [row["seed"] for row in rows] == [7, 8, 9, 10]
    for row, cell in zip(rows, cells(message), strict=True):
        data = (bot.data / row["path"]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == row["sha256"]
        assert Image.open(BytesIO(data)).convert("RGB").tobytes() == cell.tobytes()
    code, said = await bot.replay(rows[2]["id"])
    assert (code, "The same bits" in said) == (0, True), said


async def test_the_same_seed_paints_the_same_picture(bot: BotProcess, ada: Person) -> None:
    """And another seed another one."""
    first, again, other = [await house(bot, ada, seed=seed) for seed in (20, 20, 30)]
    assert picture(first).tobytes() == picture(again).tobytes()
    assert picture(first).tobytes() != picture(other).tobytes()


async def test_every_button_does_what_it_says(bot: BotProcess, ada: Person) -> None:
    """U shows one at full size; V paints four that are nearest to it; 🔄 paints others."""
    grid = await house(bot, ada, seed=40)
    originals = cells(grid)
    for n in range(1, 5):
        single = await finished(bot.discord, await ada.click(grid, f"U{n}"))
        assert picture(single).tobytes() == originals[n - 1].tobytes()
    for n in range(1, 5):
        varied = await finished(bot.discord, await ada.click(grid, f"V{n}"))
        assert varied.buttons == ALL_BUTTONS
        for cell in cells(varied):
            distances = [distance(cell, original) for original in originals]
            assert 0 < min(distances) == distances[n - 1]
    again = await finished(bot.discord, await ada.click(grid, "🔄"))
    assert picture(again).tobytes() != picture(grid).tobytes()


async def test_a_variation_of_a_variation_is_nearest_to_it(bot: BotProcess, ada: Person) -> None:
    """Not to its siblings, nor as far off as another picture."""
    grid = await house(bot, ada, seed=50)
    varied = await finished(bot.discord, await ada.click(grid, "V2"))
    siblings = cells(varied)
    twice = await finished(bot.discord, await ada.click(varied, "V3"))
    for cell in cells(twice):
        distances = [distance(cell, sibling) for sibling in siblings]
        assert 0 < min(distances) == distances[2]


async def test_reactions_ask_delete_and_send(bot: BotProcess, ada: Person) -> None:
    """2️⃣ varies picture 2, ✉️ brings four files with their seeds, ❌ takes the message away."""
    grid = await house(bot, ada, seed=60)
    await ada.react(grid, "2️⃣")
    varied = await reply_to(bot, grid)
    assert varied.buttons == ALL_BUTTONS
    letters = len(bot.discord.dms(ada))
    await ada.react(grid, "✉️")
    await bot.discord.until(lambda: len(bot.discord.dms(ada)) > letters, why="a letter")
    letter = bot.discord.dms(ada)[-1]
    assert len(letter.attachments) == 4
    assert all(f"`{seed}`" in letter.content for seed in (60, 61, 62, 63))
    await ada.react(grid, "❌")
    await bot.discord.until(lambda: grid.deleted, why="it is deleted")


async def test_a_sketch_shows_through(bot: BotProcess, ada: Person) -> None:
    """Little strength stays near it, 🔄 keeps it, and the pictures have its shape."""
    drawing = Image.new("RGB", (96, 64), "skyblue")
    ImageDraw.Draw(drawing).rectangle((20, 20, 60, 63), fill="firebrick")
    sketch = Upload("my drawing", encoded(drawing, "WEBP", lossless=True))
    grid = await house(bot, ada, sketch=sketch, strength=0.3, steps=10)
    shown = cells(grid)[0]
    assert shown.width > shown.height
    again = await finished(bot.discord, await ada.click(grid, "🔄"))
    rows = query(bot.data, "SELECT * FROM pictures ORDER BY rowid DESC LIMIT 8")
    assert len({row["source"] for row in rows}) == 1
    assert {row["strength"] for row in rows} == {0.3}
    assert picture(again).size == picture(grid).size


async def test_two_people_at_once_both_get_theirs(bot: BotProcess, ada: Person) -> None:
    """Each message is its person's."""
    ben = bot.discord.person("Ben")
    asked = [await person.slash("imagine", prompt="a cat", steps=4) for person in (ada, ben) * 2]
    messages = [await finished(bot.discord, one) for one in asked]
    for person, message in zip((ada, ben) * 2, messages, strict=True):
        assert f"<@{person.id}>" in message.content
        assert message.buttons == ALL_BUTTONS


async def test_bad_input_is_answered_and_forgotten(bot: BotProcess, ada: Person) -> None:
    """One private sentence; the next job is painted as ever."""
    before = len(query(bot.data, "SELECT * FROM jobs"))
    wild: list[dict[str, Value]] = [
        {"prompt": ""},
        {"prompt": "a", "seed": 2**40},
        {"prompt": "x" * 5000},
    ]
    for options in wild:
        await privately_answered(bot, await ada.invoke("imagine", options, checked=False))
    assert len(query(bot.data, "SELECT * FROM jobs")) == before
    assert (await house(bot, ada)).buttons == ALL_BUTTONS


async def test_a_restart_loses_nothing(bot: BotProcess, ada: Person) -> None:
    """What was being painted is painted; old buttons work."""
    old = await house(bot, ada)
    asked = await ada.slash("imagine", prompt="a long story", steps=150)
    await bot.discord.until(lambda: shows_percent(asked), timeout=PATIENCE, why="it is painted")
    assert await bot.stop() == 0
    await bot.start()
    assert (await finished(bot.discord, asked)).buttons == ALL_BUTTONS
    assert (await finished(bot.discord, await ada.click(old, "U3"))).attachments


def shows_percent(asked: Interaction) -> bool:
    """Is it being painted, for all to see?"""
    return asked.response is not None and "%" in asked.response.content


async def test_a_killed_engine_costs_nobody_a_picture(bot: BotProcess, ada: Person) -> None:
    """Another engine paints the job from its beginning."""
    asked = await ada.slash("imagine", prompt="a long story", steps=150)
    await bot.discord.until(lambda: shows_percent(asked), timeout=PATIENCE, why="it is painted")
    bot.engine().kill()
    message = await finished(bot.discord, asked)
    assert message.buttons == ALL_BUTTONS
    (row,) = query(bot.data, "SELECT * FROM jobs ORDER BY rowid DESC LIMIT 1")
    assert (row["attempt"], row["crashes"]) == (2, 1)


async def test_a_killed_bot_goes_on_where_it_was(bot: BotProcess, ada: Person) -> None:
    """Its engine dies with it; after the next start there is one result, in the old message."""
    asked = await ada.slash("imagine", prompt="a long story", steps=150)
    await bot.discord.until(lambda: shows_percent(asked), timeout=PATIENCE, why="it is painted")
    engine, before = bot.engine(), len(bot.discord.messages())
    await bot.kill()
    await eventually(lambda: not engine.is_running() or engine.status() == psutil.STATUS_ZOMBIE)
    await bot.start()
    assert (await finished(bot.discord, asked)).buttons == ALL_BUTTONS
    await asyncio.sleep(1)
    assert len(bot.discord.messages()) == before


async def test_memory_stays_bounded(bot: BotProcess, ada: Person) -> None:
    """A small file that would decode to half a gigabyte does not."""
    bomb = Upload("bomb.png", bomb_bytes())
    memory = psutil.Process(bot.engine().ppid()).memory_info
    before = memory().rss
    asked = await ada.slash("imagine", prompt="a house", sketch=bomb)
    assert "at most 25 million pixels" in await privately_answered(bot, asked)
    assert memory().rss - before < 50 * 1024 * 1024


def bomb_bytes() -> bytes:
    """13000 x 13000 black pixels in 20 KB."""
    return encoded(Image.new("1", (13000, 13000)), optimize=True)


async def test_a_data_folder_holds_no_secrets(bot: BotProcess) -> None:
    """Neither the bot's token nor those of answered interactions."""
    await eventually(lambda: not query(bot.data, "SELECT * FROM jobs WHERE token IS NOT NULL"))
    data = await asyncio.to_thread((bot.data / FILENAME).read_bytes)
    assert bot.discord.token.encode() not in data
