"""Bot and engine killed at each moment of a job: one visible ending, whatever happens."""

import asyncio
import resource
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from bot.engine_client.watchdog import SILENCE_SECONDS
from bot.playground import Message, Person, Playground
from tests import tiny_model
from tests.bot_process import BotProcess
from tests.dying_bot import MOMENTS
from tests.house import ALL_BUTTONS, eventually, finished, query
from tests.openapi import OpenApi

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(180),
    pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="needs Linux"),
]
PATIENCE = 60.0


class Doomed(BotProcess):
    """A bot with a fuse."""

    def __init__(self, discord: Playground, data: Path, model: str) -> None:
        self.fuse = data / "fuse"
        super().__init__(
            discord, data, model, module="tests.dying_bot", IMAGINE_FUSE=str(self.fuse)
        )

    def dies(self, moment: str, victim: str) -> None:
        """Set the fuse."""
        self.fuse.write_text(f"{moment} {victim}")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bot(
    openapi: OpenApi | None, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Doomed]:
    """One bot, and its record, for all deaths: each leaves it running."""
    model = tiny_model.save(tmp_path_factory.mktemp("tiny") / "model", side=32)
    async with Playground(port=0) as discord:
        if openapi is not None:
            openapi.problems.clear()
            openapi.watch(discord)
        bot = Doomed(discord, tmp_path_factory.mktemp("data"), str(model))
        await bot.start()
        yield bot
        assert await bot.stop() == 0
    assert openapi is None or openapi.problems == []


@pytest.fixture
def ada(bot: Doomed) -> Person:
    """Who asks."""
    return bot.discord.person("Ada")


def visible(bot: Doomed) -> list[Message]:
    """What everybody sees."""
    return [each for each in bot.discord.messages() if not each.deleted and not each.ephemeral]


async def ended(bot: Doomed) -> None:
    """All jobs of the record have ended, and that was shown."""
    await bot.discord.until(
        lambda: all(
            row["delivered_at"] for row in query(bot.data, "SELECT delivered_at FROM jobs")
        ),
        timeout=PATIENCE,
        why="all jobs are delivered",
    )


def is_sound(bot: Doomed) -> None:
    """The database is whole, each job done has its pictures, each picture its file, and no file is
    anybody's but a picture's."""
    assert query(bot.data, "PRAGMA integrity_check")[0][0] == "ok"
    rows = query(bot.data, "SELECT path FROM pictures WHERE path IS NOT NULL")
    files = {str(path.relative_to(bot.data)) for path in (bot.data / "pictures").rglob("*.*")}
    assert files == {row["path"] for row in rows}
    done = "SELECT count(*) FROM pictures JOIN jobs ON jobs.id = job WHERE status = 'done'"
    count = query(bot.data, "SELECT count(*) FROM jobs WHERE status = 'done'")[0][0]
    assert query(bot.data, done)[0][0] == 4 * count == len(rows)


@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_bot_that_is_killed_leaves_one_ending(
    bot: Doomed, ada: Person, moment: str
) -> None:
    """Its next start shows the pictures; what was never acknowledged is closed and not painted."""
    before = len(visible(bot))
    bot.dies(moment, "bot")
    asked = await ada.slash("imagine", prompt=f"a red house, {moment}", steps=12)
    assert await bot.ended() == -signal.SIGKILL
    await bot.start()
    await ended(bot)
    [job] = query(bot.data, "SELECT status, crashes FROM jobs ORDER BY rowid DESC LIMIT 1")
    if moment == "accepted":
        assert (job["status"], len(visible(bot))) == ("cancelled", before)
        assert asked.response is None
    else:
        assert (await finished(bot.discord, asked)).buttons == ALL_BUTTONS
        assert (job["status"], len(visible(bot))) == ("done", before + 1)
    is_sound(bot)


@pytest.mark.parametrize("moment", MOMENTS)
async def test_an_engine_that_is_killed_leaves_one_ending(
    bot: Doomed, ada: Person, moment: str
) -> None:
    """The next engine paints what was not painted."""
    before = len(visible(bot))
    bot.dies(moment, "engine")
    asked = await ada.slash("imagine", prompt=f"a red house, {moment}", steps=12)
    assert (await finished(bot.discord, asked)).buttons == ALL_BUTTONS
    await ended(bot)
    assert not bot.fuse.exists()
    assert len(visible(bot)) == before + 1
    is_sound(bot)
    await eventually(bot.has_engine)


async def test_a_bot_that_is_killed_shows_the_picture_that_was_asked_for(
    bot: Doomed, ada: Person
) -> None:
    """Though it died before it knew on which message."""
    grid = await finished(bot.discord, await ada.slash("imagine", prompt="a red house"))
    await ended(bot)
    before = len(visible(bot))
    bot.dies("acknowledged", "bot")
    pressed = await ada.click(grid, "U2")
    assert await bot.ended() == -signal.SIGKILL
    await bot.start()
    assert (await finished(bot.discord, pressed)).attachments
    assert len(visible(bot)) == before + 1
    await eventually(lambda: query(bot.data, "SELECT * FROM presses") == [])


async def test_a_disk_without_room_loses_nothing(bot: Doomed, ada: Person) -> None:
    """New wishes are refused with the reason, and what is at work is shown when there is room."""
    before = len(visible(bot))
    asked = await ada.slash("imagine", prompt="a long story", steps=150)
    await bot.discord.until(
        lambda: asked.response and "%" in asked.response.content, why="it is painted"
    )
    process = bot.process()
    process.rlimit(psutil.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))  # any write to a file fails
    refused = await ada.slash("imagine", prompt="no room")
    await bot.discord.until(lambda: refused.ephemerals, why="it is refused")
    assert "cannot write to its record" in refused.ephemerals[0].content
    await asyncio.sleep(3)
    process.rlimit(psutil.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    message = await finished(bot.discord, asked)
    assert message.buttons == ALL_BUTTONS or "could not be kept" in message.content
    await ended(bot)
    assert len(visible(bot)) == before + 1
    is_sound(bot)


async def test_an_engine_that_stands_still_is_replaced(bot: Doomed, ada: Person) -> None:
    """It neither dies nor says anything, so it is killed, and the next one paints the job."""
    frozen = bot.engine()
    bot.dies("painting", "frozen")
    asked = await ada.slash("imagine", prompt="a red house", steps=12)
    message = await finished(bot.discord, asked, SILENCE_SECONDS + PATIENCE)
    assert message.buttons == ALL_BUTTONS
    assert not frozen.is_running() or frozen.status() == psutil.STATUS_ZOMBIE
    [job] = query(bot.data, "SELECT attempt, crashes FROM jobs ORDER BY rowid DESC LIMIT 1")
    assert (job["attempt"], job["crashes"]) == (2, 1)
    is_sound(bot)


async def test_an_engine_that_stands_still_does_not_outlive_the_bot(bot: Doomed) -> None:
    """It reads nothing, so the system ends it."""
    frozen = bot.engine()
    frozen.suspend()
    await bot.kill()
    await eventually(
        lambda: (
            not psutil.pid_exists(frozen.pid)
            or not frozen.is_running()
            or frozen.status() == psutil.STATUS_ZOMBIE
        )
    )
    await bot.start()


async def test_a_second_signal_ends_the_bot_at_once(bot: Doomed, ada: Person) -> None:
    """The first one lets it finish; whoever cannot wait asks again, and loses nothing by it."""
    asked = await ada.slash("imagine", prompt="a long story", steps=150)
    await eventually(lambda: query(bot.data, "SELECT 1 FROM jobs WHERE status = 'running'"))
    bot.process().terminate()
    await asyncio.sleep(0.3)
    bot.process().terminate()
    began = asyncio.get_running_loop().time()
    assert await bot.ended() == -signal.SIGTERM
    assert asyncio.get_running_loop().time() - began < 3
    await bot.start()
    assert (await finished(bot.discord, asked)).buttons == ALL_BUTTONS
    await ended(bot)
    is_sound(bot)
