"""Bot and engine killed at each moment of a job: exactly one result is delivered."""

import asyncio
import resource
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from bot.playground import Message, Person, Playground
from engine.contract.watchdog import SILENCE_SECONDS
from tests import tiny_model
from tests.bot_harness import ALL_BUTTONS, eventually, final_response, query
from tests.crashing_bot import MOMENTS, CrashingBot
from tests.openapi import OpenApi

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(180),
    pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="needs Linux"),
]
PATIENCE = 60.0


def catches_sigterm(process: psutil.Process) -> bool:
    """Whether the process handles SIGTERM; the bot removes its handler at the first signal."""
    status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
    (mask,) = (line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(mask, 16) >> (signal.SIGTERM - 1) & 1)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bot(
    openapi: OpenApi | None, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[CrashingBot]:
    """One bot for all tests; each leaves it running."""
    model = tiny_model.save(tmp_path_factory.mktemp("tiny") / "model", side=32)
    async with Playground(port=0, identify_interval=0) as discord:
        if openapi is not None:
            openapi.problems.clear()
            openapi.watch(discord)
        bot = CrashingBot(discord, tmp_path_factory.mktemp("data"), str(model))
        await bot.start()
        yield bot
        assert await bot.stop() == 0
    assert openapi is None or openapi.problems == []


@pytest.fixture
def ada(bot: CrashingBot) -> Person:
    """A user."""
    return bot.discord.person("Ada")


def public_messages(bot: CrashingBot) -> list[Message]:
    """The messages that everybody sees."""
    return [
        message
        for message in bot.discord.messages()
        if not message.deleted and not message.ephemeral
    ]


async def wait_until_delivered(bot: CrashingBot) -> None:
    """Wait until all jobs in the database are delivered."""
    await bot.discord.until(
        lambda: all(
            row["delivered_at"] for row in query(bot.data, "SELECT delivered_at FROM jobs")
        ),
        timeout=PATIENCE,
        why="all jobs are delivered",
    )


def check_consistency(bot: CrashingBot) -> None:
    """The database is intact; pictures of finished jobs and picture files correspond.

    Equal recipes have equal pictures, in how many attempts they may have been painted.
    """
    assert query(bot.data, "PRAGMA integrity_check")[0][0] == "ok"
    rows = query(bot.data, "SELECT path FROM pictures WHERE path IS NOT NULL")
    files = {str(path.relative_to(bot.data)) for path in (bot.data / "pictures").rglob("*.*")}
    assert files == {row["path"] for row in rows}
    sql = (
        "SELECT id FROM pictures GROUP BY prompt, seed, steps, row_class "
        "HAVING count(DISTINCT sha256) > 1"
    )
    assert query(bot.data, sql) == []
    sql = "SELECT count(*) FROM pictures JOIN jobs ON jobs.id = job WHERE status = 'done'"
    count = query(bot.data, "SELECT count(*) FROM jobs WHERE status = 'done'")[0][0]
    assert query(bot.data, sql)[0][0] == 4 * count == len(rows)


@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_killed_bot_delivers_once(bot: CrashingBot, ada: Person, moment: str) -> None:
    """The next start delivers the pictures. A job that was never acknowledged is cancelled."""
    before = len(public_messages(bot))
    bot.crash_at(moment, "bot")
    interaction = await ada.slash("imagine", prompt="a red house", seed=7, steps=12)
    assert await bot.wait_until_ended() == -signal.SIGKILL
    await bot.start()
    await wait_until_delivered(bot)
    [job] = query(bot.data, "SELECT status, crashes FROM jobs ORDER BY rowid DESC LIMIT 1")
    if moment == "accepted":
        assert (job["status"], len(public_messages(bot))) == ("cancelled", before)
        assert interaction.response is None
    else:
        assert (await final_response(bot.discord, interaction)).buttons == ALL_BUTTONS
        assert (job["status"], len(public_messages(bot))) == ("done", before + 1)
    check_consistency(bot)


@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_killed_engine_costs_no_result(bot: CrashingBot, ada: Person, moment: str) -> None:
    """The next engine paints the missing pictures."""
    before = len(public_messages(bot))
    bot.crash_at(moment, "engine")
    interaction = await ada.slash("imagine", prompt="a red house", seed=7, steps=12)
    assert (await final_response(bot.discord, interaction)).buttons == ALL_BUTTONS
    await wait_until_delivered(bot)
    assert not bot.crash_file.exists()
    assert len(public_messages(bot)) == before + 1
    check_consistency(bot)
    await eventually(bot.has_engine)


async def test_a_killed_bot_completes_a_button_press(bot: CrashingBot, ada: Person) -> None:
    """The bot died before it stored the id of its response message."""
    grid = await final_response(bot.discord, await ada.slash("imagine", prompt="a red house"))
    await wait_until_delivered(bot)
    before = len(public_messages(bot))
    bot.crash_at("acknowledged", "bot")
    press = await ada.click(grid, "U2")
    assert await bot.wait_until_ended() == -signal.SIGKILL
    await bot.start()
    assert (await final_response(bot.discord, press)).attachments
    assert len(public_messages(bot)) == before + 1
    await eventually(
        lambda: (
            query(
                bot.data, "SELECT 1 FROM deliveries WHERE kind = 'picture' AND delivered_at IS NULL"
            )
            == []
        )
    )


async def test_a_full_disk_loses_nothing(bot: CrashingBot, ada: Person) -> None:
    """New requests are refused with the reason; the running job ends once there is space again."""
    before = len(public_messages(bot))
    interaction = await ada.slash("imagine", prompt="a long story", steps=150)
    await bot.discord.until(
        lambda: interaction.response and "%" in interaction.response.content, why="it is painted"
    )
    process = bot.process()
    process.rlimit(psutil.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))  # any write to a file fails
    refused = await ada.slash("imagine", prompt="no room")
    await bot.discord.until(lambda: refused.ephemerals, why="it is refused")
    assert "cannot write to its database" in refused.ephemerals[0].content
    await asyncio.sleep(3)  # nothing outside of the bot shows that the job has ended meanwhile
    process.rlimit(psutil.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    message = await final_response(bot.discord, interaction)
    assert message.buttons == ALL_BUTTONS or "could not be written" in message.content
    await wait_until_delivered(bot)
    assert len(public_messages(bot)) == before + 1
    check_consistency(bot)


async def test_a_frozen_engine_is_replaced(bot: CrashingBot, ada: Person) -> None:
    """An engine that neither exits nor sends anything is killed; the next one paints the job."""
    frozen = bot.engine()
    bot.crash_at("painting", "frozen")
    interaction = await ada.slash("imagine", prompt="a red house", steps=12)
    message = await final_response(bot.discord, interaction, SILENCE_SECONDS + PATIENCE)
    assert message.buttons == ALL_BUTTONS
    assert not frozen.is_running() or frozen.status() == psutil.STATUS_ZOMBIE
    [job] = query(bot.data, "SELECT attempt, crashes FROM jobs ORDER BY rowid DESC LIMIT 1")
    assert (job["attempt"], job["crashes"]) == (2, 1)
    check_consistency(bot)


async def test_a_frozen_engine_does_not_outlive_the_bot(bot: CrashingBot) -> None:
    """A suspended engine does not notice the exit of its parent, so the kernel kills it."""
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


async def test_a_second_signal_kills_the_bot(bot: CrashingBot, ada: Person) -> None:
    """After the first signal the bot finishes its jobs. The second signal loses no job."""
    interaction = await ada.slash("imagine", prompt="a long story", steps=150)
    await eventually(lambda: query(bot.data, "SELECT 1 FROM jobs WHERE status = 'running'"))
    bot.process().terminate()
    await eventually(lambda: not catches_sigterm(bot.process()))
    bot.process().terminate()
    assert await bot.wait_until_ended() == -signal.SIGTERM
    await bot.start()
    assert (await final_response(bot.discord, interaction)).buttons == ALL_BUTTONS
    await wait_until_delivered(bot)
    check_consistency(bot)
