"""A picture whose file is gone is painted again from its recipe when somebody looks at it."""

import logging

import msgspec
import pytest

from bot.playground import Interaction, Message, Person
from bot.playground.client.options import Value
from bot.services import input_files
from bot.services.restoration import OTHER_PIXELS
from tests.bot_harness import BotHarness, eventually
from tests.fake_engine import FakeEngine, flat
from tests.fake_server import UPSCALER
from tests.nsfw_watch import choose, restrict
from tests.samples import pixels_digest
from tests.sketching import WORDS, used
from tests.test_imagine import SKETCH
from tests.test_show import job_id, show


def lose_files(harness: BotHarness) -> None:
    """Delete the files of all pictures."""
    for path in (harness.data / "pictures").rglob("*.png"):
        path.unlink()


def files(harness: BotHarness) -> list[str]:
    """The names of the files of pictures."""
    return sorted(path.name for path in (harness.data / "pictures").rglob("?.png"))


async def busy(harness: BotHarness, engine: FakeEngine, *people: Person, jobs: int) -> None:
    """Let each of these people have so many running jobs."""
    count = len(engine.paints)
    for person in people:
        for _ in range(jobs):
            await person.slash("imagine", prompt="a house")
    await eventually(lambda: len(engine.paints) == count + jobs * len(people))


async def pressed(harness: BotHarness, engine: FakeEngine, grid: Message) -> Interaction:
    """U1 of a picture without a file, which is being painted."""
    count = len(engine.paints)
    engine.gate.clear()
    interaction = await harness.ada.click(grid, "U1")
    await eventually(lambda: len(engine.paints) == count + 1)
    return interaction


async def test_a_missing_file_is_painted_again(harness: BotHarness, engine: FakeEngine) -> None:
    """Silently and once, from its recipe, and stored again; the user who looks at it is charged."""
    grid = await harness.imagine()
    moderator, ben = harness.discord.person("Mo", moderator=True), harness.discord.person("Ben")
    lose_files(harness)
    for _ in range(2):
        message = await harness.result(await ben.click(grid, "U2"))
        digest = pixels_digest(message.attachments[0].data)
        assert digest == pixels_digest(flat(engine.paints[0].recipes[1]))
        await moderator.delete(message)  # else the second U is a link to it
    assert [len(paint.recipes) for paint in engine.paints] == [4, 1]
    assert files(harness) == ["2.png"]
    assert engine.paints[1].owner == str(ben.id)
    rows = harness.query("SELECT * FROM usage")
    [usage] = [row for row in rows if row["person"] == ben.id]
    assert (usage["seconds"], usage["work"]) == (
        engine.engine_seconds,
        pytest.approx(64 * 64 * 2 * 4),
    )


async def test_other_pixels_are_remembered(harness: BotHarness, engine: FakeEngine) -> None:
    """The sentence says it; it is not painted again before the software or hardware changes."""
    grid = await harness.imagine()
    lose_files(harness)
    [digest] = harness.query("SELECT sha256 FROM pictures WHERE nth = 1")
    await harness.execute("UPDATE pictures SET sha256 = ?", "b" * 64)
    for _ in range(2):
        for _ in range(2):
            refusal = await harness.refusal(await harness.ada.click(grid, "U1"))
            assert refusal == OTHER_PIXELS and "to the bit on this engine" in refusal
        assert files(harness) == [] and len(engine.paints) == 2
        await harness.stop()
        await harness.start()
    await harness.stop()
    engine.models = (msgspec.structs.replace(engine.model, fingerprint="another machine"),)
    await harness.execute("UPDATE pictures SET sha256 = ?", digest["sha256"])
    await harness.start()
    await harness.result(await harness.ada.click(grid, "U1"))
    assert files(harness) == ["1.png"]


async def test_a_lost_picture_waits_in_the_queue(
    harness: BotHarness, engine: FakeEngine, caplog: pytest.LogCaptureFixture
) -> None:
    """Behind a user who has used less, and it counts as one of the user's unfinished jobs."""
    caplog.set_level(logging.INFO, "bot.services.restoration")
    grid = await harness.imagine()
    lose_files(harness)
    engine.gate.clear()
    await busy(harness, engine, harness.ada, harness.discord.person("Ben"), jobs=4)
    click = await harness.ada.click(grid, "U1")
    await eventually(lambda: "lost pictures queued" in caplog.messages)
    refusal = await harness.refusal(await harness.ada.slash("imagine", prompt="one more"))
    assert "You have 5 jobs waiting; the limit is 5." in refusal
    await busy(harness, engine, harness.discord.person("Cleo"), jobs=1)
    assert [len(paint.recipes) for paint in engine.paints] == [4] * 10
    engine.gate.set()
    assert (await harness.result(click)).attachments
    assert len(engine.paints[10].recipes) == 1


async def test_a_user_has_a_limit(harness: BotHarness, engine: FakeEngine) -> None:
    """The same as for jobs; the refusal is private."""
    grid = await harness.imagine()
    lose_files(harness)
    engine.gate.clear()
    await busy(harness, engine, harness.ada, jobs=5)
    refusal = await harness.refusal(await harness.ada.click(grid, "U1"))
    assert "You have 5 jobs waiting; the limit is 5." in refusal
    engine.gate.set()


async def test_a_stop_ends_the_wait(
    harness: BotHarness, engine: FakeEngine, caplog: pytest.LogCaptureFixture
) -> None:
    """The user learns why."""
    caplog.set_level(logging.INFO, "bot.services.restoration")
    grid = await harness.imagine()
    lose_files(harness)
    engine.gate.clear()
    await busy(harness, engine, harness.ada, harness.discord.person("Ben"), jobs=4)
    click = await harness.ada.click(grid, "U1")
    await eventually(lambda: "lost pictures queued" in caplog.messages)
    harness.grace = 5.0
    await harness.stop()
    assert "The bot is restarting" in await harness.refusal(click)


async def test_a_restart_paints_it_for_the_same_user(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """The bot was stopped while it was painted."""
    grid = await harness.imagine()
    lose_files(harness)
    click = await pressed(harness, engine, grid)
    await harness.stop()
    engine.gate.set()
    await harness.start()
    assert (await harness.result(click)).attachments
    assert engine.paints[-1].owner == str(harness.ada.id)
    recipients = "SELECT 1 FROM deliveries WHERE recipient IS NOT NULL"
    await eventually(lambda: not harness.query(recipients))


async def test_uploads_do_not_wait_for_it(harness: BotHarness, engine: FakeEngine) -> None:
    """Neither those of the same user nor of others are held up by jobs that need the picture."""
    message = await harness.imagine(count=1)
    lose_files(harness)
    engine.gate.clear()
    names = ("Ben", "Cleo", "Dan", "Eve")
    for person in map(harness.discord.person, names):
        await person.submit(await used(harness, message, person), WORDS)
    accepted = "SELECT 1 FROM jobs WHERE status = 'accepted'"
    await eventually(lambda: len(harness.query(accepted)) == 4 and len(engine.paints) == 2)
    for name in ("Ben", "Flo"):
        values: dict[str, Value] = {"prompt": "a boat", "sketch": SKETCH, "strength": 0.5}
        await harness.discord.person(name).invoke("imagine", values)
    await eventually(lambda: len(engine.paints) == 4)
    assert len(harness.query(accepted)) == 4
    engine.gate.set()
    await eventually(lambda: len(harness.query("SELECT 1 FROM jobs WHERE status = 'done'")) == 7)


async def test_lost_pictures_of_a_result_are_painted_at_once(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """/show paints them in one request."""
    grid = await harness.imagine()
    lose_files(harness)
    message = await show(harness, job_id(harness))
    assert message.attachments[0].data == grid.attachments[0].data
    assert [len(paint.recipes) for paint in engine.paints] == [4, 4]
    assert len(harness.query("SELECT * FROM usage")) == 2


async def test_a_result_is_shown_without_what_cannot_be_restored(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """Its message says why; if nothing can be restored, only its user reads it."""
    await harness.imagine()
    lose_files(harness)
    await harness.execute("UPDATE pictures SET sha256 = ? WHERE nth = 2", "b" * 64)
    message = await show(harness, job_id(harness))
    assert OTHER_PIXELS in message.content and message.attachments
    assert files(harness) == ["1.png", "3.png", "4.png"]
    lose_files(harness)
    await harness.execute("UPDATE pictures SET sha256 = ?", "b" * 64)
    for _ in range(2):
        refusal = await harness.refusal(await harness.ada.slash("show", job=job_id(harness)))
        assert refusal == OTHER_PIXELS
    assert [len(paint.recipes) for paint in engine.paints] == [4, 4, 3]


async def test_what_is_withheld_is_not_painted(harness: BotHarness, engine: FakeEngine) -> None:
    """A flagged picture where it is not shown, neither by /show nor by U."""
    channel = harness.discord.restricted
    await choose(harness, "allow")
    engine.flagged = {2}
    grid = await harness.result(
        await harness.ada.invoke("imagine", {"prompt": "a house"}, where=channel)
    )
    lose_files(harness)
    restrict(harness, channel, nsfw=False)
    engine.flagged = set()
    refusal = await harness.refusal(await harness.ada.click(grid, "U2"))
    assert "Picture 2 was withheld" in refusal and len(engine.paints) == 1
    await harness.result(await harness.ada.slash("show", where=channel, job=job_id(harness)))
    assert [paint.recipes for paint in engine.paints[1:]] == [
        tuple(engine.paints[0].recipes[index] for index in (0, 2, 3))
    ]
    assert files(harness) == ["1.png", "3.png", "4.png"]


async def test_there_is_one_time_limit_for_all(
    harness: BotHarness, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was painted until then stays, and the next request paints the rest."""
    await harness.imagine()
    lose_files(harness)
    engine.holds_after = 2
    engine.picture_gate.clear()
    monkeypatch.setattr(input_files, "RESTORING_SECONDS", 2.0)
    message = await show(harness, job_id(harness))
    assert input_files.TOO_SLOW in message.content
    assert files(harness) == ["1.png", "2.png"]
    await eventually(lambda: engine.cancels)
    engine.holds_after = None
    engine.picture_gate.set()
    monkeypatch.undo()
    message = await show(harness, job_id(harness))
    assert "gone" not in message.content
    assert [len(paint.recipes) for paint in engine.paints] == [4, 4, 2]


async def test_a_running_job_does_not_wait_for_the_queue(
    harness: BotHarness, engine: FakeEngine, caplog: pytest.LogCaptureFixture
) -> None:
    """It has the lost picture painted in its own seat, although a user who looks at the picture
    waits for one."""
    caplog.set_level(logging.INFO, "bot.services.restoration")
    engine.upscalers = (UPSCALER,)
    await harness.stop()
    await harness.start()
    single = await harness.result(await harness.ada.click(await harness.imagine(), "U1"))
    shown_id = job_id(harness)
    lose_files(harness)
    engine.gate.clear()
    await busy(harness, engine, harness.ada, harness.discord.person("Ben"), jobs=4)
    await harness.ada.slash("show", job=shown_id)
    await eventually(lambda: caplog.messages.count("lost pictures queued") == 1)
    count = len(engine.paints)
    await harness.discord.person("Cleo").click(single, "⬆ 2x")
    await eventually(lambda: len(engine.paints) == count + 1)
    engine.gate.set()


async def test_what_is_flagged_now_is_withheld(harness: BotHarness, engine: FakeEngine) -> None:
    """Also beside a picture that was flagged before, which the channel may see."""
    channel = harness.discord.restricted
    await choose(harness, "allow")
    engine.flagged = {2}
    await harness.result(await harness.ada.invoke("imagine", {"prompt": "a house"}, where=channel))
    lose_files(harness)
    engine.flagged = {1, 2}
    await harness.result(await harness.ada.slash("show", where=channel, job=job_id(harness)))
    assert files(harness) == ["2.png", "3.png", "4.png"]


async def test_a_failure_costs_nothing(harness: BotHarness, engine: FakeEngine) -> None:
    """As for a job that fails."""
    grid = await harness.imagine()
    lose_files(harness)
    engine.failure = "The engine failed; its log has the details."
    refusal = await harness.refusal(await harness.discord.person("Ben").click(grid, "U1"))
    assert refusal.endswith(engine.failure)
    assert len(harness.query("SELECT 1 FROM usage")) == 1
