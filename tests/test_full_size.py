"""The U buttons post one picture at full size; an interrupted response is completed later."""

import asyncio
import sqlite3
from contextlib import closing

import pytest

from bot.db.database import FILENAME
from bot.playground import Fault, Interaction, Message, Permission
from bot.playground.model.permissions import EVERYONE, NOTHING
from tests.bot_harness import BotHarness, eventually
from tests.fake_engine import FakeEngine, flat
from tests.samples import pixels_digest


@pytest.mark.parametrize("nth", [1, 2, 3, 4])
async def test_u_posts_the_stored_picture(
    harness: BotHarness, engine: FakeEngine, nth: int
) -> None:
    """The message has the stored picture, pixel for pixel; the engine is not used."""
    grid = await harness.imagine()
    message = await harness.result(await harness.ada.click(grid, f"U{nth}"))
    assert message is not grid
    assert pixels_digest(message.attachments[0].data) == pixels_digest(
        flat(engine.paints[0].recipes[nth - 1])
    )
    assert f"seed {6 + nth}" in message.content
    assert len(engine.paints) == 1


async def test_a_missing_file_is_reported(harness: BotHarness, engine: FakeEngine) -> None:
    """If it cannot be painted. The placeholder is deleted."""
    grid = await harness.imagine()
    engine.failure = "Broken."
    for path in (harness.data / "pictures").rglob("*.png"):
        path.unlink()
    interaction = await harness.ada.click(grid, "U1")
    assert "file is gone" in await harness.refusal(interaction)
    await harness.discord.until(
        lambda: harness.discord.messages() == [grid], why="the placeholder is deleted"
    )
    await eventually(
        lambda: (
            harness.query(
                "SELECT 1 FROM deliveries WHERE kind = 'picture' AND delivered_at IS NULL"
            )
            == []
        )
    )


async def test_an_interrupted_refusal_is_shown_after_a_restart(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """It replaces the placeholder."""
    grid, engine.failure = await harness.imagine(), "Broken."
    for path in (harness.data / "pictures").rglob("*.png"):
        path.unlink()
    harness.discord.faults.next("POST", "/webhooks/", Fault(delay=60.0))
    interaction = await harness.ada.click(grid, "U1")
    await harness.discord.until(
        lambda: interaction.response and interaction.response.content == "…", why="the placeholder"
    )
    await eventually(lambda: not harness.discord.faults.pending)
    await harness.stop()
    await harness.start()
    await harness.discord.until(
        lambda: interaction.response and "file is gone" in interaction.response.content,
        why="the reason",
    )


async def test_an_error_does_not_stop_other_pending_interactions(harness: BotHarness) -> None:
    """One of them is damaged when the bot starts after a crash."""
    damaged = await interrupted_click(harness, await harness.imagine(), "acknowledged")
    await harness.execute("UPDATE pictures SET recipe = '{}'")
    await harness.start()
    interaction = await interrupted_click(harness, await harness.imagine(), "acknowledged")
    await harness.start()
    assert (await harness.result(interaction)).attachments
    assert damaged.response is not None and damaged.response.loading


async def test_a_network_error_is_reported(harness: BotHarness) -> None:
    """The refusal names the error of Discord, and the placeholder is deleted."""
    grid = await harness.imagine()
    harness.discord.faults.next("PATCH", "/webhooks/", Fault(drop=True), times=2)
    interaction = await harness.ada.click(grid, "U1")
    assert "Discord rejected my response" in await harness.refusal(interaction)
    await harness.discord.until(
        lambda: harness.discord.messages() == [grid], why="the placeholder is deleted"
    )


@pytest.mark.parametrize("after_commit", [False, True])
async def test_a_lost_picture_is_sent_again(harness: BotHarness, after_commit: bool) -> None:
    """At once and in the same message, whether or not Discord has it already."""
    grid = await harness.imagine()
    lost = Fault(drop=True, after_commit=after_commit)
    harness.discord.faults.next("PATCH", "/webhooks/", lost)
    message = await harness.result(await harness.ada.click(grid, "U1"))
    await eventually(
        lambda: (
            harness.query(
                "SELECT 1 FROM deliveries WHERE kind = 'picture' AND delivered_at IS NULL"
            )
            == []
        )
    )
    assert harness.discord.messages() == [grid, message] and message.attachments


@pytest.mark.parametrize("restarts", [False, True])
async def test_the_channel_is_used_if_discord_refuses_the_token(
    harness: BotHarness, restarts: bool
) -> None:
    """For the same message, at the first attempt and after a restart."""
    grid = await harness.imagine()
    if restarts:
        interaction = await interrupted_click(harness, grid, "acknowledged")
    harness.discord.faults.next("PATCH", "/webhooks/", Fault(status=401, code=50027))
    if restarts:
        await harness.start()
    else:
        interaction = await harness.ada.click(grid, "U2")
    message = await harness.result(interaction)
    assert message.attachments and message is interaction.response
    assert harness.discord.messages() == [grid, message]
    await eventually(
        lambda: (
            harness.query(
                "SELECT 1 FROM deliveries WHERE kind = 'picture' AND delivered_at IS NULL"
            )
            == []
        )
    )


async def test_a_removed_message_is_reported(harness: BotHarness) -> None:
    """A moderator removes the picture while it is uploaded."""
    removed = asyncio.Event()
    grid = await harness.imagine()
    harness.discord.faults.next("PATCH", "/webhooks/", Fault(status=404, code=10008, until=removed))
    interaction = await harness.ada.click(grid, "U2")
    await eventually(
        lambda: harness.query("SELECT 1 FROM deliveries WHERE nth = 2 AND message > 0")
    )
    await eventually(lambda: not harness.discord.faults.pending)
    await harness.execute("UPDATE pictures SET removed_at = 1.0, path = NULL, blocked = 1")
    removed.set()
    assert "Moderators removed this" in await harness.refusal(interaction)
    await eventually(
        lambda: (
            harness.query(
                "SELECT 1 FROM deliveries WHERE kind = 'picture' AND delivered_at IS NULL"
            )
            == []
        )
    )


async def test_a_picture_is_shown_while_the_database_is_locked(
    harness: BotHarness, caplog: pytest.LogCaptureFixture
) -> None:
    """Its message is stored after the lock is released."""
    grid = await harness.imagine()
    await eventually(lambda: harness.query("SELECT 1 FROM jobs WHERE delivered_at > 0"))
    with closing(sqlite3.connect(harness.data / FILENAME, isolation_level=None)) as locker:
        locker.execute("BEGIN IMMEDIATE")
        message = await harness.result(await harness.ada.click(grid, "U1"))
        await eventually(lambda: "Trying again" in caplog.text)
        locker.execute("ROLLBACK")
    await eventually(
        lambda: harness.query("SELECT 1 FROM deliveries WHERE nth = 1 AND message > 0")
    )
    assert message.attachments and not message.deleted


@pytest.mark.parametrize("when", ["acknowledged", "sent", "refused"])
async def test_an_interrupted_response_is_completed_after_a_restart(
    harness: BotHarness, engine: FakeEngine, when: str
) -> None:
    """The picture appears in the same message, even if the id of the message was not stored."""
    grid = await harness.imagine()
    interaction = await interrupted_click(harness, grid, when)
    message = interaction.original
    assert message is not None
    await harness.start()
    await harness.discord.until(lambda: message.attachments, why="the picture")
    assert pixels_digest(message.attachments[0].data) == pixels_digest(
        flat(engine.paints[0].recipes[1])
    )
    await eventually(
        lambda: (
            harness.query(
                "SELECT 1 FROM deliveries WHERE kind = 'picture' AND delivered_at IS NULL"
            )
            == []
        )
    )
    assert [
        row["message"]
        for row in harness.query("SELECT message FROM deliveries WHERE nth = 2 AND message > 0")
    ] == [message.id]
    assert len(harness.discord.messages()) == 2


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("UPDATE pictures SET path = 'pictures/none.png', sha256 = file_sha256", "file is gone"),
        ("DELETE FROM pictures", "That picture no longer exists"),
        ("UPDATE pictures SET blocked = 1, path = NULL", "withheld by the safety check"),
    ],
)
async def test_a_completed_response_says_why_there_is_no_picture(
    harness: BotHarness, change: str, why: str
) -> None:
    """The reason replaces the picture."""
    interaction = await interrupted_click(harness, await harness.imagine(), "acknowledged")
    await harness.execute(change)
    await harness.start()
    message = await harness.result(interaction)
    assert why in message.content and not message.attachments


@pytest.mark.parametrize("may", [EVERYONE, NOTHING])
async def test_a_picture_removed_before_the_restart_is_deleted(
    harness: BotHarness, may: Permission
) -> None:
    """Its message is deleted too, even where the bot has no permissions."""
    grid = await harness.imagine()
    interaction = await harness.ada.click(grid, "U2")
    message = await harness.result(interaction)
    await eventually(
        lambda: (
            harness.query(
                "SELECT 1 FROM deliveries WHERE kind = 'picture' AND delivered_at IS NULL"
            )
            == []
        )
    )
    await harness.stop()
    await harness.execute(
        "INSERT INTO deliveries (kind, job, nth, request, application, token, channel, created_at) "
        "SELECT 'picture', id, 2, ?, ?, ?, channel, 1e10 FROM jobs",
        f"{interaction.id}",
        harness.discord.world.bot.id,
        interaction.token,
    )
    await harness.execute("UPDATE pictures SET removed_at = 1.0, path = NULL, blocked = 1")
    harness.discord.channel.bot_permissions = may
    await harness.start()
    await harness.discord.until(lambda: message.deleted, why="it is removed")


async def test_an_interaction_without_a_response_is_dropped(harness: BotHarness) -> None:
    """Discord has shown the user that the interaction failed."""
    grid = await harness.imagine()
    harness.discord.faults.next("POST", "/callback", Fault(drop=True), times=2)
    interaction = await harness.ada.click(grid, "U2")
    await eventually(
        lambda: harness.query(
            "SELECT 1 FROM deliveries WHERE kind = 'picture' AND delivered_at IS NULL"
        )
    )
    await harness.stop()
    await harness.start()
    await eventually(
        lambda: (
            harness.query(
                "SELECT 1 FROM deliveries WHERE kind = 'picture' AND delivered_at IS NULL"
            )
            == []
        )
    )
    assert interaction.response is None and harness.discord.messages() == [grid]


async def test_a_pending_interaction_stays_until_discord_answers(
    harness: BotHarness, caplog: pytest.LogCaptureFixture
) -> None:
    """The next start completes it."""
    interaction = await interrupted_click(harness, await harness.imagine(), "acknowledged")
    harness.discord.faults.next("GET", "/messages/@original", Fault(drop=True), times=100)
    await harness.start()
    await eventually(lambda: "a message may stay empty" in caplog.messages)
    await harness.stop()
    harness.discord.faults.clear()
    assert harness.query("SELECT 1 FROM deliveries WHERE kind = 'picture' AND delivered_at IS NULL")
    await harness.start()
    assert (await harness.result(interaction)).attachments
    assert "Traceback" not in caplog.text


async def test_a_new_session_does_not_repeat_an_upload(harness: BotHarness) -> None:
    """The gateway connection is lost and replaced while a picture is uploaded."""
    grid = await harness.imagine()
    upload = asyncio.Event()
    harness.discord.faults.next("PATCH", "/webhooks/", Fault(until=upload))
    interaction = await harness.ada.click(grid, "U2")
    await eventually(lambda: harness.discord.faults.pending == 0)
    harness.discord.sockets.drop()
    await harness.discord.until(lambda: not harness.discord.online, why="the connection is cut")
    harness.discord.clock.advance(5 * 60)
    await harness.discord.until(lambda: harness.discord.online, why="a new session")
    await harness.imagine(harness.discord.person("Ben"))  # after the start-up work
    upload.set()
    assert (await harness.result(interaction)).attachments
    await eventually(
        lambda: (
            harness.query(
                "SELECT 1 FROM deliveries WHERE kind = 'picture' AND delivered_at IS NULL"
            )
            == []
        )
    )
    requests = [each for each in harness.discord.requests if interaction.token in each.path]
    assert [each.method for each in requests if "/webhooks/" in each.path] == ["PATCH"]


async def test_a_picture_is_sent_after_an_outage(
    harness: BotHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the picture nor an error could be sent; the gateway connection was not affected."""
    monkeypatch.setattr("bot.services.outbox.POLL_SECONDS", 0.5)
    await harness.stop()
    await harness.start()
    grid = await harness.imagine()
    for method, times in (("PATCH", 4), ("GET", 1)):
        harness.discord.faults.next(method, "/webhooks/", Fault(drop=True), times=times)
    interaction = await harness.ada.click(grid, "U2")
    assert (await harness.result(interaction)).attachments
    assert harness.discord.faults.pending == 0
    await eventually(
        lambda: (
            harness.query(
                "SELECT 1 FROM deliveries WHERE kind = 'picture' AND delivered_at IS NULL"
            )
            == []
        )
    )


@pytest.mark.parametrize("exists", [True, False])
async def test_the_channel_is_searched_after_the_token_has_expired(
    harness: BotHarness, *, exists: bool
) -> None:
    """The bot was down for longer than a token lives. A deleted response is not completed."""
    grid = await harness.imagine()
    interaction = await interrupted_click(harness, grid, "acknowledged")
    response = interaction.original
    assert response is not None
    if not exists:
        await harness.discord.person("Mo", moderator=True).delete(response)
    harness.discord.clock.advance(16 * 60)
    await harness.start()
    await eventually(
        lambda: (
            harness.query(
                "SELECT 1 FROM deliveries WHERE kind = 'picture' AND delivered_at IS NULL"
            )
            == []
        )
    )
    assert bool(response.attachments) is exists
    assert harness.discord.messages() == ([grid, response] if exists else [grid])


async def interrupted_click(harness: BotHarness, grid: Message, when: str) -> Interaction:
    """A click on U2 before the bot crashed: after the deferral, while it sent the picture (`sent`),
    or while it sent a refusal (`refused`)."""
    if when == "acknowledged":
        harness.discord.faults.next("POST", "/callback", Fault(after_commit=True, drop=True))
        harness.discord.faults.next("GET", "/messages/@original", Fault(delay=60.0))
    elif when == "refused":
        harness.discord.faults.next("PATCH", "/webhooks/", Fault(drop=True), times=2)
        harness.discord.faults.next("POST", "/webhooks/", Fault(delay=60.0))
    else:
        harness.discord.faults.next("PATCH", "/webhooks/", Fault(delay=60.0))
    interaction = await harness.ada.click(grid, "U2")
    await harness.discord.until(lambda: interaction.original, why="it is acknowledged")
    if when == "refused":
        await harness.discord.until(
            lambda: has_content(interaction.original, "…"), why="the placeholder is shown"
        )
    elif when == "sent":
        await eventually(
            lambda: harness.query("SELECT 1 FROM deliveries WHERE nth = 2 AND message > 0")
        )
    await eventually(lambda: not harness.discord.faults.pending)
    await harness.stop()
    assert interaction.original is not None and not interaction.original.attachments
    return interaction


def has_content(message: Message | None, content: str) -> bool:
    """Whether the message exists and has this content."""
    return message is not None and message.content == content
