"""Pictures are stored when they arrive: what is stored stays, whatever happens to the rest."""

import asyncio

import pytest

from bot.db.database import Database
from bot.domain.job import Status
from tests.bot_harness import ALL_BUTTONS, BotHarness, eventually
from tests.fake_engine import FakeEngine, flat
from tests.samples import job, picture

FAILURE = "The engine failed; its log has the details."


def stored_numbers(harness: BotHarness) -> list[int]:
    """The numbers of the pictures that are stored."""
    return [row["nth"] for row in harness.query("SELECT nth FROM pictures ORDER BY nth")]


def files(harness: BotHarness) -> set[str]:
    """The names of all picture files."""
    return {path.name for path in (harness.data / "pictures").rglob("*.*")}


def check_files(harness: BotHarness, engine: FakeEngine) -> None:
    """Each file is the picture of its recipe in the first attempt."""
    for nth, recipe in enumerate(engine.paints[0].recipes, start=1):
        [file] = (harness.data / "pictures").rglob(f"{nth}.png")
        assert file.read_bytes() == flat(recipe)


@pytest.fixture
def gated_engine(engine: FakeEngine) -> FakeEngine:
    """The engine of `harness`, which holds jobs after two pictures."""
    engine.holds_after = 2
    engine.picture_gate.clear()
    return engine


async def start_and_hold(harness: BotHarness, engine: FakeEngine) -> asyncio.Task[object]:
    """A job of four pictures, of which two are stored, and the engine waits."""
    task: asyncio.Task[object] = asyncio.create_task(harness.imagine())
    await eventually(lambda: len(stored_numbers(harness)) == 2)
    return task


async def test_the_message_counts_finished_pictures(
    harness: BotHarness, gated_engine: FakeEngine
) -> None:
    """The line follows the percentage."""
    interaction = await harness.ada.slash("imagine", prompt="a red house")
    await harness.discord.until(
        lambda: interaction.response and "% · 2 of 4 done" in interaction.response.content,
        why="the number of pictures",
    )
    gated_engine.picture_gate.set()
    assert (await harness.result(interaction)).buttons == ALL_BUTTONS


async def test_a_dead_engine_costs_only_what_is_missing(
    harness: BotHarness, gated_engine: FakeEngine
) -> None:
    """The next attempt paints the missing pictures; all equal those of one attempt."""
    task = await start_and_hold(harness, gated_engine)
    gated_engine.die()
    gated_engine.picture_gate.set()
    await task
    first, second = gated_engine.paints
    assert (second.attempt, second.recipes) == (2, first.recipes[2:])
    assert stored_numbers(harness) == [1, 2, 3, 4]
    check_files(harness, gated_engine)
    [usage] = harness.query("SELECT attempt FROM usage")
    assert usage["attempt"] == 2


async def test_a_large_job_continues_where_it_stopped(
    harness: BotHarness, gated_engine: FakeEngine
) -> None:
    """Seven of sixteen pictures are stored; nine are painted by the next engine."""
    gated_engine.holds_after = 7
    interaction = await harness.ada.slash("imagine", prompt="a red house", count=16)
    await harness.discord.until(
        lambda: interaction.response and "7 of 16 done" in interaction.response.content,
        why="the number of pictures",
    )
    await eventually(lambda: len(stored_numbers(harness)) == 7)
    gated_engine.picture_gate.set()
    gated_engine.die()
    await harness.result(interaction)
    first, second = gated_engine.paints
    assert second.recipes == first.recipes[7:]
    assert stored_numbers(harness) == list(range(1, 17))
    check_files(harness, gated_engine)


async def test_a_stopped_bot_keeps_what_is_stored(
    harness: BotHarness, gated_engine: FakeEngine
) -> None:
    """The next process asks for the missing pictures."""
    task = await start_and_hold(harness, gated_engine)
    await harness.stop()
    assert stored_numbers(harness) == [1, 2]
    gated_engine.picture_gate.set()
    await harness.start()
    await task
    first, second = gated_engine.paints
    assert second.recipes == first.recipes[2:]
    check_files(harness, gated_engine)


async def test_a_job_that_fails_keeps_its_pictures(harness: BotHarness, engine: FakeEngine) -> None:
    """It is done; the missing pictures have the reason, and it is charged once."""
    engine.fails_after = 2
    message = await harness.imagine()
    assert FAILURE in message.content
    [row] = harness.query("SELECT status, reason FROM jobs")
    assert (row["status"], row["reason"]) == ("done", None)
    rows = harness.query("SELECT failed, path FROM pictures ORDER BY nth")
    assert [row["failed"] for row in rows] == [None, None, FAILURE, FAILURE]
    assert files(harness) == {"1.png", "2.png"}
    assert [row["seconds"] for row in harness.query("SELECT seconds FROM usage")] == [0.05]


async def test_a_job_that_crashes_too_often_keeps_its_pictures(
    harness: BotHarness, gated_engine: FakeEngine
) -> None:
    """It is not tried for ever, and not lost."""
    task = await start_and_hold(harness, gated_engine)
    gated_engine.holds_after = 0
    for attempt in (2, 3):
        gated_engine.die()
        await eventually(lambda: len(gated_engine.paints) == attempt)  # noqa: B023 # called now
    gated_engine.die()
    await task
    rows = harness.query("SELECT failed FROM pictures ORDER BY nth")
    assert [row["failed"] is None for row in rows] == [True, True, False, False]
    assert "crashed the engine 3 times" in rows[3]["failed"]
    assert [row["status"] for row in harness.query("SELECT status FROM jobs")] == ["done"]


async def test_pictures_of_a_running_job_cannot_be_used(
    harness: BotHarness, gated_engine: FakeEngine
) -> None:
    """A reaction for a variation is answered as before the first picture."""
    interaction = await harness.ada.slash("imagine", prompt="a red house")
    await eventually(lambda: len(stored_numbers(harness)) == 2)
    assert interaction.response is not None
    await harness.ada.react(interaction.response, "1️⃣")
    await harness.discord.until(
        lambda: any("no such picture" in message.content for message in harness.discord.messages()),
        why="a refusal",
    )
    gated_engine.picture_gate.set()
    assert (await harness.result(interaction)).buttons == ALL_BUTTONS


async def test_a_cancelled_job_leaves_no_picture(
    harness: BotHarness, gated_engine: FakeEngine
) -> None:
    """Neither rows nor files stay, and what the engine has used is charged once."""
    interaction = await harness.ada.slash("imagine", prompt="a red house")
    await eventually(lambda: len(stored_numbers(harness)) == 2)
    await harness.discord.until(
        lambda: interaction.response and interaction.response.buttons, why="it can be cancelled"
    )
    assert interaction.response is not None
    await harness.ada.click(interaction.response, "✖ Cancel")
    await harness.result(interaction)
    await eventually(lambda: not files(harness))
    assert stored_numbers(harness) == []
    await eventually(lambda: harness.query("SELECT 1 FROM usage"))
    assert len(harness.query("SELECT 1 FROM usage")) == 1


# The store


async def running_job(db: Database) -> None:
    """A job of four pictures in its first attempt."""
    await db.jobs.add(job())
    await db.jobs.mark_queued("j1", job().recipes)
    assert await db.jobs.claim("j1", now=1.0)


async def test_only_the_current_attempt_stores_pictures(db: Database) -> None:
    """Those of a superseded attempt and of a queued job are refused."""
    await running_job(db)
    assert await db.jobs.add_pictures("j1", 1, [picture(nth=1)])
    await db.jobs.requeue("j1", 1, crashed=True)
    assert not await db.jobs.add_pictures("j1", 1, [picture(nth=2)])
    assert await db.jobs.claim("j1", now=2.0)
    assert not await db.jobs.add_pictures("j1", 1, [picture(nth=2)])
    assert await db.jobs.add_pictures("j1", 2, [picture(nth=2)])
    assert [stored.nth for stored in await db.jobs.stored_pictures("j1")] == [1, 2]


async def test_a_picture_is_stored_once(db: Database) -> None:
    """A repetition changes nothing."""
    await running_job(db)
    for digest in "ab":
        assert await db.jobs.add_pictures("j1", 1, [picture(sha256=digest * 64)])
    assert [stored.sha256 for stored in await db.jobs.stored_pictures("j1")] == ["a" * 64]


@pytest.mark.parametrize("status", [Status.CANCELLED, Status.FAILED])
async def test_a_job_that_ends_without_pictures_loses_them(db: Database, status: Status) -> None:
    """Later ones are refused, and its files are listed for deletion."""
    await running_job(db)
    await db.jobs.add_pictures("j1", 1, [picture()])
    reason = "Why." if status is Status.FAILED else None
    assert await db.jobs.finish_without_pictures("j1", status, 2.0, reason=reason)
    assert await db.jobs.stored_pictures("j1") == []
    assert not await db.jobs.add_pictures("j1", 1, [picture()])
    assert len(await db.file_deletions.all()) == 1


async def test_a_failure_keeps_finished_pictures(db: Database) -> None:
    """A job that has only failed pictures, or none, fails."""
    await running_job(db)
    await db.jobs.add_pictures("j1", 1, [picture(nth=2)])
    ended = await db.jobs.fail("j1", "Out of memory.", 2.0)
    assert ended is not None and ended.status is Status.DONE
    stored = await db.jobs.pictures("j1")
    assert [(of.nth, of.failure_reason) for of in stored] == [
        (1, "Out of memory."),
        (2, None),
        (3, "Out of memory."),
        (4, "Out of memory."),
    ]
    assert await db.jobs.fail("j1", "Again.", 3.0) is None


async def test_a_failure_without_pictures_fails_the_job(db: Database) -> None:
    """The rows of failed pictures go."""
    await running_job(db)
    failed = picture(sha256=None, path=None, failure_reason="Too bright.")
    await db.jobs.add_pictures("j1", 1, [failed])
    ended = await db.jobs.fail("j1", "Out of memory.", 2.0)
    assert ended is not None
    assert (ended.status, ended.failure_reason) == (Status.FAILED, "Out of memory.")
    assert await db.jobs.stored_pictures("j1") == []
