"""Deletion of jobs after the retention period, and of leftover files."""

import sqlite3
from contextlib import closing

import pytest

from bot.db.database import FILENAME
from bot.domain.clock import DAY
from bot.services.retention import ClockCheck
from tests.bot_harness import BotHarness, eventually
from tests.deletion import assert_nothing_left, delete, files, request_deletion, values_on_disk


async def test_expired_jobs_are_deleted(harness: BotHarness) -> None:
    """They expire at the start and while the bot runs. Buttons say why; newer jobs stay."""
    grid = await harness.imagine(prompt="quokkafruit")
    await age(harness, 8 * DAY)
    new_grid = await harness.imagine()
    await harness.stop()
    harness.retention_days = 7
    await harness.start()
    await eventually(lambda: not values_on_disk(harness.data, "quokkafruit"))
    assert len(files(harness)) == 4
    refusal = await harness.refusal(await harness.ada.click(grid, "🔄"))
    assert refusal == "This was deleted: pictures are kept for a limited time only."
    assert (await harness.result(await harness.ada.click(new_grid, "U1"))).attachments
    interaction = await harness.ada.slash("privacy show")
    message = await interaction.finished()
    assert message is not None and "deleted 7 days after a job has finished" in message.content
    await age(harness, 8 * DAY)
    await eventually(lambda: not files(harness))


async def age(harness: BotHarness, seconds: float) -> None:
    """Move all jobs this far into the past."""
    await eventually(lambda: is_delivered(harness))
    await harness.execute(
        "UPDATE jobs SET created_at = created_at - ?, ended_at = ended_at - ? WHERE erased IS NULL",
        seconds,
        seconds,
    )


async def test_without_a_retention_setting_nothing_expires(harness: BotHarness) -> None:
    """Even jobs that are a hundred years old stay."""
    await harness.imagine()
    await age(harness, 36500 * DAY)
    await harness.stop()
    await harness.execute("INSERT INTO file_deletions VALUES ('pictures', 'nothing')")
    await harness.start()
    # The files are deleted after all jobs were checked.
    await eventually(lambda: not harness.query("SELECT 1 FROM file_deletions"))
    assert len(files(harness)) == 4


async def test_a_start_deletes_leftover_files(harness: BotHarness) -> None:
    """The database lists them; the last process ended before it deleted them."""
    await harness.imagine()
    [row] = harness.query("SELECT id FROM jobs")
    await harness.stop()
    before = {path: (harness.data / path).read_bytes() for path in files(harness)}
    await harness.start()
    await delete(harness)
    await harness.stop()
    for path, data in before.items():
        (harness.data / path).parent.mkdir(parents=True, exist_ok=True)
        (harness.data / path).write_bytes(data)
    await harness.execute("INSERT INTO file_deletions VALUES ('pictures', ?)", row["id"])
    await harness.start()
    await assert_nothing_left(harness)


async def test_a_failed_deletion_is_repeated(
    harness: BotHarness, caplog: pytest.LogCaptureFixture
) -> None:
    """The user is informed, the log has the reason, and the next attempt succeeds."""
    await harness.imagine()
    [row] = harness.query("SELECT id FROM jobs")
    folder = harness.data / "pictures" / row["id"]
    aside = harness.data / "aside"
    folder.rename(aside)
    folder.write_text("no folder")  # which rmtree cannot remove
    summary = await delete(harness)
    assert "deleted as soon as possible" in summary
    assert "files not deleted" in caplog.text
    folder.unlink()
    aside.rename(folder)
    await assert_nothing_left(harness)


def is_delivered(harness: BotHarness) -> bool:
    """Whether all endings have been delivered."""
    return not harness.query("SELECT 1 FROM jobs WHERE delivered_at IS NULL")


async def test_a_locked_database_deletes_nothing(harness: BotHarness) -> None:
    """Rows and files stay. The user is informed, and can try again."""
    await harness.imagine()
    private = await request_deletion(harness, harness.ada)
    with closing(sqlite3.connect(harness.data / FILENAME, isolation_level=None)) as locker:
        await eventually(lambda: is_delivered(harness))
        locker.execute("BEGIN IMMEDIATE")
        click = await harness.ada.click(private, "Delete everything")
        await harness.discord.until(lambda: click.ephemerals, why="a response")
        await harness.discord.until(lambda: private.deleted, why="the confirmation is deleted")
    assert "locked by another program" in click.ephemerals[-1].content
    assert len(files(harness)) == 4
    await delete(harness)
    await assert_nothing_left(harness)


async def test_old_pages_go_after_the_last_reader(harness: BotHarness) -> None:
    """Until a reader of the database closes it, deleted text stays in its files."""
    await harness.imagine(prompt="quokkafruit")
    with closing(sqlite3.connect(harness.data / FILENAME, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM jobs").fetchall()
        assert "deleted as soon as possible" in await delete(harness)
        assert values_on_disk(harness.data, "quokkafruit")
        assert "U1" in (await harness.imagine(prompt="a house")).buttons
    await eventually(lambda: not values_on_disk(harness.data, "quokkafruit"))


async def test_nothing_expires_after_a_clock_jump(
    harness: BotHarness, caplog: pytest.LogCaptureFixture
) -> None:
    """The new time may be wrong. A deletion on request still works."""
    await harness.stop()
    harness.retention_days = 7
    await harness.start()
    await harness.imagine()
    harness.clock_offset = 300 * DAY
    await eventually(lambda: "The clock was set ahead" in caplog.text)
    assert len(files(harness)) == 4
    await delete(harness)
    await assert_nothing_left(harness)


@pytest.mark.parametrize(
    ("steps", "is_trusted"),
    [
        ([(100.0, 1.0), (105.0, 6.0), (110.0, 11.0)], [True, True, True]),
        ([(100.0, 1.0), (50.0, 6.0), (55.0, 11.0)], [True, True, True]),
        ([(100.0, 1.0), (900.0, 6.0), (905.0, 11.0)], [True, False, False]),
        ([(100.0, 1.0), (900.0, 6.0), (4494.0, 3600.0), (4501.0, 3607.0)],
         [True, False, False, True]),
    ],
)  # fmt: skip
def test_a_clock_that_was_set_ahead_is_distrusted(
    steps: list[tuple[float, float]], is_trusted: list[bool]
) -> None:
    """The distrust lasts an hour. Steps are (clock, monotonic clock)."""
    check = ClockCheck()
    assert [check.is_sane(*step) for step in steps] == is_trusted
