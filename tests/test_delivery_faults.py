"""Delivery of jobs while requests to Discord fail."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import discord
import pytest

from bot.db.database import FILENAME, Database
from bot.domain.job import Job, Progress, ResponseTarget
from bot.domain.picture import Picture
from bot.engine_client.socket_client import SocketEngineClient
from bot.errors import DeliveryFailed
from bot.messages import captions, components
from bot.messages.action_views import ActionViews
from bot.messages.captured import CapturedFiles
from bot.messages.channels import ChannelResolver
from bot.messages.job_messages import EDIT_SECONDS, JobMessages
from bot.messages.message_client import MessageClient
from bot.messages.message_content import MessageContent
from bot.messages.replayed import ReplayNotes
from bot.messages.result_content import ResultContent
from bot.messages.upload_limits import UploadLimits
from bot.playground import Fault
from bot.services.display_versions import DisplayVersions
from bot.storage import FileStorage
from tests.bot_harness import BotHarness, eventually
from tests.delivering import (
    finish_undelivered,
    make_older,
    running_job,
    wait_for_delivered_jobs,
    wait_until_delivered,
)
from tests.fake_engine import FakeEngine
from tests.manual_time import ManualTime
from tests.openapi import OpenApi
from tests.samples import job


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=502),
        Fault(status=502, after_commit=True),
        Fault(drop=True),
        Fault(drop=True, after_commit=True),
        Fault(status=429),
        Fault(status=429, scope="global"),
        Fault(status=429, via=False),
        Fault(status=404, code=10015),
        Fault(status=401, code=50027),
        Fault(status=500),
        Fault(status=502, html=True),
        Fault(status=520, html=True),
        Fault(status=429, code=30046),
    ],
)
async def test_a_result_is_shown_once_whatever_fails(
    harness: BotHarness, engine: FakeEngine, fault: Fault
) -> None:
    """Edits may be repeated, new messages may not."""
    interaction = await running_job(harness, engine)
    harness.discord.faults.next("PATCH", "/webhooks/", fault)
    engine.gate.set()
    message = await harness.result(interaction)
    assert "U1" in message.buttons
    await wait_until_delivered(harness)
    assert harness.discord.messages() == [message]


@pytest.mark.parametrize("fault", [Fault(status=413), Fault(status=413, html=True)])
async def test_a_rejected_grid_is_replaced_by_text(
    harness: BotHarness, engine: FakeEngine, fault: Fault
) -> None:
    """The message says so, and the pictures are available one by one."""
    interaction = await running_job(harness, engine)
    harness.discord.faults.next("PATCH", "/webhooks/", fault)
    engine.gate.set()
    message = await harness.result(interaction)
    assert "did not accept the grid" in message.content
    assert "U1" in message.buttons
    single = await harness.ada.click(message, "U1")
    await harness.discord.until(lambda: single.response and single.response.attachments)


async def test_a_blocked_text_is_shown_without_its_prompt(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """With the grid, whose alt text is left out as well."""
    interaction = await running_job(harness, engine)
    harness.discord.faults.next("PATCH", "/webhooks/", Fault(status=400, code=200000))
    engine.gate.set()
    message = await harness.result(interaction)
    assert "blocks the text of this prompt" in message.content
    assert "a house" not in message.content
    assert [file.description for file in message.attachments] == [None]


@pytest.mark.parametrize(
    "fault", [Fault(status=502, after_commit=True), Fault(drop=True, after_commit=True)]
)
async def test_a_response_counts_if_only_its_reply_is_lost(
    harness: BotHarness, fault: Fault
) -> None:
    """Discord has received the response, so the job continues."""
    harness.discord.faults.next("POST", "/callback", fault)
    message = await harness.imagine()
    assert "U1" in message.buttons
    harness.discord.violations.clear()  # the retry of discord.py is a violation


async def test_a_job_without_a_response_does_not_run(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """The user saw "The application did not respond"."""
    harness.discord.faults.next("POST", "/callback", Fault(status=404), times=5)
    await harness.ada.slash("imagine", prompt="a house")
    await eventually(lambda: harness.query("SELECT * FROM jobs WHERE status = 'cancelled'"))
    assert engine.paints == []


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (Fault(status=403, code=50013), "done"),
        (Fault(status=403, code=50001), "cancelled"),
        (Fault(status=404, code=10003), "cancelled"),
        (Fault(status=404, code=10008), "cancelled"),
    ],
)
async def test_an_unreachable_channel_ends_the_delivery(
    harness: BotHarness, fault: Fault, status: str
) -> None:
    """Nothing is posted. If nobody can see the channel, the job is cancelled; others continue."""
    grid = await harness.imagine()
    await wait_until_delivered(harness)
    for method in ("POST", "PATCH"):
        harness.discord.faults.next(method, "/channels/", fault, times=10)
    before = len(harness.discord.messages())
    await harness.ada.react(grid, "🔁")
    await wait_for_delivered_jobs(harness, 2)
    assert [row["status"] for row in harness.query("SELECT status FROM jobs")] == ["done", status]
    assert len(harness.discord.messages()) == before
    harness.discord.faults.clear()
    assert "U1" in (await harness.imagine()).buttons


async def test_a_job_of_an_unknown_interaction_does_not_run(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """The response was too late (10062); the next command works."""
    harness.discord.faults.next("POST", "/callback", Fault(status=404, code=10062))
    await harness.ada.slash("imagine", prompt="a house")
    await wait_for_delivered_jobs(harness, 1)
    assert [row["status"] for row in harness.query("SELECT status FROM jobs")] == ["cancelled"]
    assert engine.paints == []
    assert "U1" in (await harness.imagine()).buttons


async def test_a_damaged_file_does_not_stop_the_delivery(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """The text with the reason and the buttons are still shown."""
    interaction = await running_job(harness, engine)
    await finish_undelivered(harness, engine)
    for path in (harness.data / "pictures").rglob("*.png"):
        path.write_bytes(b"not a picture")
    await harness.start()
    message = await harness.result(interaction)
    assert "file in the data folder is damaged" in message.content
    assert "U1" in message.buttons
    await wait_until_delivered(harness)


async def test_an_empty_reply_of_discord_is_retried(
    harness: BotHarness, engine: FakeEngine, openapi: OpenApi | None
) -> None:
    """discord.py does not handle an empty reply."""
    interaction = await running_job(harness, engine)
    harness.discord.faults.next("PATCH", "/webhooks/", Fault(status=204), times=2)
    engine.gate.set()
    assert "U1" in (await harness.result(interaction)).buttons
    await wait_until_delivered(harness)
    if openapi is not None:
        openapi.problems.clear()  # the empty reply itself is a problem


async def test_a_bug_in_a_delivery_is_reported_once(
    harness: BotHarness, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The message shows an error instead of staying unfinished, and the log has the traceback."""

    def broken(_: Job, __: Sequence[Picture], **___: object) -> str:
        raise KeyError("upscale")

    monkeypatch.setattr(captions, "ending", broken)
    message = await harness.imagine()
    assert "Something went wrong" in message.content
    await wait_until_delivered(harness)
    assert caplog.text.count("KeyError: 'upscale'") == 1


async def test_a_bug_in_the_progress_does_not_stop_the_delivery(
    harness: BotHarness, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged once with its traceback, no more progress is shown, and the result is."""

    def broken(_: str) -> discord.ui.View:
        raise KeyError("cancel")

    monkeypatch.setattr(components, "cancel_view", broken)
    assert "U1" in (await harness.imagine()).buttons
    await wait_until_delivered(harness)
    assert caplog.messages.count("showing progress failed") == 1
    assert caplog.text.count("KeyError: 'cancel'") == 1


class BannedMessages(MessageClient):
    """Discord asks for a wait of a minute; counts the attempts."""

    attempts = 0

    async def upsert(self, target: ResponseTarget, content: MessageContent, *, nonce: str) -> int:
        """Fail."""
        self.attempts += 1
        raise DeliveryFailed("429", retry_after=60.0)


def results(data: Path, db: Database, client: discord.Client) -> ResultContent:
    """What results show."""
    storage = FileStorage(data)
    return ResultContent(
        storage,
        CapturedFiles(db.artifacts, db.jobs, db.lineage, storage),
        ReplayNotes(db.jobs, db.lineage, storage),
        ChannelResolver(client, db.guild_settings),
        ActionViews([]),
        UploadLimits(client),
    )


async def test_progress_waits_as_long_as_discord_asks(tmp_path: Path, db: Database) -> None:
    """The jobs together, because it is this machine's address that is banned."""
    client, time = discord.Client(intents=discord.Intents.none()), ManualTime()
    messages = BannedMessages(client)
    channels = ChannelResolver(client, db.guild_settings)
    for nth in range(2):
        await db.jobs.add(job(f"j{nth}"))
    async with JobMessages(
        messages,
        db.jobs,
        results(tmp_path, db, client),
        DisplayVersions(db.jobs, SocketEngineClient(), FileStorage(tmp_path)),
        channels,
        clock=lambda: 1.0,
        monotonic=time.clock,
        sleep=time.sleep,
    ) as delivery:
        delivery.show(job("j0"), Progress(percent=1))
        await eventually(lambda: time.pauses)
        assert messages.attempts == 1
        for percent in range(2, 5):
            for nth in range(2):
                delivery.show(job(f"j{nth}"), Progress(percent=percent))
            await time.advance(EDIT_SECONDS)
        assert len(time.pauses) > 6, "each has been considered"
        assert messages.attempts == 1
        await time.advance(60.0)
        await eventually(lambda: messages.attempts > 1)


async def test_no_task_is_left_after_the_exit(tmp_path: Path, db: Database) -> None:
    """The tasks that show progress are cancelled, also while they wait for the next edit."""
    client, time = discord.Client(intents=discord.Intents.none()), ManualTime()
    delivery = JobMessages(
        MessageClient(client),
        db.jobs,
        results(tmp_path, db, client),
        DisplayVersions(db.jobs, SocketEngineClient(), FileStorage(tmp_path)),
        ChannelResolver(client, db.guild_settings),
        clock=lambda: 1.0,
        sleep=time.sleep,
    )
    before = asyncio.all_tasks()
    async with delivery:
        for nth in range(3):
            delivery.show(job(f"j{nth}"), Progress())
        assert len(asyncio.all_tasks() - before) == 3
        await eventually(lambda: time.pauses == [EDIT_SECONDS] * 3)
        assert len(asyncio.all_tasks() - before) == 3
    assert asyncio.all_tasks() == before


async def test_without_the_permission_to_attach_files_the_text_is_shown(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """The pictures are available one by one."""
    interaction = await running_job(harness, engine)
    await eventually(lambda: engine.paints)
    await asyncio.to_thread(make_older, harness.data / FILENAME)
    harness.discord.faults.next("PATCH", "/channels/", Fault(status=403, code=50013))
    engine.gate.set()
    message = await harness.result(interaction)
    assert "did not accept the grid" in message.content
    assert "U1" in message.buttons
    await wait_until_delivered(harness)


async def test_a_lost_response_is_sent_again(harness: BotHarness) -> None:
    """The connection broke before Discord received the response."""
    harness.discord.faults.next("POST", "/callback", Fault(drop=True))
    assert "U1" in (await harness.imagine()).buttons
    harness.discord.faults.next("POST", "/callback", Fault(drop=True))
    refused = await harness.ada.slash("imagine", prompt="a", seed=-2, checked=False)
    assert "seed is -2" in await harness.refusal(refused)


async def test_a_private_response_whose_acknowledgement_is_lost_is_completed(
    harness: BotHarness,
) -> None:
    """Discord shows that the bot is thinking, until the sentence takes its place."""
    fault = Fault(drop=True, after_commit=True)
    harness.discord.faults.next("POST", "/callback", fault)
    interaction = await harness.ada.slash("privacy show")
    await harness.discord.until(
        lambda: interaction.response is not None and interaction.response.content, why="a sentence"
    )
    harness.discord.violations.clear()  # the repeated response is a violation


async def test_an_unknown_response_counts_as_sent(harness: BotHarness) -> None:
    """If neither the response nor its state can be fetched, the message must not stay empty."""
    harness.discord.faults.next("POST", "/callback", Fault(drop=True, after_commit=True))
    harness.discord.faults.next("GET", "/webhooks/", Fault(drop=True), times=3)
    assert "U1" in (await harness.imagine()).buttons
    assert len(harness.discord.messages()) == 1
    harness.discord.violations.clear()  # the repeated response is a violation
