"""Jobs from acceptance to their ending, including crashes of bot and engine."""

import asyncio
import logging
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from PIL import Image

from bot.attachments.sandbox import Sandbox
from bot.db.database import FILENAME
from bot.db.file_deletions import FileDeletion, FileDeletionStore
from bot.errors import ExitCode, FatalError
from bot.playground import Fault, Playground, Upload
from engine.contract.images.decode_result import DecodeResult
from tests.bot_harness import BotHarness, eventually
from tests.fake_engine import FakeEngine
from tests.samples import encoded

SKETCH = Upload("sketch.png", encoded(Image.new("RGB", (128, 64), "red")))


async def test_a_job_survives_the_death_of_the_engine(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """The next engine paints the same recipes."""
    engine.gate.clear()
    interaction = await harness.ada.slash("imagine", prompt="a house")
    await eventually(lambda: engine.paints)
    engine.gate.set()
    engine.die()
    message = await harness.result(interaction)
    assert "U1" in message.buttons
    assert [paint.attempt for paint in engine.paints] == [1, 2]
    assert engine.paints[0].recipes == engine.paints[1].recipes


async def wait_for_attempts(engine: FakeEngine, times: int) -> None:
    """Wait until the engine has received this many jobs."""
    await eventually(lambda: len(engine.paints) == times)


async def test_a_job_that_crashes_the_engine_fails(harness: BotHarness, engine: FakeEngine) -> None:
    """After three crashes its message has the reason."""
    engine.gate.clear()
    interaction = await harness.ada.slash("imagine", prompt="a house")
    for attempt in range(1, 4):
        await wait_for_attempts(engine, attempt)
        engine.die()
    engine.gate.set()
    message = await harness.result(interaction)
    assert "crashed the engine 3 times" in message.content
    assert len(engine.paints) == 3
    assert "U1" in (await harness.imagine()).buttons


async def test_unfinished_jobs_continue_after_a_restart(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """Running and queued jobs are finished in their old messages."""
    engine.gate.clear()
    interactions = [await harness.ada.slash("imagine", prompt=f"house {n}") for n in range(2)]
    await harness.discord.until(
        lambda: all(
            interaction.response and interaction.response.buttons for interaction in interactions
        ),
        why="both are shown",
    )
    await harness.stop()
    assert [row["crashes"] for row in harness.query("SELECT crashes FROM jobs")] == [0, 0]
    engine.gate.set()
    await harness.start()
    for interaction in interactions:
        assert "U1" in (await harness.result(interaction)).buttons
    assert len(harness.discord.messages()) == 2


async def test_the_same_interaction_twice_is_one_job(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """The gateway may deliver an interaction twice."""
    interaction = await harness.ada.slash("imagine", prompt="a house")
    await harness.result(interaction)
    replay_events(harness)
    await harness.imagine()
    assert len(engine.paints) == 2
    assert len(harness.discord.messages()) == 2


def replay_events(harness: BotHarness) -> None:
    """Send the last interaction again."""
    events = [event for event in harness.events if event.name == "INTERACTION_CREATE"]
    harness.discord.world.emit(events[-1].name, events[-1].data, events[-1].place)


async def test_a_cancelled_job_stays_cancelled(harness: BotHarness, engine: FakeEngine) -> None:
    """The engine may still finish it."""
    engine.gate.clear()
    engine.ignores_cancel = True
    interaction = await harness.ada.slash("imagine", prompt="a house")
    await eventually(lambda: engine.paints)
    await harness.discord.until(
        lambda: interaction.response and interaction.response.buttons, why="it is shown"
    )
    assert interaction.response is not None
    await harness.refusal(await harness.ada.click(interaction.response, "✖ Cancel"))
    engine.gate.set()
    await eventually(lambda: engine.endings)
    # The events of a later job arrive after those of the first one.
    await harness.imagine(harness.discord.person("Ben"))
    assert (await harness.result(interaction)).content.endswith("Cancelled.")
    rows = harness.query("SELECT status FROM pictures JOIN jobs ON jobs.id = pictures.job")
    assert {row["status"] for row in rows} == {"done"}


async def test_pictures_of_another_model_cannot_be_varied(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """They can still be shown."""
    grid = await harness.imagine()
    await harness.stop()
    engine.change_model("round")
    await harness.start()
    interaction = await harness.ada.click(grid, "V1")
    assert "I paint with round" in await harness.refusal(interaction)
    assert (await harness.result(await harness.ada.click(grid, "U1"))).attachments


async def test_jobs_wait_while_the_engine_is_down(harness: BotHarness, engine: FakeEngine) -> None:
    """The message says so; no attempt is counted, and the next engine paints the pictures."""
    engine.start_error = "It cannot start."
    engine.die()
    interaction = await harness.ada.slash("imagine", prompt="a house")
    await harness.discord.until(
        lambda: interaction.response and "engine is restarting" in interaction.response.content,
        why="the note",
    )
    assert [row["attempt"] for row in harness.query("SELECT attempt FROM jobs")] == [0]
    engine.start_error = None
    assert "U1" in (await harness.result(interaction)).buttons
    assert [(paint.attempt) for paint in engine.paints] == [1]


async def test_a_stopping_bot_finishes_running_jobs(
    harness: BotHarness, engine: FakeEngine, caplog: pytest.LogCaptureFixture
) -> None:
    """It refuses new jobs with a reason."""
    harness.grace = 10.0
    await harness.stop()
    await harness.start()
    engine.gate.clear()
    running = await harness.ada.slash("imagine", prompt="a house")
    await eventually(lambda: engine.paints)
    caplog.set_level(logging.INFO, "bot.services.job_tasks")
    stopping = asyncio.create_task(harness.stop())
    await eventually(lambda: "Finishing 1 jobs." in caplog.messages)
    late_job = await harness.discord.person("Ben").slash("imagine", prompt="a boat")
    assert "The bot is restarting" in await harness.refusal(late_job)
    engine.gate.set()
    await stopping
    assert running.response is not None and "U1" in running.response.buttons
    assert [row["status"] for row in harness.query("SELECT status FROM jobs")] == ["done"]


@pytest.mark.parametrize("jump", [3 * 3600.0, -3 * 3600.0])
async def test_no_job_is_lost_after_a_clock_jump(
    harness: BotHarness, engine: FakeEngine, jump: float
) -> None:
    """Running, queued and later jobs all end with pictures, each once."""
    engine.gate.clear()
    users = [harness.discord.person(name) for name in ("Ada", "Ben", "Cleo")]
    interactions = [await user.slash("imagine", prompt="a house") for user in users]
    await eventually(lambda: engine.paints)
    harness.clock_offset = jump
    interactions += [await user.slash("imagine", prompt="a boat") for user in users]
    engine.gate.set()
    messages = [await harness.result(interaction) for interaction in interactions]
    assert all("U1" in message.buttons for message in messages)
    assert len(harness.discord.messages()) == len(interactions)
    await harness.stop()
    harness.clock_offset = 0.0
    await harness.start()
    assert "U1" in (await harness.imagine()).buttons


async def test_an_init_image_that_cannot_be_written_is_refused(harness: BotHarness) -> None:
    """The refusal has the reason of the operating system."""
    (harness.data / "sources").write_bytes(b"in the way")
    interaction = await harness.ada.slash("imagine", prompt="a house", sketch=SKETCH)
    assert "could not be written to the bot's disk (File exists)" in await harness.refusal(
        interaction
    )


async def test_files_of_an_old_attempt_are_deleted_when_the_job_fails(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """The bot may have died between writing the files and storing the result."""
    engine.gate.clear()
    interaction = await harness.ada.slash("imagine", prompt="a house")
    await eventually(lambda: engine.paints)
    folder = harness.data / "pictures" / engine.paints[0].job
    folder.mkdir(parents=True)
    (folder / "1.png").write_bytes(b"of an older attempt")
    engine.failure = "The numbers overflowed."
    engine.gate.set()
    assert "overflowed" in (await harness.result(interaction)).content
    await eventually(lambda: not folder.exists())


async def test_requests_are_refused_while_the_database_is_locked(harness: BotHarness) -> None:
    """Each refusal comes within Discord's three seconds, however many requests there are."""
    users = [harness.discord.person(f"Person {n}") for n in range(5)]
    with closing(sqlite3.connect(harness.data / FILENAME, isolation_level=None)) as locker:
        locker.execute("BEGIN IMMEDIATE")
        interactions = [await user.slash("imagine", prompt="a house") for user in users]
        for interaction in interactions:
            assert "database is locked by another program" in await harness.refusal(interaction)
        locker.execute("ROLLBACK")
    assert "U1" in (await harness.imagine()).buttons


async def test_a_stopping_bot_finishes_button_presses(harness: BotHarness) -> None:
    """A picture at full size is still being sent; its message does not stay empty."""
    harness.grace = 10.0
    await harness.stop()
    await harness.start()
    grid = await harness.imagine()
    harness.discord.faults.next("PATCH", "/webhooks/", Fault(delay=1.0))
    click = await harness.ada.click(grid, "U1")
    await click.acknowledged()
    await harness.stop()
    assert click.response is not None and click.response.attachments


async def test_an_unexpected_error_does_not_blame_the_sketch(
    harness: BotHarness, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The message says that the bot failed, and the log has the traceback."""

    async def failing(_: bytes, __: Sandbox, ___: str) -> DecodeResult:
        raise ValueError("not enough values to unpack")

    monkeypatch.setattr("bot.attachments.sanitize.decode", failing)
    interaction = await harness.ada.slash("imagine", prompt="a house", sketch=SKETCH)
    message = await harness.result(interaction)
    assert "Something went wrong. The error is" in message.content
    assert "not enough values" not in message.content
    assert not interaction.ephemerals
    assert "not enough values" in caplog.text


async def test_a_damaged_database_ends_the_bot_and_keeps_the_job(
    discord: Playground, engine: FakeEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job is not refused: it continues once the database is repaired."""

    async def broken(_: FileDeletionStore, __: FileDeletion) -> None:
        raise FatalError("The database is damaged.", ExitCode.DATABASE_BROKEN)

    harness = BotHarness(discord, engine, tmp_path)
    await harness.start()
    monkeypatch.setattr(FileDeletionStore, "mark", broken)
    interaction = await harness.ada.slash("imagine", prompt="a boat", sketch=SKETCH)
    with pytest.raises(FatalError, match="database is damaged"):
        await harness.wait_until_ended()
    assert not interaction.ephemerals
    assert [row["status"] for row in harness.query("SELECT status FROM jobs")] == ["accepted"]


async def test_a_damaged_database_ends_the_bot(
    discord: Playground, engine: FakeEngine, tmp_path: Path
) -> None:
    """Any query may detect the damage; the process exits, so that its supervisor notices."""
    harness = BotHarness(discord, engine, tmp_path)
    await harness.start()
    await harness.imagine()
    for path in (tmp_path / FILENAME, tmp_path / f"{FILENAME}-wal"):
        whole = path.read_bytes()
        with path.open("r+b") as file:
            file.write(whole[:100] + b"\xff" * (len(whole) - 100))
    await harness.ada.slash("imagine", prompt="a boat")
    with pytest.raises(FatalError, match="database is damaged") as exc_info:
        await harness.wait_until_ended()
    assert exc_info.value.exit is ExitCode.DATABASE_BROKEN
