"""Jobs in the states between the first response and the delivery of the result."""

import sqlite3
from pathlib import Path

from PIL import Image

from bot.playground import Fault, Interaction, Upload
from bot.playground.client.options import Value
from tests.fake_engine import FakeEngine
from tests.house import House, eventually
from tests.samples import encoded

SKETCH = Upload("sketch.png", encoded(Image.new("RGB", (128, 64), "red")))


async def running_job(
    house: House, engine: FakeEngine, sketch: Upload | None = None
) -> Interaction:
    """A job that shows its progress, and that finishes when the engine's gate opens."""
    engine.gate.clear()
    options: dict[str, Value] = {"prompt": "a house"}
    if sketch is not None:
        options["sketch"] = sketch
    interaction = await house.ada.invoke("imagine", options)
    await house.discord.until(
        lambda: interaction.response and interaction.response.buttons, why="it is shown"
    )
    return interaction


async def finish_undelivered(house: House, engine: FakeEngine) -> None:
    """Finish the job, and stop the bot before the result is delivered."""
    house.discord.faults.next("PATCH", "/webhooks/", Fault(drop=True), times=100)
    engine.gate.set()
    await eventually(lambda: house.query("SELECT * FROM jobs WHERE status = 'done'"))
    await house.stop()
    house.discord.faults.clear()


async def wait_until_delivered(house: House) -> None:
    """Wait until the database says that all jobs are delivered."""
    await eventually(lambda: all(row["delivered_at"] for row in house.query("SELECT * FROM jobs")))


async def wait_for_delivered_jobs(house: House, jobs: int) -> None:
    """Wait until there are this many jobs and all are delivered."""
    await eventually(lambda: len(house.query("SELECT * FROM jobs")) == jobs)
    await wait_until_delivered(house)


def make_older(database: Path) -> None:
    """Move all jobs 14 minutes into the past. Blocks: call it in a thread."""
    connection = sqlite3.connect(database)
    connection.execute("UPDATE jobs SET created_at = created_at - 14 * 60")
    connection.commit()
    connection.close()


def undo_response(database: Path, token: str = "never answered") -> None:  # noqa: S107
    """Make the database look as if the bot had crashed after storing the job, before responding."""
    connection = sqlite3.connect(database)
    connection.executescript("DELETE FROM pictures; DELETE FROM job_messages;")
    connection.execute(
        "UPDATE jobs SET status = 'accepted', ended_at = NULL, delivered_at = NULL, "
        "message = NULL, token = ?",
        (token,),
    )
    connection.commit()
    connection.close()
