"""The U buttons post one picture at full size; an interrupted response is completed later."""

import asyncio
import sqlite3
from contextlib import closing

import pytest

from bot.db.connection import LOCK_SECONDS
from bot.db.database import FILENAME
from bot.playground import Fault, Interaction, Message, Permission
from bot.playground.model.permissions import EVERYONE, NOTHING
from tests.fake_engine import FakeEngine, flat
from tests.house import House, eventually


@pytest.mark.parametrize("nth", [1, 2, 3, 4])
async def test_u_posts_the_stored_picture(house: House, engine: FakeEngine, nth: int) -> None:
    """The message has the stored file, byte for byte; the engine is not used."""
    grid = await house.imagine()
    message = await house.result(await house.ada.click(grid, f"U{nth}"))
    assert message is not grid
    assert message.attachments[0].data == flat(engine.paints[0].recipes[nth - 1])
    assert f"seed `{6 + nth}`" in message.content
    assert len(engine.paints) == 1


async def test_a_missing_file_is_reported(house: House) -> None:
    """The placeholder is deleted."""
    grid = await house.imagine()
    for path in (house.data / "pictures").rglob("*.png"):
        path.unlink()
    interaction = await house.ada.click(grid, "U1")
    assert "file is gone" in await house.refusal(interaction)
    await house.discord.until(
        lambda: house.discord.messages() == [grid], why="the placeholder is deleted"
    )
    await eventually(lambda: house.query("SELECT * FROM pending_interactions") == [])


async def test_an_interrupted_refusal_is_shown_after_a_restart(house: House) -> None:
    """It replaces the placeholder."""
    grid = await house.imagine()
    for path in (house.data / "pictures").rglob("*.png"):
        path.unlink()
    house.discord.faults.next("POST", "/webhooks/", Fault(delay=60.0))
    interaction = await house.ada.click(grid, "U1")
    await house.discord.until(
        lambda: interaction.response and interaction.response.content == "…", why="the placeholder"
    )
    await house.stop()
    await house.start()
    await house.discord.until(
        lambda: interaction.response and "file is gone" in interaction.response.content,
        why="the reason",
    )


async def test_an_error_does_not_stop_other_pending_interactions(house: House) -> None:
    """One of them is damaged when the bot starts after a crash."""
    damaged = await interrupted_click(house, await house.imagine(), "acknowledged")
    house.execute("UPDATE pictures SET sampler = 'none'")
    await house.start()
    interaction = await interrupted_click(house, await house.imagine(), "acknowledged")
    await house.start()
    assert (await house.result(interaction)).attachments
    assert damaged.response is not None and damaged.response.loading


async def test_a_network_error_is_reported(house: House) -> None:
    """The refusal names the error of Discord, and the placeholder is deleted."""
    grid = await house.imagine()
    house.discord.faults.next("PATCH", "/webhooks/", Fault(drop=True))
    interaction = await house.ada.click(grid, "U1")
    assert "Discord rejected my response" in await house.refusal(interaction)
    await house.discord.until(
        lambda: house.discord.messages() == [grid], why="the placeholder is deleted"
    )


@pytest.mark.parametrize("restarts", [False, True])
async def test_the_channel_is_used_if_discord_refuses_the_token(
    house: House, restarts: bool
) -> None:
    """For the same message, at the first attempt and after a restart."""
    grid = await house.imagine()
    if restarts:
        interaction = await interrupted_click(house, grid, "acknowledged")
    house.discord.faults.next("PATCH", "/webhooks/", Fault(status=401, code=50027))
    if restarts:
        await house.start()
    else:
        interaction = await house.ada.click(grid, "U2")
    message = await house.result(interaction)
    assert message.attachments and message is interaction.response
    assert house.discord.messages() == [grid, message]
    await eventually(lambda: house.query("SELECT * FROM pending_interactions") == [])


async def test_a_removed_message_is_reported(house: House) -> None:
    """A moderator removes the picture while it is uploaded."""
    grid = await house.imagine()
    house.discord.faults.next("PATCH", "/webhooks/", Fault(status=404, code=10008, delay=0.5))
    interaction = await house.ada.click(grid, "U2")
    await eventually(lambda: house.query("SELECT 1 FROM job_messages WHERE nth = 2"))
    house.execute("UPDATE pictures SET removed_at = 1.0, path = NULL, blocked = 1")
    assert "Moderators removed this" in await house.refusal(interaction)
    await eventually(lambda: house.query("SELECT * FROM pending_interactions") == [])


async def test_a_picture_is_shown_while_the_database_is_locked(house: House) -> None:
    """Its message is stored after the lock is released."""
    grid = await house.imagine()
    await eventually(lambda: house.query("SELECT 1 FROM jobs WHERE delivered_at > 0"))
    with closing(sqlite3.connect(house.data / FILENAME, isolation_level=None)) as locker:
        locker.execute("BEGIN IMMEDIATE")
        message = await house.result(await house.ada.click(grid, "U1"))
        await asyncio.sleep(2 * LOCK_SECONDS)
        locker.execute("ROLLBACK")
    await eventually(lambda: house.query("SELECT 1 FROM job_messages WHERE nth = 1"))
    assert message.attachments and not message.deleted


@pytest.mark.parametrize("when", ["acknowledged", "sent", "refused"])
async def test_an_interrupted_response_is_completed_after_a_restart(
    house: House, engine: FakeEngine, when: str
) -> None:
    """The picture appears in the same message, even if the id of the message was not stored."""
    grid = await house.imagine()
    interaction = await interrupted_click(house, grid, when)
    await house.start()
    message = await house.result(interaction)
    assert message.attachments[0].data == flat(engine.paints[0].recipes[1])
    await eventually(lambda: house.query("SELECT * FROM pending_interactions") == [])
    assert [
        row["message"] for row in house.query("SELECT message FROM job_messages WHERE nth = 2")
    ] == [message.id]
    assert len(house.discord.messages()) == 2


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("UPDATE pictures SET path = 'pictures/none.png'", "file is gone"),
        ("DELETE FROM pictures", "That picture no longer exists"),
        ("UPDATE pictures SET blocked = 1, path = NULL", "withheld by the safety check"),
    ],
)
async def test_a_completed_response_says_why_there_is_no_picture(
    house: House, change: str, why: str
) -> None:
    """The reason replaces the picture."""
    interaction = await interrupted_click(house, await house.imagine(), "acknowledged")
    house.execute(change)
    await house.start()
    message = await house.result(interaction)
    assert why in message.content and not message.attachments


@pytest.mark.parametrize("may", [EVERYONE, NOTHING])
async def test_a_picture_removed_before_the_restart_is_deleted(
    house: House, may: Permission
) -> None:
    """Its message is deleted too, even where the bot has no permissions."""
    grid = await house.imagine()
    interaction = await house.ada.click(grid, "U2")
    message = await house.result(interaction)
    await eventually(lambda: house.query("SELECT * FROM pending_interactions") == [])
    await house.stop()
    house.execute(
        "INSERT INTO pending_interactions SELECT ?, ?, ?, channel, id, 2, 1e10 FROM jobs",
        interaction.id,
        house.discord.world.bot.id,
        interaction.token,
    )
    house.execute("UPDATE pictures SET removed_at = 1.0, path = NULL, blocked = 1")
    house.discord.channel.bot_permissions = may
    await house.start()
    await house.discord.until(lambda: message.deleted, why="it is removed")


async def test_an_interaction_without_a_response_is_dropped(house: House) -> None:
    """Discord has shown the user that the interaction failed."""
    grid = await house.imagine()
    house.discord.faults.next("POST", "/callback", Fault(drop=True), times=2)
    interaction = await house.ada.click(grid, "U2")
    await eventually(lambda: house.query("SELECT * FROM pending_interactions"))
    await house.stop()
    await house.start()
    await eventually(lambda: house.query("SELECT * FROM pending_interactions") == [])
    assert interaction.response is None and house.discord.messages() == [grid]


async def test_a_pending_interaction_stays_until_discord_answers(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    """The next start completes it."""
    interaction = await interrupted_click(house, await house.imagine(), "acknowledged")
    house.discord.faults.next("GET", "/messages/@original", Fault(drop=True), times=2)
    await house.start()
    await eventually(lambda: "a message may stay empty" in caplog.messages)
    await house.stop()
    assert house.query("SELECT * FROM pending_interactions")
    await house.start()
    assert (await house.result(interaction)).attachments
    assert "Traceback" not in caplog.text


async def interrupted_click(house: House, grid: Message, when: str) -> Interaction:
    """A click on U2 before the bot crashed: after the deferral, while it sent the picture (`sent`),
    or while it sent a refusal (`refused`)."""
    if when == "acknowledged":
        house.discord.faults.next("POST", "/callback", Fault(after_commit=True, drop=True))
        house.discord.faults.next("GET", "/messages/@original", Fault(delay=60.0))
    elif when == "refused":
        house.discord.faults.next("PATCH", "/webhooks/", Fault(drop=True))
        house.discord.faults.next("POST", "/webhooks/", Fault(delay=60.0))
    else:
        house.discord.faults.next("PATCH", "/webhooks/", Fault(delay=60.0))
    interaction = await house.ada.click(grid, "U2")
    await house.discord.until(lambda: interaction.original, why="it is acknowledged")
    if when == "refused":
        await house.discord.until(lambda: has_content(interaction.original, "…"), why="it gives up")
    elif when == "sent":
        await eventually(lambda: house.query("SELECT 1 FROM job_messages WHERE nth = 2"))
    await house.stop()
    assert interaction.original is not None and not interaction.original.attachments
    return interaction


def has_content(message: Message | None, content: str) -> bool:
    """Whether the message exists and has this content."""
    return message is not None and message.content == content
