"""Deletion of a user's data while jobs are in progress."""

import asyncio
import random
import threading

import pytest
from PIL import Image

from bot.playground import Fault, Upload
from bot.storage import FileStorage
from tests.bot_harness import BotHarness, eventually
from tests.deletion import (
    DELETION_NOTE,
    assert_nothing_left,
    delete,
    files,
    request_deletion,
    values_on_disk,
)
from tests.fake_engine import FakeEngine
from tests.samples import encoded

MARKER = "quokkafruit"
"""A prompt that occurs nowhere else."""


def sketch(colour: str = "red") -> Upload:
    """A small init image."""
    return Upload("a.png", encoded(Image.new("RGB", (64, 64), colour)))


async def test_unfinished_jobs_are_cancelled(harness: BotHarness, engine: FakeEngine) -> None:
    """Their messages say so and show nothing else of the jobs."""
    engine.gate.clear()
    interactions = [
        await harness.ada.slash("imagine", prompt=f"{MARKER} {nth}") for nth in range(3)
    ]
    await harness.discord.until(
        lambda: all(
            interaction.response and interaction.response.buttons for interaction in interactions
        ),
        why="all are shown",
    )
    await delete(harness)
    engine.gate.set()
    for interaction in interactions:
        message = await harness.result(interaction)
        assert message.buttons == [] and message.attachments == []
        assert DELETION_NOTE in message.content and MARKER not in message.content
    await assert_nothing_left(harness)
    assert len(engine.cancels) == len(engine.paints)
    assert len([m for m in harness.discord.messages() if not m.ephemeral]) == 3


@pytest.mark.parametrize("chance", range(8))
async def test_a_job_that_finishes_during_the_deletion_leaves_nothing(
    harness: BotHarness, engine: FakeEngine, chance: int
) -> None:
    """For any timing there is one final message, and no data is left."""
    moment = random.Random(chance)
    engine.gate.clear()
    interactions = [
        await harness.ada.invoke("imagine", {"prompt": MARKER, "sketch": sketch(colour)})
        for colour in ("red", "blue")
    ]
    await eventually(lambda: len(engine.paints) == 2)
    confirmation = await request_deletion(harness, harness.ada)
    await harness.ada.click(confirmation, "Delete everything")
    await asyncio.sleep(moment.uniform(0, 0.06))  # at any time before, during or after it
    engine.gate.set()
    await harness.discord.until(lambda: not confirmation.buttons, why="it is deleted")
    for interaction in interactions:
        message = await harness.result(interaction)
        assert DELETION_NOTE in message.content or "U1" in message.buttons
    await assert_nothing_left(harness)
    assert not values_on_disk(harness.data, MARKER)
    assert len([m for m in harness.discord.messages() if not m.ephemeral]) == 2


async def test_a_result_sent_during_the_deletion_is_replaced(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """Discord accepts the grid only after the deletion."""
    engine.gate.clear()
    interaction = await harness.ada.slash("imagine", prompt=MARKER, steps=1)  # shows no progress
    await harness.discord.until(
        lambda: interaction.response and "Starting" in interaction.response.content,
        why="the only edit before the result",
    )
    is_deleted = asyncio.Event()
    path = f"{interaction.token}/messages/@original"
    harness.discord.faults.next("PATCH", path, Fault(until=is_deleted))
    engine.gate.set()
    await eventually(lambda: not harness.discord.faults.pending)
    await delete(harness)
    is_deleted.set()
    message = await harness.result(interaction)
    await harness.discord.until(
        lambda: DELETION_NOTE in message.content, why="the grid is replaced"
    )
    assert message.attachments == [] and message.buttons == []
    await assert_nothing_left(harness)


async def test_a_retried_result_is_replaced_by_the_note(harness: BotHarness) -> None:
    """The job is deleted between two attempts to deliver it."""
    interaction = await harness.ada.slash("imagine", prompt=MARKER)
    path = f"{interaction.token}/messages/@original"
    harness.discord.faults.next("PATCH", path, Fault(drop=True), times=2)
    await eventually(lambda: harness.query("SELECT * FROM jobs WHERE status = 'done'"))
    await delete(harness)
    await harness.discord.until(
        lambda: interaction.response and DELETION_NOTE in interaction.response.content,
        why="the note",
        timeout=40,
    )
    await assert_nothing_left(harness)


async def test_a_job_deleted_before_its_first_response_has_one_message(harness: BotHarness) -> None:
    """Discord receives the response only after the deletion."""
    await harness.imagine()
    confirmation = await request_deletion(harness, harness.ada)
    arrived = asyncio.Event()
    harness.discord.faults.next("POST", "/callback", Fault(until=arrived))
    interaction = await harness.ada.slash("imagine", prompt=MARKER)
    await eventually(lambda: len(harness.query("SELECT * FROM jobs")) == 2)
    await harness.ada.click(confirmation, "Delete everything")
    arrived.set()
    message = await harness.result(interaction)
    assert DELETION_NOTE in message.content
    assert len([m for m in harness.discord.messages() if not m.ephemeral]) == 2
    await assert_nothing_left(harness)


async def test_a_sketch_downloaded_after_the_deletion_is_deleted(harness: BotHarness) -> None:
    """Its job was deleted during the download."""
    file = sketch()
    fetched = asyncio.Event()
    harness.discord.faults.next("GET", "/ephemeral-attachments/", Fault(until=fetched))
    harness.discord.faults.next("GET", "/attachments/", Fault(until=fetched))
    interaction = await harness.ada.invoke("imagine", {"prompt": MARKER, "sketch": file})
    await harness.discord.until(
        lambda: interaction.response and interaction.response.buttons, why="it is shown"
    )
    assert harness.query("SELECT 1 FROM job_inputs WHERE url IS NOT NULL")
    await delete(harness)
    assert not harness.query("SELECT 1 FROM job_inputs")
    fetched.set()
    await eventually(lambda: files(harness))
    await assert_nothing_left(harness)


async def test_a_sketch_saved_during_the_deletion_is_deleted(
    harness: BotHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a slow disk, the deletion of files waits until the file is complete."""
    save, may_save = FileStorage.save_source, threading.Event()

    def slowly(self: FileStorage, png: bytes) -> str:
        assert may_save.wait(60)
        return save(self, png)

    monkeypatch.setattr(FileStorage, "save_source", slowly)
    await harness.ada.invoke("imagine", {"prompt": MARKER, "sketch": sketch()})
    await eventually(lambda: harness.query("SELECT * FROM file_deletions"))
    deletion = asyncio.create_task(delete(harness))
    await eventually(lambda: harness.query("SELECT * FROM jobs WHERE erased IS NOT NULL"))
    may_save.set()
    await deletion
    await assert_nothing_left(harness)


async def test_a_repeated_event_of_a_deleted_job_starts_nothing(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """The gateway repeats the event of an interaction and of a reaction."""
    grid = await harness.imagine(harness.discord.person("Ben"))
    await harness.ada.react(grid, "1️⃣")
    await eventually(lambda: len(engine.paints) == 2)
    await harness.imagine()
    events = [
        event
        for event in harness.events
        if event.name in ("INTERACTION_CREATE", "MESSAGE_REACTION_ADD")
    ]
    await eventually(lambda: not harness.query("SELECT * FROM jobs WHERE delivered_at IS NULL"))
    await delete(harness)
    for event in events:
        harness.discord.world.emit(event.name, event.data, event.place)
    await harness.imagine(harness.discord.person("Cy"))
    assert len(engine.paints) == 4
