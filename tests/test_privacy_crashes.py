"""A bot that is killed while it deletes a user's data; the next start finishes the deletion."""

import os
import resource
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from PIL import Image

from bot.db.database import FILENAME
from bot.playground import Message, Person, Playground, Upload
from bot.playground.client.options import Value
from tests import tiny_model
from tests.bot_harness import eventually, final_response, query
from tests.crashing_bot import CrashingBot
from tests.deletion import DELETION_NOTE
from tests.samples import encoded

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(180),
    pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="needs Linux"),
]
MARKER = "quokkafruit"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bot(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[CrashingBot]:
    """One bot for all crashes."""
    model = tiny_model.save(tmp_path_factory.mktemp("tiny") / "model", side=32)
    async with Playground(port=0, identify_interval=0) as discord:
        bot = CrashingBot(discord, tmp_path_factory.mktemp("data"), str(model))
        await bot.start()
        yield bot
        assert await bot.stop() == 0


@pytest.fixture
def ada(bot: CrashingBot) -> Person:
    """The user whose data is deleted."""
    return bot.discord.person("Ada")


async def imagine_with_sketch(bot: CrashingBot, person: Person, prompt: str) -> Message:
    """A finished job with a sketch."""
    colour = f"#{abs(hash(prompt)) % 2**24:06x}"
    sketch = Upload("a.png", encoded(Image.new("RGB", (64, 64), colour)))
    values: dict[str, Value] = {"prompt": prompt, "sketch": sketch, "count": 2, "steps": 4}
    return await final_response(bot.discord, await person.invoke("imagine", values))


async def delete_and_crash(bot: CrashingBot, person: Person, moment: str) -> None:
    """Delete a user's data; the bot is killed at this moment of the deletion."""
    interaction = await (await person.slash("privacy delete")).finished()
    assert interaction is not None
    bot.crash_at(moment, "bot")
    await person.click(interaction, "Delete everything")
    assert await bot.wait_until_ended() == -signal.SIGKILL


def files(bot: CrashingBot) -> set[str]:
    """All pictures and sketches in the data folder."""
    folders = (bot.data / "pictures", bot.data / "sources")
    return {
        str(Path(folder, name).relative_to(bot.data))
        for top in folders
        for folder, _, names in os.walk(
            top
        )  # unlike rglob, os.walk tolerates folders that are deleted
        for name in names
    }


def is_in_database_files(bot: CrashingBot, word: str) -> bool:
    """Whether this word is in any file of the database."""
    return any(word.encode() in path.read_bytes() for path in bot.data.glob(f"{FILENAME}*"))


@pytest.mark.parametrize("moment", ["deleted", "cleared"])
async def test_the_next_start_finishes_the_deletion(
    bot: CrashingBot, ada: Person, moment: str
) -> None:
    """Only files of other users are left; the old buttons say that the job was deleted."""
    ben_grid = await imagine_with_sketch(bot, bot.discord.person("Ben"), "a house")
    others = files(bot)
    grids = [await imagine_with_sketch(bot, ada, f"{MARKER} {moment} {nth}") for nth in range(3)]
    await delete_and_crash(bot, ada, moment)
    assert files(bot) > others  # some files of the job still exist
    assert query(bot.data, "SELECT * FROM file_deletions") != []
    assert query(bot.data, "SELECT count(*) FROM jobs WHERE erased IS NULL")[0][0] == len(
        {name.split("/")[1] for name in others if name.startswith("pictures/")}
    )
    await bot.start()
    await eventually(lambda: files(bot) == others)
    await eventually(lambda: not is_in_database_files(bot, f"{MARKER} {moment}"))
    await eventually(lambda: not query(bot.data, "SELECT * FROM file_deletions"))
    for grid in grids:
        click = await ada.click(grid, "U1")
        await bot.discord.until(lambda: click.ephemerals, why="a response")  # noqa: B023
        assert DELETION_NOTE in click.ephemerals[0].content
    assert (await final_response(bot.discord, await ada.click(ben_grid, "U1"))).attachments
    assert query(bot.data, "PRAGMA integrity_check")[0][0] == "ok"


async def test_a_job_cancelled_by_the_deletion_has_one_final_message(
    bot: CrashingBot, ada: Person
) -> None:
    """The bot was killed before it could show the message."""
    running = await ada.slash("imagine", prompt=f"{MARKER} at work", steps=150)
    await bot.discord.until(
        lambda: running.response and "%" in running.response.content, why="progress"
    )
    before = len(bot.discord.messages())
    await delete_and_crash(bot, ada, "deleted")
    await bot.start()
    message = await final_response(bot.discord, running)
    assert DELETION_NOTE in message.content and MARKER not in message.content
    assert message.buttons == [] and message.attachments == []
    await eventually(lambda: not is_in_database_files(bot, f"{MARKER} at work"))
    await eventually(
        lambda: (
            not query(
                bot.data,
                "SELECT 1 FROM deliveries JOIN jobs ON jobs.id = deliveries.job "
                "WHERE erased IS NOT NULL",
            )
        )
    )
    public = [message for message in bot.discord.messages() if not message.ephemeral]
    assert len(public) <= before


async def test_settings_are_erased_with_the_jobs(bot: CrashingBot, ada: Person) -> None:
    """A bot that is killed before the transaction has erased neither; the user asks again."""
    settings = await ada.slash("settings", setting="steps", value="150")
    await bot.discord.until(lambda: settings.ephemerals, why="a response")
    running = await ada.slash("imagine", prompt=f"{MARKER} with settings")
    await bot.discord.until(
        lambda: running.response and "%" in running.response.content, why="progress"
    )
    await delete_and_crash(bot, ada, "erasing")
    [stored] = query(bot.data, "SELECT value FROM preferences")
    assert stored["value"] == "150"
    assert query(bot.data, "SELECT 1 FROM jobs WHERE erased IS NULL AND person = ?", ada.id)
    await bot.start()
    confirmation = await (await ada.slash("privacy delete")).finished()
    assert confirmation is not None
    await ada.click(confirmation, "Delete everything")
    await eventually(lambda: not query(bot.data, "SELECT 1 FROM preferences"))
    await eventually(lambda: not query(bot.data, "SELECT 1 FROM jobs WHERE person = ?", ada.id))
