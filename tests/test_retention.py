"""How long people's jobs are kept."""

import asyncio
import sqlite3
from contextlib import closing

import pytest

from bot.db.database import FILENAME
from bot.services.retention import DAY, ClockCheck
from tests.deletion import delete, files, left_nothing, marks, question
from tests.house import House, eventually


async def test_what_is_older_than_promised_goes_by_itself(house: House) -> None:
    """At the next start, and while the bot runs; buttons say why, and what is younger stays."""
    grid = await house.imagine(prompt="quokkafruit")
    await age(house, 8 * DAY)
    fresh = await house.imagine()
    await house.stop()
    house.retention_days = 7
    await house.start()
    await eventually(lambda: not marks(house.data, "quokkafruit"))
    assert len(files(house)) == 4
    said = await house.refusal(await house.ada.click(grid, "🔄"))
    assert said == "That was deleted: I keep pictures for a limited time."
    assert (await house.result(await house.ada.click(fresh, "U1"))).attachments
    shown = await house.ada.slash("privacy show")
    message = await shown.finished()
    assert message is not None and "deleted 7 days after a job has ended" in message.content
    await age(house, 8 * DAY)
    await eventually(lambda: not files(house))


async def age(house: House, seconds: float) -> None:
    """Let all jobs be so much older."""
    await eventually(lambda: is_delivered(house))
    await asyncio.to_thread(
        house.execute,
        "UPDATE jobs SET created_at = created_at - ?, ended_at = ended_at - ? WHERE erased IS NULL",
        seconds,
        seconds,
    )


async def test_without_a_promise_all_is_kept(house: House) -> None:
    """Of a hundred years ago."""
    await house.imagine()
    await age(house, 36500 * DAY)
    await house.stop()
    await house.start()
    await asyncio.sleep(0.3)
    assert len(files(house)) == 4


async def test_a_start_removes_what_was_not_removed(house: House) -> None:
    """The record says what; here the last process died between record and disk."""
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
    await asyncio.to_thread(house.execute, "INSERT INTO removals VALUES ('pictures', ?)", row["id"])
    await house.start()
    await left_nothing(house)


async def test_a_folder_that_cannot_be_removed_is_tried_again(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    """The person is told, the log says why, and it goes once it can."""
    await house.imagine()
    [row] = house.query("SELECT id FROM jobs")
    folder = house.data / "pictures" / row["id"]
    aside = house.data / "aside"
    folder.rename(aside)
    folder.write_text("no folder")  # which rmtree cannot remove
    told = await delete(house)
    assert "goes as soon as it is free" in told
    assert "files not deleted" in caplog.text
    folder.unlink()
    aside.rename(folder)
    await left_nothing(house)


def is_delivered(house: House) -> bool:
    """Has the record nothing more to take in?"""
    return not house.query("SELECT 1 FROM jobs WHERE delivered_at IS NULL")


async def test_a_locked_record_deletes_nothing_and_says_so(house: House) -> None:
    """Neither record nor files; then it works."""
    await house.imagine()
    private = await question(house, house.ada)
    with closing(sqlite3.connect(house.data / FILENAME, isolation_level=None)) as other:
        await eventually(lambda: is_delivered(house))
        await asyncio.sleep(0.1)
        other.execute("BEGIN IMMEDIATE")
        pressed = await house.ada.click(private, "Delete all of it")
        await house.discord.until(lambda: pressed.ephemerals, why="an answer")
        await house.discord.until(lambda: private.deleted, why="the question is gone")
    assert "locked by another program" in pressed.ephemerals[-1].content
    assert len(files(house)) == 4
    await delete(house)
    await left_nothing(house)


async def test_a_reader_in_the_way_is_waited_for(house: House) -> None:
    """Who looks at the database keeps older states alive; they go when it is closed."""
    await house.imagine(prompt="quokkafruit")
    with closing(sqlite3.connect(house.data / FILENAME, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM jobs").fetchall()
        assert "goes as soon as it is free" in await delete(house)
        assert marks(house.data, "quokkafruit")
        assert "U1" in (await house.imagine(prompt="a house")).buttons
    await eventually(lambda: not marks(house.data, "quokkafruit"))


async def test_a_clock_that_jumps_deletes_nothing(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    """It may be wrong, and what is deleted is gone; wishes are fulfilled all the same."""
    await house.stop()
    house.retention_days = 7
    await house.start()
    await house.imagine()
    house.ahead = 300 * DAY
    async with asyncio.timeout(15):
        while "The clock was set ahead" not in caplog.text:  # noqa: ASYNC110 # nobody tells
            await asyncio.sleep(0.1)
    assert len(files(house)) == 4
    await delete(house)
    await left_nothing(house)


@pytest.mark.parametrize(
    ("steps", "sane"),
    [
        ([(100.0, 1.0), (105.0, 6.0), (110.0, 11.0)], [True, True, True]),
        ([(100.0, 1.0), (50.0, 6.0), (55.0, 11.0)], [True, True, True]),
        ([(100.0, 1.0), (900.0, 6.0), (905.0, 11.0)], [True, False, False]),
        ([(100.0, 1.0), (900.0, 6.0), (4494.0, 3600.0), (4501.0, 3607.0)],
         [True, False, False, True]),
    ],
)  # fmt: skip
def test_a_clock_is_sane_unless_it_was_set_ahead(
    steps: list[tuple[float, float]], sane: list[bool]
) -> None:
    """After a jump it is distrusted for an hour. Steps are (clock, monotonic clock)."""
    check = ClockCheck()
    assert [check.is_sane(*step) for step in steps] == sane
