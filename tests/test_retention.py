"""Deletion of jobs after the retention period, and of leftover files."""

import asyncio
import sqlite3
from contextlib import closing

import pytest

from bot.db.database import FILENAME
from bot.domain.clock import DAY
from bot.services.retention import ClockCheck
from tests.deletion import assert_nothing_left, delete, files, request_deletion, values_on_disk
from tests.house import House, eventually


async def test_expired_jobs_are_deleted(house: House) -> None:
    """They expire at the start and while the bot runs. Buttons say why; newer jobs stay."""
    grid = await house.imagine(prompt="quokkafruit")
    await age(house, 8 * DAY)
    new_grid = await house.imagine()
    await house.stop()
    house.retention_days = 7
    await house.start()
    await eventually(lambda: not values_on_disk(house.data, "quokkafruit"))
    assert len(files(house)) == 4
    refusal = await house.refusal(await house.ada.click(grid, "🔄"))
    assert refusal == "This was deleted: pictures are kept for a limited time only."
    assert (await house.result(await house.ada.click(new_grid, "U1"))).attachments
    interaction = await house.ada.slash("privacy show")
    message = await interaction.finished()
    assert message is not None and "deleted 7 days after a job has finished" in message.content
    await age(house, 8 * DAY)
    await eventually(lambda: not files(house))


async def age(house: House, seconds: float) -> None:
    """Move all jobs this far into the past."""
    await eventually(lambda: is_delivered(house))
    await asyncio.to_thread(
        house.execute,
        "UPDATE jobs SET created_at = created_at - ?, ended_at = ended_at - ? WHERE erased IS NULL",
        seconds,
        seconds,
    )


async def test_without_a_retention_setting_nothing_expires(house: House) -> None:
    """Even jobs that are a hundred years old stay."""
    await house.imagine()
    await age(house, 36500 * DAY)
    await house.stop()
    house.execute("INSERT INTO file_deletions VALUES ('pictures', 'nothing')")
    await house.start()
    # The files are deleted after all jobs were checked.
    await eventually(lambda: not house.query("SELECT 1 FROM file_deletions"))
    assert len(files(house)) == 4


async def test_a_start_deletes_leftover_files(house: House) -> None:
    """The database lists them; the last process ended before it deleted them."""
    await house.imagine()
    [row] = house.query("SELECT id FROM jobs")
    await house.stop()
    before = {path: (house.data / path).read_bytes() for path in files(house)}
    await house.start()
    await delete(house)
    await house.stop()
    for path, data in before.items():
        (house.data / path).parent.mkdir(parents=True, exist_ok=True)
        (house.data / path).write_bytes(data)
    await asyncio.to_thread(
        house.execute, "INSERT INTO file_deletions VALUES ('pictures', ?)", row["id"]
    )
    await house.start()
    await assert_nothing_left(house)


async def test_a_failed_deletion_is_repeated(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    """The user is informed, the log has the reason, and the next attempt succeeds."""
    await house.imagine()
    [row] = house.query("SELECT id FROM jobs")
    folder = house.data / "pictures" / row["id"]
    aside = house.data / "aside"
    folder.rename(aside)
    folder.write_text("no folder")  # which rmtree cannot remove
    summary = await delete(house)
    assert "deleted as soon as possible" in summary
    assert "files not deleted" in caplog.text
    folder.unlink()
    aside.rename(folder)
    await assert_nothing_left(house)


def is_delivered(house: House) -> bool:
    """Whether all endings have been delivered."""
    return not house.query("SELECT 1 FROM jobs WHERE delivered_at IS NULL")


async def test_a_locked_database_deletes_nothing(house: House) -> None:
    """Rows and files stay. The user is informed, and can try again."""
    await house.imagine()
    private = await request_deletion(house, house.ada)
    with closing(sqlite3.connect(house.data / FILENAME, isolation_level=None)) as locker:
        await eventually(lambda: is_delivered(house))
        await asyncio.sleep(0.1)
        locker.execute("BEGIN IMMEDIATE")
        click = await house.ada.click(private, "Delete everything")
        await house.discord.until(lambda: click.ephemerals, why="an answer")
        await house.discord.until(lambda: private.deleted, why="the question is gone")
    assert "locked by another program" in click.ephemerals[-1].content
    assert len(files(house)) == 4
    await delete(house)
    await assert_nothing_left(house)


async def test_old_pages_go_after_the_last_reader(house: House) -> None:
    """Until a reader of the database closes it, deleted text stays in its files."""
    await house.imagine(prompt="quokkafruit")
    with closing(sqlite3.connect(house.data / FILENAME, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM jobs").fetchall()
        assert "deleted as soon as possible" in await delete(house)
        assert values_on_disk(house.data, "quokkafruit")
        assert "U1" in (await house.imagine(prompt="a house")).buttons
    await eventually(lambda: not values_on_disk(house.data, "quokkafruit"))


async def test_nothing_expires_after_a_clock_jump(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    """The new time may be wrong. A deletion on request still works."""
    await house.stop()
    house.retention_days = 7
    await house.start()
    await house.imagine()
    house.clock_offset = 300 * DAY
    async with asyncio.timeout(15):
        while "The clock was set ahead" not in caplog.text:  # noqa: ASYNC110 # there is no event for it
            await asyncio.sleep(0.1)
    assert len(files(house)) == 4
    await delete(house)
    await assert_nothing_left(house)


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
