"""The story of a job, when bot and engine die in it."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from PIL import Image

from bot.attachments.sandbox import Sandbox
from bot.attachments.sanitize import SanitizedImage
from bot.db.database import FILENAME
from bot.db.erasure import ErasureStore, FileDeletion
from bot.errors import ExitCode, FatalError
from bot.playground import Fault, Playground, Upload
from tests.fake_engine import FakeEngine
from tests.house import House, eventually
from tests.samples import encoded

SKETCH = Upload("sketch.png", encoded(Image.new("RGB", (128, 64), "red")))


async def test_an_engine_that_dies_in_mid_job_is_replaced(house: House, engine: FakeEngine) -> None:
    """The person gets the picture, painted by the second engine."""
    engine.gate.clear()
    asked = await house.ada.slash("imagine", prompt="a house")
    await eventually(lambda: engine.paints)
    engine.gate.set()
    engine.die()
    message = await house.result(asked)
    assert "U1" in message.buttons
    assert [paint.attempt for paint in engine.paints] == [1, 2]
    assert engine.paints[0].recipes == engine.paints[1].recipes


async def attempted(engine: FakeEngine, times: int) -> None:
    """Wait until the engine was sent so many jobs."""
    await eventually(lambda: len(engine.paints) == times)


async def test_a_job_that_kills_every_engine_is_given_up(house: House, engine: FakeEngine) -> None:
    """After three deaths, in words."""
    engine.gate.clear()
    asked = await house.ada.slash("imagine", prompt="a house")
    for attempt in range(1, 4):
        await attempted(engine, attempt)
        engine.die()
    engine.gate.set()
    message = await house.result(asked)
    assert "crashed the engine 3 times" in message.content
    assert len(engine.paints) == 3
    assert "U1" in (await house.imagine()).buttons


async def test_what_waits_when_the_bot_stops_is_painted_afterwards(
    house: House, engine: FakeEngine
) -> None:
    """Running and waiting jobs alike, in their old messages."""
    engine.gate.clear()
    asked = [await house.ada.slash("imagine", prompt=f"house {n}") for n in range(2)]
    await house.discord.until(
        lambda: all(one.response and one.response.buttons for one in asked), why="both are shown"
    )
    await house.stop()
    assert [row["crashes"] for row in house.query("SELECT crashes FROM jobs")] == [0, 0]
    engine.gate.set()
    await house.start()
    for one in asked:
        assert "U1" in (await house.result(one)).buttons
    assert len(house.discord.messages()) == 2


async def test_the_same_interaction_twice_is_one_job(house: House, engine: FakeEngine) -> None:
    """As when the gateway replays it."""
    asked = await house.ada.slash("imagine", prompt="a house")
    await house.result(asked)
    replay_events(house)
    await house.imagine()
    assert len(engine.paints) == 2
    assert len(house.discord.messages()) == 2


def replay_events(house: House) -> None:
    """Send the last interaction again."""
    events = [event for event in house.events if event.name == "INTERACTION_CREATE"]
    house.discord.world.emit(events[-1].name, events[-1].data, events[-1].channel)


async def test_a_late_answer_of_an_old_attempt_changes_nothing(
    house: House, engine: FakeEngine
) -> None:
    """A job that was cancelled stays cancelled though the engine finished it."""
    engine.gate.clear()
    engine.ignores_cancel = True
    asked = await house.ada.slash("imagine", prompt="a house")
    await eventually(lambda: engine.paints)
    await house.discord.until(lambda: asked.response and asked.response.buttons, why="it is shown")
    assert asked.response is not None
    await house.refusal(await house.ada.click(asked.response, "✖ Cancel"))
    engine.gate.set()
    await asyncio.sleep(0.3)
    assert (await house.result(asked)).content.endswith("Cancelled.")
    assert house.query("SELECT * FROM pictures") == []


async def test_another_model_does_not_pretend(house: House, engine: FakeEngine) -> None:
    """After a change of weights, old pictures can be shown but not varied."""
    grid = await house.imagine()
    await house.stop()
    engine.change_model("round")
    await house.start()
    asked = await house.ada.click(grid, "V1")
    assert "I paint with round" in await house.refusal(asked)
    assert (await house.result(await house.ada.click(grid, "U1"))).attachments


async def test_while_there_is_no_engine_everybody_keeps_their_place(
    house: House, engine: FakeEngine
) -> None:
    """The message says so, no attempt is counted, and the next engine paints it."""
    engine.start_error = "It cannot start."
    engine.die()
    asked = await house.ada.slash("imagine", prompt="a house")
    await house.discord.until(
        lambda: asked.response and "engine is down" in asked.response.content, why="it is said"
    )
    assert [row["attempt"] for row in house.query("SELECT attempt FROM jobs")] == [0]
    engine.start_error = None
    assert "U1" in (await house.result(asked)).buttons
    assert [(paint.attempt) for paint in engine.paints] == [1]


async def test_a_bot_that_is_asked_to_stop_finishes_what_it_can(
    house: House, engine: FakeEngine
) -> None:
    """The job at work ends and is shown; a new wish is refused with a sentence."""
    house.grace = 10.0
    await house.stop()
    await house.start()
    engine.gate.clear()
    running = await house.ada.slash("imagine", prompt="a house")
    await eventually(lambda: engine.paints)
    stopping = asyncio.create_task(house.stop())
    await asyncio.sleep(0.1)
    late = await house.discord.person("Ben").slash("imagine", prompt="a boat")
    assert "being restarted" in await house.refusal(late)
    engine.gate.set()
    await stopping
    assert running.response is not None and "U1" in running.response.buttons
    assert [row["status"] for row in house.query("SELECT status FROM jobs")] == ["done"]


@pytest.mark.parametrize("jump", [3 * 3600.0, -3 * 3600.0])
async def test_a_clock_that_jumps_loses_nothing(
    house: House, engine: FakeEngine, jump: float
) -> None:
    """What is being painted, what waits and what comes later all end in pictures, once each."""
    engine.gate.clear()
    people = [house.discord.person(name) for name in ("Ada", "Ben", "Cleo")]
    asked = [await person.slash("imagine", prompt="a house") for person in people]
    await eventually(lambda: engine.paints)
    house.ahead = jump
    asked += [await person.slash("imagine", prompt="a boat") for person in people]
    engine.gate.set()
    messages = [await house.result(each) for each in asked]
    assert all("U1" in message.buttons for message in messages)
    assert len(house.discord.messages()) == len(asked)
    await house.stop()
    house.ahead = 0.0
    await house.start()
    assert "U1" in (await house.imagine()).buttons


async def test_a_sketch_that_cannot_be_kept_is_said(house: House) -> None:
    """With the disk's own reason."""
    (house.data / "sources").write_bytes(b"in the way")
    asked = await house.ada.slash("imagine", prompt="a house", sketch=SKETCH)
    assert "could not be kept on the bot's disk (File exists)" in await house.refusal(asked)


async def test_what_an_attempt_wrote_goes_when_the_job_fails(
    house: House, engine: FakeEngine
) -> None:
    """As when the bot died between file and record, and the next engine cannot paint it."""
    engine.gate.clear()
    asked = await house.ada.slash("imagine", prompt="a house")
    await eventually(lambda: engine.paints)
    folder = house.data / "pictures" / engine.paints[0].job
    folder.mkdir(parents=True)
    (folder / "1.png").write_bytes(b"of an older attempt")
    engine.failure = "The numbers overflowed."
    engine.gate.set()
    assert "overflowed" in (await house.result(asked)).content
    await eventually(lambda: not folder.exists())


async def test_whoever_asks_while_the_record_is_locked_hears_of_it(house: House) -> None:
    """Before Discord says that the application did not respond, however many ask."""
    people = [house.discord.person(f"Person {n}") for n in range(5)]
    with closing(sqlite3.connect(house.data / FILENAME, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        asked = [await person.slash("imagine", prompt="a house") for person in people]
        for each in asked:
            assert "record is locked by another program" in await house.refusal(each)
        other.execute("ROLLBACK")
    assert "U1" in (await house.imagine()).buttons


async def test_a_bot_that_is_asked_to_stop_finishes_what_was_pressed(house: House) -> None:
    """A picture at full size is on its way, slowly; its message does not stay empty."""
    house.grace = 10.0
    await house.stop()
    await house.start()
    grid = await house.imagine()
    house.discord.faults.next("PATCH", "/webhooks/", Fault(delay=1.0))
    pressed = await house.ada.click(grid, "U1")
    await pressed.acknowledged()
    await house.stop()
    assert pressed.response is not None and pressed.response.attachments


async def test_no_sketch_is_blamed_for_a_mistake_of_ours(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The person hears that it was none of theirs, and the log has the rest."""

    async def mistaken(_: bytes, __: Sandbox) -> SanitizedImage:
        raise ValueError("not enough values to unpack")

    monkeypatch.setattr("bot.services.inputs.sanitize", mistaken)
    asked = await house.ada.slash("imagine", prompt="a house", sketch=SKETCH)
    message = await house.result(asked)
    assert "Something went wrong inside the bot" in message.content
    assert "not enough values" not in message.content
    assert not asked.ephemerals
    assert "not enough values" in caplog.text


async def test_a_record_that_breaks_under_a_sketch_ends_the_bot(
    discord: Playground, engine: FakeEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job is not refused: whoever mends the record finds it as it was."""

    async def broken(_: ErasureStore, __: FileDeletion) -> None:
        raise FatalError("The database is damaged.", ExitCode.DATABASE_BROKEN)

    house = House(discord, engine, tmp_path)
    await house.start()
    monkeypatch.setattr(ErasureStore, "mark_for_deletion", broken)
    asked = await house.ada.slash("imagine", prompt="a boat", sketch=SKETCH)
    with pytest.raises(FatalError, match="database is damaged"):
        await house.ended()
    assert not asked.ephemerals
    assert [row["status"] for row in house.query("SELECT status FROM jobs")] == ["accepted"]


async def test_a_record_that_breaks_ends_the_bot(
    discord: Playground, engine: FakeEngine, tmp_path: Path
) -> None:
    """Whoever finds it out, so that its supervisor hears of it, and nobody waits in vain."""
    house = House(discord, engine, tmp_path)
    await house.start()
    await house.imagine()
    for path in (tmp_path / FILENAME, tmp_path / f"{FILENAME}-wal"):
        whole = path.read_bytes()
        with path.open("r+b") as file:
            file.write(whole[:100] + b"\xff" * (len(whole) - 100))
    await house.ada.slash("imagine", prompt="a boat")
    with pytest.raises(FatalError, match="database is damaged") as caught:
        await house.ended()
    assert caught.value.exit is ExitCode.DATABASE_BROKEN
