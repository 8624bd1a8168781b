"""Jobs in the states between the first response and the delivery of the result."""

import sqlite3
from pathlib import Path

from PIL import Image

from bot.playground import Fault, Interaction, Upload
from bot.playground.client.options import Value
from tests.bot_harness import BotHarness, eventually
from tests.fake_engine import FakeEngine
from tests.samples import encoded

SKETCH = Upload("sketch.png", encoded(Image.new("RGB", (128, 64), "red")))


async def running_job(
    harness: BotHarness, engine: FakeEngine, sketch: Upload | None = None
) -> Interaction:
    """A job that shows its progress, and that finishes when the engine's gate opens."""
    engine.gate.clear()
    options: dict[str, Value] = {"prompt": "a house"}
    if sketch is not None:
        options["sketch"] = sketch
    interaction = await harness.ada.invoke("imagine", options)
    await harness.discord.until(
        lambda: interaction.response and interaction.response.buttons, why="it is shown"
    )
    return interaction


async def finish_undelivered(harness: BotHarness, engine: FakeEngine) -> None:
    """Finish the job, and stop the bot before the result is delivered."""
    harness.discord.faults.next("PATCH", "/webhooks/", Fault(drop=True), times=100)
    engine.gate.set()
    await eventually(lambda: harness.query("SELECT * FROM jobs WHERE status = 'done'"))
    await harness.stop()
    harness.discord.faults.clear()


async def wait_until_delivered(harness: BotHarness) -> None:
    """Wait until the database says that all jobs are delivered."""
    await eventually(
        lambda: all(row["delivered_at"] for row in harness.query("SELECT * FROM jobs"))
    )


async def wait_for_delivered_jobs(harness: BotHarness, jobs: int) -> None:
    """Wait until there are this many jobs and all are delivered."""
    await eventually(lambda: len(harness.query("SELECT * FROM jobs")) == jobs)
    await wait_until_delivered(harness)


def make_older(database: Path) -> None:
    """Move all jobs 14 minutes into the past. Blocks: call it in a thread."""
    connection = sqlite3.connect(database)
    connection.execute("UPDATE jobs SET created_at = created_at - 14 * 60")
    connection.commit()
    connection.close()


def undo_response(database: Path, token: str = "never answered") -> None:  # noqa: S107
    """Make the database look as if the bot had crashed after storing the job, before responding."""
    connection = sqlite3.connect(database)
    connection.executescript(
        "DELETE FROM pictures; DELETE FROM deliveries WHERE kind != 'result';"
        "UPDATE jobs SET status = 'accepted', ended_at = NULL, delivered_at = NULL;"
    )
    connection.execute(
        "UPDATE deliveries SET delivered_at = NULL, message = NULL, token = ?", (token,)
    )
    connection.commit()
    connection.close()
